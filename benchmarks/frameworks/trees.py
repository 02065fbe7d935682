"""What every adapter needs in its framework's environment: the model and the port."""

import os
from typing import Any

import numpy as np
import xgboost

PORT = int(os.environ.get("BENCHMARK_PORT", "0"))
MOST_ROWS = 16_384
"""The largest batch; a request of 10,000 rows must fit."""
WINDOW_S = 0.001
"""How long a batch waits for company: about what one call of the model costs."""


def load() -> xgboost.XGBRegressor:
    """The benchmark's model."""
    model = xgboost.XGBRegressor()
    model.load_model(os.environ["BENCHMARK_MODEL"])
    return model


def predict_together(model: Any, tables: list[list[list[float]]]) -> list[list[float]]:
    """One call of the model for the rows of several requests; each request's answers."""
    values = model.predict(np.array([row for rows in tables for row in rows]))
    ends = np.cumsum([len(rows) for rows in tables])[:-1]
    return [part.tolist() for part in np.split(values, ends)]
