"""The four spellings of a table in JSON, read without types into rows in signature order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from nunatak.inference.codecs.doubled import refuse_doubled
from nunatak.inference.core.columns import ColumnKind
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.naming import Naming, Picker, require, shown
from nunatak.inference.core.signature import ModelMethod

_SHAPES = ("data", "dataframe_split", "dataframe_records")
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True, eq=False)
class RowLists:
    """Rows as lists: the inputs in signature order, then every parameter. Types unchecked.

    ``numbers`` are the caller's row numbers, None when rows count from 0.
    """

    rows: list[list[Any]]
    numbers: list[int] | None


def read_table(body: bytes, method: ModelMethod) -> RowLists:
    """Read any of the four spellings. Raises BadInput that names what is missing or wrong."""
    document = _document(body)
    shapes = [shape for shape in _SHAPES if document.get(shape) is not None]
    if len(shapes) != 1:
        found = " and ".join(shapes) or "none of them"
        raise BadInput(f"the body must hold one of {', '.join(_SHAPES)}; it holds {found}")
    shape = shapes[0]
    if shape == "data":
        rows = _list(document["data"], "data")
        if any(isinstance(row, list) and _is_wide(row, method) for row in rows):
            refuse_doubled(body, document, shape)
        return _data(rows, method)
    params = _params(document.get("params"), method)
    if document.get("params") or shape == "dataframe_records":
        refuse_doubled(body, document, shape)
    extra = _extra_columns(document.get("extra_columns"), method)
    if shape == "dataframe_split":
        rows = _split(document["dataframe_split"], method)
    else:
        rows = _records(_list(document["dataframe_records"], "dataframe_records"), method, extra)
    return RowLists([whole(row + params, method) for row in rows], None)


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise BadInput("the body is nested too deeply") from None
    if not isinstance(document, dict):
        raise BadInput("the body must be a JSON object")
    return document


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadInput(f"{name} must be a list of rows")
    return value


def _data(rows: list[Any], method: ModelMethod) -> RowLists:
    picker = Picker((*method.inputs, *method.params), required=len(method.inputs))
    numbers: list[int] = []
    table: list[list[Any]] = []
    for place, row in enumerate(rows):
        if not isinstance(row, list) or not row:
            raise BadInput(f"data[{place}] must be a list: the row number, then the values")
        number = _row_number(row[0], place)
        numbers.append(number)
        values = picker.values(row[1], f"row {number}") if _is_wide(row, method) else row[1:]
        table.append(whole(_counted(values, number, method), method))
    return RowLists(table, numbers)


def _row_number(given: Any, place: int) -> int:
    """A row's number; whoever builds rows as arrays of floats sends it as ``7.0``."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    # Compared before it is converted: what is too large has no whole number.
    if not is_number or not -(2**63) <= given < 2**63 or given != int(given):
        raise BadInput(f"data[{place}] must begin with its row number, a whole number")
    return int(given)


def _is_wide(row: list[Any], method: ModelMethod) -> bool:
    one_object = len(row) == 2 and isinstance(row[1], dict)
    takes_object = (
        not method.wide and len(method.inputs) == 1 and method.inputs[0].kind is ColumnKind.JSON
    )
    return one_object and not takes_object


def _counted(values: list[Any], number: int, method: ModelMethod) -> list[Any]:
    wanted = [*method.inputs, *method.params]
    if len(values) != len(wanted):
        names = ", ".join(field.name for field in wanted[:20])
        more = ", ..." if len(wanted) > 20 else ""
        raise BadInput(
            f"row {number} has {len(values)} values, the method {method.name} takes "
            f"{len(wanted)}: {names}{more}"
        )
    return values


def _split(split: Any, method: ModelMethod) -> list[list[Any]]:
    if not isinstance(split, dict) or not isinstance(split.get("columns"), list):
        raise BadInput("dataframe_split must be an object with columns and data")
    columns = split["columns"]
    if not all(isinstance(name, str) for name in columns):
        raise BadInput("dataframe_split.columns must be a list of names")
    if len(set(columns)) != len(columns):
        raise BadInput("dataframe_split.columns names a column twice")
    where = "dataframe_split.columns"
    names = Naming(method.inputs).pick(columns, where)
    require(method.inputs, names, where)
    places = {name: place for place, name in enumerate(columns)}
    picked = [places[name] for name in names if name is not None]
    rows = _list(split.get("data"), "dataframe_split.data")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            size = len(row) if isinstance(row, list) else "no list of"
            raise BadInput(f"row {number} has {size} values for {len(columns)} columns")
    return [[row[place] for place in picked] for row in rows]


def _records(rows: list[Any], method: ModelMethod, extra: Sequence[str]) -> list[list[Any]]:
    picker = Picker(method.inputs, required=len(method.inputs))
    table: list[list[Any]] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadInput(f"dataframe_records[{number}] must be an object")
        absent = [name for name in extra if name not in row]
        if absent:
            raise BadInput(f"row {number} lacks the extra column {absent[0]!r}")
        table.append(picker.values(row, f"row {number}"))
    return table


def _params(given: Any, method: ModelMethod) -> list[Any]:
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise BadInput("params must be an object of names and values")
    for name in Naming(method.params).unknown(given):
        raise BadInput(f"the method {method.name} has no parameter {shown(name)}")
    return Picker(method.params, required=0).values(given, "params")


def _extra_columns(given: Any, method: ModelMethod) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise BadInput("extra_columns must be a list of names")
    naming = Naming(method.inputs)
    for name in given:
        if naming.place(name) is not None:
            raise BadInput(f"the extra column {shown(name)} has the name of an input")
    return given


def whole(values: list[Any], method: ModelMethod) -> list[Any]:
    """Whole numbers that were written with a fraction (``3.0``) are whole numbers."""
    for place, field in enumerate((*method.inputs, *method.params)):
        value = values[place]
        if field.kind is ColumnKind.INT64 and isinstance(value, float) and value.is_integer():
            values[place] = int(value)
    return values
