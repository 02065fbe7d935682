"""Columns of a frame to what a handler takes (pandas) and back.

Imports numpy and pandas inside the functions: they are the model's, and may be missing.
"""

import datetime
import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .frames import Buffer, WorkerFrameError

DTYPES = {
    "FLOAT64": "<f8",
    "FLOAT32": "<f4",
    "INT64": "<i8",
    "INT32": "<i4",
    "INT16": "<i2",
    "INT8": "|i1",
    "BOOL": "|b1",
    "TIMESTAMP": "<M8[ns]",
}
_WIDER = {"u1": "INT16", "u2": "INT32", "u4": "INT64", "f2": "FLOAT32"}
_SQL_KINDS = {
    "DOUBLE": "FLOAT64",
    "FLOAT": "FLOAT64",
    "REAL": "FLOAT64",
    "BIGINT": "INT64",
    "INTEGER": "INT32",
    "INT": "INT32",
    "SMALLINT": "INT16",
    "TINYINT": "INT8",
    "BOOLEAN": "BOOL",
    "STRING": "TEXT",
    "VARCHAR": "TEXT",
    "TEXT": "TEXT",
    "BINARY": "BINARY",
}


class WireColumn(NamedTuple):
    """A column: values and null marks are views of a frame's body or decoded lists.

    ``place`` is where such a view begins in the body, in bytes; -1 for anything else.
    """

    name: str
    kind: str
    values: Any
    nulls: Any = None
    place: int = -1


def sql_kind(sql_type: str) -> str:
    """The kind that a column of an SQL type is held in; what is unknown is JSON."""
    name = sql_type.split("(")[0].strip().upper()
    if name.startswith("TIMESTAMP"):
        return "TIMESTAMP"
    if name in ("NUMBER", "DECIMAL", "NUMERIC"):
        whole = "," not in sql_type or sql_type.rstrip(") ").endswith((",0", ", 0"))
        return "INT64" if whole else "FLOAT64"
    return _SQL_KINDS.get(name, "JSON")


def decode(head: dict[str, Any], body: memoryview) -> tuple[list[WireColumn], int]:
    """A frame's columns and their number of rows, numbers without copying. Raises FrameError."""
    try:
        rows = int(head["rows"])
        if rows < 0:
            raise WorkerFrameError(f"a batch cannot have {rows} rows")
        return [_decode_column(entry, body, rows) for entry in head["columns"]], rows
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WorkerFrameError(f"a frame's columns cannot be read: {error}") from error


def _decode_column(entry: Sequence[Any], body: memoryview, rows: int) -> WireColumn:
    import numpy as np

    name, kind, start, size, nulls_start = entry
    if not isinstance(name, str) or min(start, size) < 0 or start + size > len(body):
        raise WorkerFrameError("a column lies outside its frame's body")
    nulls = None
    if nulls_start >= 0:
        nulls = np.frombuffer(body, np.uint8, rows, nulls_start) != 0
    if kind in DTYPES:
        return WireColumn(name, kind, np.frombuffer(body, DTYPES[kind], rows, start), nulls, start)
    values = _decode_list(kind, body[start : start + size], rows)
    return WireColumn(name, kind, values, nulls)


def _decode_list(kind: str, data: memoryview, rows: int) -> list[Any]:
    if kind in ("TEXT", "JSON"):
        values = json.loads(bytes(data))
    elif kind == "BINARY":
        ends = [int(end) for end in data[: 8 * rows].cast("q")]
        bounds = zip([0, *ends], ends)
        values = [bytes(data[8 * rows + start : 8 * rows + end]) for start, end in bounds]
    else:
        raise WorkerFrameError(f"a column of unknown kind {kind!r}")
    if not isinstance(values, list) or len(values) != rows:
        raise WorkerFrameError(f"a column's values are not a list of {rows}")
    return values


def to_frame(columns: list[WireColumn], rows: int) -> Any:
    """A pandas data frame with the columns labelled by position; nulls as pandas has them."""
    import numpy as np
    import pandas as pd

    block = as_block(columns, rows)
    if block is not None:
        return pd.DataFrame(block, copy=False)
    series: dict[int, Any] = {}
    for position, column in enumerate(columns):
        series[position] = _to_series(column, np, pd)
    return pd.DataFrame(series, index=pd.RangeIndex(rows), copy=False)


def as_block(columns: list[WireColumn], rows: int) -> Any:
    """One array over a frame's columns that lie at equal distances: a view, whatever the size."""
    import numpy as np

    first = columns[0] if columns else None
    if first is None or first.kind not in DTYPES or rows == 0:
        return None
    kind, start = first.kind, first.place
    width = first.values.itemsize * rows
    step = columns[1].place - start if len(columns) > 1 else width
    if start < 0 or step < width:
        return None
    for at, column in enumerate(columns):
        is_next = column.place == start + at * step
        if not is_next or column.kind != kind or column.nulls is not None:
            return None
    strides = (first.values.itemsize, step)
    return np.lib.stride_tricks.as_strided(first.values, (rows, len(columns)), strides)


def _to_series(column: WireColumn, np: Any, pd: Any) -> Any:
    values, nulls = column.values, column.nulls
    if column.kind not in DTYPES:
        array = np.empty(len(values), dtype=object)
        array[:] = values
        if nulls is not None:
            array[nulls] = None
        return array
    if nulls is None:
        return values
    if column.kind == "BOOL":
        return pd.arrays.BooleanArray(values, nulls)
    if values.dtype.kind == "i":
        return pd.arrays.IntegerArray(values, nulls)
    values = values.copy()
    values[nulls] = np.datetime64("NaT") if column.kind == "TIMESTAMP" else np.nan
    return values


def missing(value: Any) -> bool:
    """Whether a value of an object column stands for null: None, NaN, NaT, pandas' NA."""
    if value is None:
        return True
    if isinstance(value, float):
        return value != value
    return type(value).__name__ in ("NAType", "NaTType")


def plain(value: Any) -> Any:
    """A value that JSON has no word for, in JSON's words."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return None if missing(value) else str(value)


def _finite(value: Any) -> Any:
    """The same JSON value with null for numbers that JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if value is None or isinstance(value, (str, int)):
        return value
    return _finite(plain(value))


def to_json(values: list[Any]) -> bytes:
    """A list as JSON text. NaN and infinities inside a value become null."""
    try:
        text = json.dumps(values, default=plain, allow_nan=False, ensure_ascii=False)
    except (ValueError, TypeError):
        text = json.dumps([_finite(value) for value in values], ensure_ascii=False)
    return text.encode("utf-8", "replace")


class Encoder:
    """Collects columns and lays their buffers out as a frame's body."""

    def __init__(self) -> None:
        self.entries: list[list[Any]] = []
        self.buffers: list[Buffer] = []
        self._size = 0

    def add(self, name: str, kind: str, values: Any, nulls: Optional[Any] = None) -> None:
        """Add a column: an array of the kind's type or a list, and a mask of nulls or None."""
        if kind in DTYPES:
            data: Buffer = memoryview(values.view("|u1"))
        elif kind == "BINARY":
            data = _binary(values)
        else:
            data = to_json(values)
        start = self._append(data)
        nulls_start = -1 if nulls is None else self._append(memoryview(nulls.view("|u1")))
        self.entries.append([name, kind, start, len(data), nulls_start])

    def _append(self, data: Buffer) -> int:
        start = self._size
        self.buffers.append(data)
        self._size += len(data) + -len(data) % 8
        return start


def _binary(values: list[Optional[bytes]]) -> bytes:
    import array

    ends, total = array.array("q"), 0
    for value in values:
        total += len(value or b"")
        ends.append(total)
    return ends.tobytes() + b"".join(value or b"" for value in values)


def add_result(encoder: Encoder, result: Any, outputs: list[dict[str, Any]]) -> int:
    """Add what a handler returned: a data frame, a series, or a list of dictionaries.

    ``outputs`` are the declared names and SQL types. Returns the number of rows. Raises
    ValueError if the result is of no such form.
    """
    import pandas as pd

    kinds = {str(output["name"]): sql_kind(str(output["type"])) for output in outputs}
    names = list(kinds)
    if isinstance(result, pd.DataFrame):
        labels = [str(label) for label in result.columns]
        series = {label: result.iloc[:, at] for at, label in enumerate(labels)}
        count = len(result)
    elif isinstance(result, pd.Series):
        series, count = {names[0] if names else "output": result}, len(result)
    elif isinstance(result, list):
        series, count = _from_records(result, names, pd), len(result)
    else:
        raise ValueError(f"the handler returned {type(result).__name__} instead of rows")
    ordered = [name for name in names if name in series]
    ordered += [name for name in series if name not in kinds]
    for name in ordered:
        kind, values, nulls = from_series(series[name], kinds.get(name, "JSON"))
        encoder.add(name, kind, values, nulls)
    return count


def _from_records(records: list[Any], names: list[str], pd: Any) -> dict[str, Any]:
    labels = dict.fromkeys(names)
    for record in records:
        if not isinstance(record, dict):
            raise ValueError(f"the handler returned a list of {type(record).__name__}")
        if record.keys() - labels.keys():
            labels.update(dict.fromkeys(str(key) for key in record))
    return {
        label: pd.Series([record.get(label) for record in records], dtype=object)
        for label in labels
    }


def from_series(series: Any, declared: str) -> tuple[str, Any, Any]:
    """A pandas series as (kind, values, mask of nulls or None).

    The kind follows from the values; the declared one decides only where they leave it open.
    """
    import numpy as np

    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind in "fiubM":
            return from_array(series.to_numpy())
    elif hasattr(dtype, "numpy_dtype") and dtype.numpy_dtype.kind in "fiub":
        mask = series.isna().to_numpy()
        array = series.to_numpy(dtype=dtype.numpy_dtype, na_value=0)
        kind, values, nulls = from_array(array)
        return kind, values, _merge(mask, nulls)
    elif getattr(dtype, "tz", None) is not None:
        return from_array(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    return _from_objects(series.astype(object).tolist(), declared, np)


def _merge(mask: Any, nulls: Any) -> Any:
    merged = mask if nulls is None else mask | nulls
    return merged if merged.any() else None


def from_array(array: Any) -> tuple[str, Any, Any]:
    """An array of numbers or times as (kind, values, mask of nulls or None); NaN is null."""
    import numpy as np

    code = array.dtype.str[1:]
    nulls = None
    if array.dtype.kind == "M":
        array, kind = array.astype("<M8[ns]"), "TIMESTAMP"
        nulls = np.isnat(array)
    elif code == "u8":
        fits = not len(array) or int(array.max()) < 2**63
        kind = "INT64" if fits else "FLOAT64"
    else:
        kind = _WIDER.get(code) or next((k for k, d in DTYPES.items() if d[1:] == code), "FLOAT64")
    if array.dtype.kind == "f":
        nulls = np.isnan(array)
    if nulls is not None and not nulls.any():
        nulls = None
    return kind, np.ascontiguousarray(array, dtype=DTYPES[kind]), nulls


def _from_objects(values: list[Any], declared: str, np: Any) -> tuple[str, Any, Any]:
    values = [None if missing(value) else value for value in values]
    kind = declared if declared == "JSON" else _kind_of(values, declared)
    if kind not in DTYPES:
        if kind == "BINARY":
            return kind, values, np.array([value is None for value in values], dtype=bool)
        return kind, values, None
    nulls = np.array([value is None for value in values], dtype=bool)
    zero = np.datetime64(0, "ns") if kind == "TIMESTAMP" else 0
    filled = [zero if value is None else _without_zone(value) for value in values]
    array = np.array(filled, dtype=DTYPES[kind])
    return kind, array, nulls if nulls.any() else None


def _without_zone(value: Any) -> Any:
    """A time with a zone as the same moment in UTC, without one."""
    if getattr(value, "tzinfo", None) is None:
        return value
    return value.astimezone(datetime.timezone.utc).replace(tzinfo=None)


def _kind_of(values: list[Any], declared: str) -> str:
    import decimal
    import numbers

    types = {type(value) for value in values if value is not None}
    if not types:
        return declared
    if all(issubclass(kind, str) for kind in types):
        return "TEXT"
    if all(issubclass(kind, (bytes, bytearray)) for kind in types):
        return "BINARY"
    if all(kind.__name__ in ("bool", "bool_") for kind in types):
        return "BOOL"
    if any(kind.__name__ in ("bool", "bool_") for kind in types):
        return "JSON"
    if all(issubclass(kind, numbers.Integral) for kind in types):
        small = all(value is None or -(2**63) <= value < 2**63 for value in values)
        return "INT64" if small else "JSON"
    if all(issubclass(kind, (numbers.Real, decimal.Decimal)) for kind in types):
        return "FLOAT64"
    if all(kind.__name__ in ("Timestamp", "datetime", "datetime64") for kind in types):
        return "TIMESTAMP"
    return "JSON"
