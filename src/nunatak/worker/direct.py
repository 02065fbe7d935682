"""Direct calls: the library's own predict on one matrix, where that is proved to be the same.

The vendor's function file makes a data frame of nullable columns, which costs more than most
models. Gradient-boosted and other trees look at each row alone, so that the order of a matrix in
memory cannot change their answer; for these a call may skip the frame. Models of PyTorch have a
way of their own (``tensors``). It is proved first, bit for bit, on random rows around the version's
sample, with and without missing values.
"""

import inspect
import warnings
from collections.abc import Iterator
from typing import Any, Optional

from . import convert, tensors
from .convert import WireColumn
from .model import ResultContent, Shortcut, WorkerMethod, attempt

LIBRARIES = ("xgboost", "lightgbm", "catboost")
TREES = ("DecisionTree", "ExtraTree", "RandomForest", "GradientBoosting", "HistGradientBoosting")
PROOF_ROWS = (1, 7, 64, 257, 1500)
EXACT = 2**53
"""Whole numbers up to here are the same in a matrix of floats."""
MISSING_SHARE = 0.15


class Direct:
    """A method's library call. ``nulls`` says whether rows with missing values may take it."""

    alone = True

    def __init__(self, method: WorkerMethod, call: Any, dtypes: list[Any]) -> None:
        import numpy as np

        self._call = call
        self._names = [str(output["name"]) for output in method.outputs]
        self._dtypes = dtypes
        single = all(dtype == np.dtype("f4") for dtype in dtypes)
        self._dtype = np.dtype("f4") if single else np.dtype("f8")
        self.nulls = False

    def answer(self, columns: list[WireColumn], rows: int) -> Optional[ResultContent]:
        """The answer; None if this batch has to go the general way."""
        matrix = self._matrix(columns, rows)
        if matrix is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a matrix has no names of features
            result = self._call(matrix)
        return self._lay_out(result, rows)

    def _matrix(self, columns: list[WireColumn], rows: int) -> Any:
        import numpy as np

        if len(columns) != len(self._dtypes) or rows == 0:
            return None
        if not all(fits(column, dtype) for column, dtype in zip(columns, self._dtypes)):
            return None
        matrix = convert.as_block(columns, rows)
        if matrix is None or matrix.dtype != self._dtype:
            matrix = np.empty((rows, len(columns)), self._dtype, order="F")
            for at, (column, dtype) in enumerate(zip(columns, self._dtypes)):
                # Through the declared type, as the function file does.
                matrix[:, at] = column.values.astype(dtype, copy=False)
                if column.nulls is not None:
                    matrix[column.nulls, at] = np.nan
        if not self.nulls and np.isnan(matrix).any():
            return None
        return matrix

    def _lay_out(self, result: Any, rows: int) -> Optional[ResultContent]:
        import numpy as np

        if not isinstance(result, np.ndarray) or result.ndim not in (1, 2):
            return None
        table = result.reshape(rows, -1) if len(result) == rows else None
        if table is None or table.shape[1] != len(self._names) or table.dtype.kind not in "fiub":
            return None
        encoder = convert.Encoder()
        for at, name in enumerate(self._names):
            encoder.add(name, *convert.from_array(table[:, at]))
        return ResultContent({"rows": rows, "columns": encoder.entries}, encoder.buffers)


def fits(column: WireColumn, dtype: Any) -> bool:
    """Whether a column turns into its declared type as it would in a data frame, exactly."""
    if column.kind not in convert.DTYPES or column.kind in ("BOOL", "TIMESTAMP"):
        return False
    values = column.values
    if dtype.kind == "f":
        return True
    if values.dtype.kind != "i" or values.dtype.itemsize > dtype.itemsize:
        return False
    small = values.dtype.itemsize < 8 or not len(values)
    return small or bool(values.min() >= -EXACT and values.max() <= EXACT)


def find(method: WorkerMethod) -> Optional[Shortcut]:
    """The library call behind a method that the vendor's packager has wrapped, if there is one."""
    runner = getattr(method.module, "runner", None)
    function = getattr(getattr(runner, "func", None), "__func__", None)
    if function is None or method.has_params:
        return None
    return _of_table(method, function) or tensors.find(method, function)


def _of_table(method: WorkerMethod, function: Any) -> Optional[Direct]:
    dtype_map = getattr(method.module, "dtype_map", None)
    if not isinstance(dtype_map, dict):
        return None
    closed = inspect.getclosurevars(function).nonlocals
    raw, name = closed.get("raw_model"), closed.get("target_method")
    call = getattr(raw, name, None) if isinstance(name, str) else None
    if not callable(call) or not _of_trees(type(raw)):
        return None
    dtypes = [_plain(dtype) for dtype in dtype_map.values()]
    if len(dtypes) != len(method.inputs) or any(dtype is None for dtype in dtypes):
        return None
    return Direct(method, call, dtypes)


def _of_trees(kind: Any) -> bool:
    package = kind.__module__.partition(".")[0]
    if package == "sklearn":
        return str(kind.__name__).startswith(TREES)
    return package in LIBRARIES


def _plain(dtype: Any) -> Any:
    """The numpy type of a declared number; None for anything that is no number."""
    import numpy as np

    dtype = getattr(dtype, "numpy_dtype", dtype)
    try:
        plain = np.dtype(dtype)
    except TypeError:
        return None
    return plain if plain.kind in "fi" else None


def prove(method: WorkerMethod, sample: list[WireColumn]) -> Optional[Shortcut]:
    """The method's library call if it gives the general way's answer on every proof."""
    direct = find(method)
    if direct is None:
        return None
    if not all(_agrees(direct, method, batch) for batch in _batches(sample, missing=False)):
        return None
    direct.nulls = True
    direct.nulls = all(_agrees(direct, method, batch) for batch in _batches(sample, missing=True))
    return direct


def _agrees(direct: Shortcut, method: WorkerMethod, batch: tuple[list[WireColumn], int]) -> bool:
    columns, rows = batch
    mine = attempt(direct, columns, rows)
    if mine is None:
        return False
    try:
        # A copy, as a frame may be a view of the columns and a model may write into it.
        general = method.answer(method.frame(columns, rows).copy(), rows)
    except Exception:  # noqa: BLE001  # a model may raise anything on rows that it never saw
        return False
    return mine.head == general.head and same_bytes(mine.buffers, general.buffers)


def same_bytes(left: list[Any], right: list[Any]) -> bool:
    """Whether two lists of buffers hold the same."""
    return len(left) == len(right) and all(bytes(a) == bytes(b) for a, b in zip(left, right))


def _batches(sample: list[WireColumn], *, missing: bool) -> Iterator[tuple[list[WireColumn], int]]:
    import numpy as np

    random = np.random.default_rng(0)
    for rows in PROOF_ROWS:
        yield [_vary(column, rows, random, missing=missing) for column in sample], rows


def _vary(column: WireColumn, rows: int, random: Any, *, missing: bool) -> WireColumn:
    """Random values of a sample's size and type; some of them missing if asked."""
    import numpy as np

    if column.kind not in convert.DTYPES:
        values = [_vary_cell(column.values[0], random) for _ in range(rows)]
        nulls = random.random(rows) < MISSING_SHARE if missing else None
        return WireColumn(column.name, column.kind, values, nulls)
    dtype = np.dtype(convert.DTYPES[column.kind])
    scale = 1 + abs(float(column.values[0]))
    values = float(column.values[0]) + random.normal(size=rows) * scale
    if dtype.kind == "i":
        limits = np.iinfo(dtype)
        values = np.clip(values.round(), max(limits.min, -EXACT), min(limits.max, EXACT))
    nulls = random.random(rows) < MISSING_SHARE if missing else None
    return WireColumn(column.name, column.kind, values.astype(dtype), nulls)


def _vary_cell(value: Any, random: Any) -> Any:
    """A list of numbers with others in their places: whole ones from the list, which may be of
    things that are numbered; anything else as it is."""
    import numpy as np

    if not isinstance(value, list):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "ib" and array.size:
        return random.choice(array.ravel(), array.shape).tolist()
    if array.dtype.kind != "f":
        return value
    return (array + random.normal(size=array.shape) * (1 + np.abs(array))).tolist()
