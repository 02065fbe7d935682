"""Rows that come as one SQL OBJECT each: how SQL hands over methods of very many inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nunatak.inference.codecs.json_layouts import RowLists, whole
from nunatak.inference.core.columns import ColumnKind
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.naming import Picker, shown
from nunatak.inference.core.signature import ModelMethod


def table_of_objects(
    method: ModelMethod, objects: Sequence[Any], params: Sequence[Sequence[Any]]
) -> RowLists:
    """The rows that objects stand for, by the names of their keys; a missing key is null.

    ``params`` are the leading parameters of each row that were given beside the objects. Raises
    BadInput for a key that the method does not take, or that is given twice.
    """
    fields = (*method.inputs, *method.params)
    picker = Picker(fields, required=0, only=True)
    width = len(method.inputs)
    rows = []
    for number, given in enumerate(objects):
        values = picker.values(_object(given, number), f"row {number}")
        beside = params[number] if params else ()
        for place, value in enumerate(beside, width):
            if picker.was_given(place):
                raise BadInput(
                    f"row {number} gives the parameter {fields[place].name!r} in its OBJECT and "
                    "beside it"
                )
            values[place] = value
        rows.append(whole(_from_sql(values, method, number), method))
    return RowLists(rows, None)


def _object(given: Any, number: int) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise BadInput(f"row {number} must be an OBJECT of the inputs by their names")
    return given


def _from_sql(values: list[Any], method: ModelMethod, number: int) -> list[Any]:
    """Binary values are hexadecimal text inside an OBJECT."""
    for place, field in enumerate((*method.inputs, *method.params)):
        value = values[place]
        if field.kind is ColumnKind.BINARY and isinstance(value, str):
            try:
                values[place] = bytes.fromhex(value)
            except ValueError:
                raise BadInput(
                    f"row {number}, column {field.name!r} ({field.sql_type}): {shown(value)} is "
                    "no hexadecimal text"
                ) from None
    return values
