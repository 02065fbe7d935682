"""Direct calls of PyTorch models: columns to the tensors that the vendor's packager would make of a
data frame, and the model's tensors to the columns that it would make of another one.

Nothing of the arithmetic is ours: the model is called with tensors of the same values, type, shape
and order in memory. Whatever is out of the ordinary goes the general way.
"""

import inspect
import sys
from collections.abc import Mapping
from typing import Any, Optional

from . import convert
from .convert import WireColumn
from .features import numpy_type_of, shape_of
from .model import ResultContent, WorkerMethod


class Tensors:
    """A method of a PyTorch model. It takes no row with a missing value, as the packager's does."""

    alone = False
    nulls = False

    def __init__(
        self,
        method: WorkerMethod,
        closed: Mapping[str, Any],
        features: list["TensorInput"],
        torch: Any,
    ) -> None:
        self._torch = torch
        self._model = closed["raw_model"]
        self._target = str(closed["target_method"])
        self._apart = bool(closed["multiple_inputs"])
        self._features = features
        self._outputs = [
            (str(output["name"]), convert.sql_kind(str(output["type"])))
            for output in method.outputs
        ]
        self._limit = method.marks.max_batch_size

    def answer(self, columns: list[WireColumn], rows: int) -> Optional[ResultContent]:
        """The answer; None if this batch has to go the general way."""
        if not 0 < rows <= (self._limit or rows) or not self._take(columns):
            return None
        torch = self._torch
        given = [torch.from_numpy(array) for array in self._arrays(columns, rows)]
        self._model.eval()
        with torch.no_grad():
            result = getattr(self._model, self._target)(*given)
        series = self._series(result, torch.Tensor, rows)
        if len(series) != len(self._outputs):
            return None
        encoder = convert.Encoder()
        for (name, declared), values in zip(self._outputs, series):
            if isinstance(values, list):
                if declared != "JSON":
                    return None
                encoder.add(name, "JSON", values)
            else:
                encoder.add(name, *convert.from_array(values))
        return ResultContent({"rows": rows, "columns": encoder.entries}, encoder.buffers)

    def _take(self, columns: list[WireColumn]) -> bool:
        return len(columns) == len(self._features) and all(
            feature.takes(column) for feature, column in zip(self._features, columns)
        )

    def _arrays(self, columns: list[WireColumn], rows: int) -> list[Any]:
        """Arrays that the tensors are made of: one array for each input, or one of all of them."""
        import numpy as np

        first = self._features[0]
        if self._apart:
            return [
                (np.stack(column.values) if feature.shaped else column.values).astype(feature.dtype)
                for feature, column in zip(self._features, columns)
            ]
        if first.shaped:
            cells = [list(row) for row in zip(*(column.values for column in columns))]
            return [np.array(cells, dtype=first.dtype)]
        matrix = np.empty((rows, len(columns)), first.dtype)
        for at, column in enumerate(columns):
            matrix[:, at] = column.values
        return [matrix]

    def _series(self, result: Any, tensor: Any, rows: int) -> list[Any]:
        """An array of numbers or a list of lists for each output; none for other results."""
        if self._apart and not isinstance(result, tuple):
            result = [result]
        if isinstance(result, tensor):
            return _columns_of(_array(result), rows)
        if isinstance(result, (tuple, list)) and all(isinstance(item, tensor) for item in result):
            arrays = [_array(item) for item in result]
            if all(array.ndim and len(array) == rows for array in arrays):
                return [_wide(array) if array.ndim == 1 else array.tolist() for array in arrays]
        return []


class TensorInput:
    """A declared input: the type of its tensor, and whether a cell is a list. TypeError if it is of
    no numbers."""

    def __init__(self, numpy_type: Any, *, shaped: bool) -> None:
        import numpy as np

        self.dtype = np.dtype(numpy_type)
        if self.dtype.kind not in "fi":
            raise TypeError(f"{self.dtype} is no type of numbers")
        self.shaped = shaped

    def takes(self, column: WireColumn) -> bool:
        """Whether a column becomes a tensor just as it would in a data frame."""
        import numpy as np

        if column.nulls is not None and column.nulls.any():
            return False
        if self.shaped:
            return column.kind == "JSON" and all(type(value) is list for value in column.values)
        values = column.values
        if column.kind not in convert.DTYPES or values.dtype.kind != self.dtype.kind:
            return False
        if self.dtype.kind == "f":
            return not np.isnan(values).any()
        return bool(values.dtype.itemsize <= self.dtype.itemsize)


def find(method: WorkerMethod, function: Any) -> Optional[Tensors]:
    """The model behind a method that the vendor's packager has wrapped, if it is of PyTorch, in
    main memory, and its inputs are numbers of one type or lists of them."""
    torch = sys.modules.get("torch")
    closed = inspect.getclosurevars(function).nonlocals
    if torch is None or not isinstance(closed.get("raw_model"), torch.nn.Module):
        return None
    if not {"multiple_inputs", "signature", "target_method"} <= set(closed):
        return None
    if closed.get("load_use_gpu"):
        return None
    try:
        features = [
            TensorInput(numpy_type_of(feature), shaped=bool(shape_of(feature)))
            for feature in closed["signature"].inputs
        ]
    except (AttributeError, KeyError, TypeError):
        return None  # no features, a group of them, or a type that is no number
    alike = {(feature.dtype, feature.shaped) for feature in features}
    if not features or (len(alike) > 1 and not closed["multiple_inputs"]):
        return None
    return Tensors(method, closed, features, torch)


def _array(tensor: Any) -> Any:
    array = tensor.detach().cpu().numpy()
    if array.dtype.kind not in "fib":
        raise TypeError(array.dtype)
    return array


def _columns_of(array: Any, rows: int) -> list[Any]:
    """The columns of a frame that is made of one array; cells of more dimensions are lists."""
    if array.ndim == 0 or len(array) != rows:
        return []
    if array.ndim == 1:
        return [array]
    parts = [array[:, at] for at in range(array.shape[1])]
    return parts if array.ndim == 2 else [part.tolist() for part in parts]


def _wide(array: Any) -> Any:
    """Numbers as a frame holds them that was made of a list of Python's."""
    return array.astype({"f": "f8", "i": "i8", "b": "?"}[array.dtype.kind])
