"""*plain*: the model behind FastAPI, as one writes it in an afternoon; two processes."""

import os

import numpy as np
import xgboost
from fastapi import FastAPI
from pydantic import BaseModel

model = xgboost.XGBRegressor()
model.load_model(os.environ["BENCHMARK_MODEL"])
app = FastAPI()


class Rows(BaseModel):
    """The flat body: a row number, then the values."""

    data: list[list[float]]


@app.post("/predict")
async def predict(rows: Rows) -> dict[str, list[tuple[int, dict[str, float]]]]:
    """One call of the model for each request."""
    table = np.array(rows.data)
    values = model.predict(table[:, 1:]).tolist()
    return {
        "data": [
            (int(number), {"output_feature_0": value})
            for number, value in zip(table[:, 0], values, strict=True)
        ]
    }
