"""BentoML: two workers, each with its adaptive batching."""

from typing import Annotated, Any

import bentoml
import numpy as np
from bentoml.validators import DType, Shape

from benchmarks.frameworks import trees

Rows = Annotated[np.ndarray, DType("float64"), Shape((-1, 20))]


@bentoml.service(name="trees", workers=2, traffic={"timeout": 60})
class Trees:
    """Rows in, one number for each out."""

    def __init__(self) -> None:
        self.model = trees.load()

    @bentoml.api(batchable=True, max_batch_size=trees.MOST_ROWS, max_latency_ms=10_000)
    def predict(self, rows: Rows) -> np.ndarray:
        """One call of the model for a batch."""
        values: np.ndarray[Any, Any] = self.model.predict(rows)
        return values
