"""The four spellings of a table in JSON, read without types into rows in signature order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from nunatak.inference.columns import Kind
from nunatak.inference.errors import BadInput
from nunatak.inference.signature import Field, Method

_SHAPES = ("data", "dataframe_split", "dataframe_records")
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows as lists: the inputs in signature order, then every parameter. Types unchecked.

    ``numbers`` are the caller's row numbers, None when rows count from 0.
    """

    rows: list[list[Any]]
    numbers: list[int] | None


def read_table(body: bytes, method: Method) -> Table:
    """Read any of the four spellings. Raises BadInput that names what is missing or wrong."""
    document = _document(body)
    shapes = [shape for shape in _SHAPES if document.get(shape) is not None]
    if len(shapes) != 1:
        found = " and ".join(shapes) or "none of them"
        raise BadInput(f"the body must hold one of {', '.join(_SHAPES)}; it holds {found}")
    shape = shapes[0]
    if shape == "data":
        return _data(_list(document["data"], "data"), method)
    params = _params(document.get("params"), method)
    extra = _extra_columns(document.get("extra_columns"), method)
    if shape == "dataframe_split":
        rows = _split(document["dataframe_split"], method)
    else:
        rows = _records(_list(document["dataframe_records"], "dataframe_records"), method, extra)
    return Table([_whole(row + params, method) for row in rows], None)


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


def _data(rows: list[Any], method: Method) -> Table:
    numbers: list[int] = []
    table: list[list[Any]] = []
    for place, row in enumerate(rows):
        if not isinstance(row, list) or not row:
            raise BadInput(f"data[{place}] must be a list: the row number, then the values")
        number = row[0]
        if isinstance(number, bool) or not isinstance(number, int) or abs(number) >= 2**63:
            raise BadInput(f"data[{place}] must begin with its row number, a whole number")
        numbers.append(number)
        values = _wide(row, number, method) if _is_wide(row, method) else row[1:]
        table.append(_whole(_counted(values, number, method), method))
    return Table(table, numbers)


def _is_wide(row: list[Any], method: Method) -> bool:
    one_object = len(row) == 2 and isinstance(row[1], dict)
    takes_object = (
        not method.wide and len(method.inputs) == 1 and method.inputs[0].kind is Kind.JSON
    )
    return one_object and not takes_object


def _counted(values: list[Any], number: int, method: Method) -> list[Any]:
    wanted = [*method.inputs, *method.params]
    if len(values) != len(wanted):
        names = ", ".join(field.name for field in wanted[:20])
        more = ", ..." if len(wanted) > 20 else ""
        raise BadInput(
            f"row {number} has {len(values)} values, the method {method.name} takes "
            f"{len(wanted)}: {names}{more}"
        )
    return values


def _wide(row: list[Any], number: int, method: Method) -> list[Any]:
    values = row[1]
    inputs = _picked(values, method.inputs, f"row {number}")
    params = [_one(values, field, default=field.default) for field in method.params]
    return inputs + params


def _picked(values: Mapping[str, Any], fields: Sequence[Field], where: str) -> list[Any]:
    try:
        return [values[field.name] for field in fields]
    except KeyError:
        pass
    found = [_one(values, field, default=msgspec.UNSET) for field in fields]
    missing = [f.name for f, v in zip(fields, found, strict=True) if v is msgspec.UNSET]
    if missing:
        names = ", ".join(repr(name) for name in missing[:20])
        raise BadInput(f"{where} lacks the column{'s' * (len(missing) > 1)} {names}")
    return found


def _one(values: Mapping[str, Any], field: Field, *, default: Any) -> Any:
    """A value by the field's exact name or its name as an SQL identifier."""
    for name in (field.name, field.name.upper(), f'"{field.name}"'):
        if name in values:
            return values[name]
    if field.name == field.name.upper() and field.name.lower() in values:
        return values[field.name.lower()]
    return default


def _split(split: Any, method: Method) -> list[list[Any]]:
    if not isinstance(split, dict) or not isinstance(split.get("columns"), list):
        raise BadInput("dataframe_split must be an object with columns and data")
    columns = split["columns"]
    if not all(isinstance(name, str) for name in columns):
        raise BadInput("dataframe_split.columns must be a list of names")
    if len(set(columns)) != len(columns):
        raise BadInput("dataframe_split.columns names a column twice")
    places = {name: place for place, name in enumerate(columns)}
    picked = _picked(places, method.inputs, "dataframe_split.columns")
    rows = _list(split.get("data"), "dataframe_split.data")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            size = len(row) if isinstance(row, list) else "no list of"
            raise BadInput(f"row {number} has {size} values for {len(columns)} columns")
    return [[row[place] for place in picked] for row in rows]


def _records(rows: list[Any], method: Method, extra: Sequence[str]) -> list[list[Any]]:
    table: list[list[Any]] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadInput(f"dataframe_records[{number}] must be an object")
        absent = [name for name in extra if name not in row]
        if absent:
            raise BadInput(f"row {number} lacks the extra column {absent[0]!r}")
        table.append(_picked(row, method.inputs, f"row {number}"))
    return table


def _params(given: Any, method: Method) -> list[Any]:
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise BadInput("params must be an object of names and values")
    known = {spelling for field in method.params for spelling in (field.name, field.name.upper())}
    known |= {field.name.lower() for field in method.params if field.name.isupper()}
    for name in given:
        if name not in known:
            raise BadInput(f"the method {method.name} has no parameter {str(name)[:80]!r}")
    return [_one(given, field, default=field.default) for field in method.params]


def _extra_columns(given: Any, method: Method) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise BadInput("extra_columns must be a list of names")
    inputs = {field.name for field in method.inputs}
    for name in given:
        if name in inputs:
            raise BadInput(f"the extra column {name!r} has the name of an input")
    return given


def _whole(values: list[Any], method: Method) -> list[Any]:
    """Whole numbers that were written with a fraction (``3.0``) are whole numbers."""
    for place, field in enumerate((*method.inputs, *method.params)):
        value = values[place]
        if field.kind is Kind.INT64 and isinstance(value, float) and value.is_integer():
            values[place] = int(value)
    return values
