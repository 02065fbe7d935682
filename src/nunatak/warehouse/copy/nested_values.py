"""Nested values of files (structs, lists, maps) as JSON: a member of a struct that is null is no
member, for a column of structs gives every row the members of all."""

from __future__ import annotations

import re

from sqlglot import exp

from nunatak.warehouse.engine.engine import literal

_UNPARSED = re.compile(r'"(?:[^"]|"")*"|TIMESTAMPTZ_NS')
"""A quoted name, or a type of the engine that its dialect does not know."""


def json_of(value: str, engine_type: str) -> str | None:
    """An expression of the engine: a value of a nested type as JSON; None for a type that is not
    nested, or has no structs in it."""
    if "STRUCT(" not in engine_type:
        return None
    known = _UNPARSED.sub(
        lambda found: found[0] if found[0][0] == '"' else "TIMESTAMPTZ", engine_type
    )
    kind: exp.DataType = exp.DataType.build(known, dialect="duckdb")
    return f"{_json(value, kind, 0)}::JSON" if _has_struct(kind) else None


def _has_struct(kind: exp.DataType) -> bool:
    return any(found.this is exp.DataType.Type.STRUCT for found in kind.find_all(exp.DataType))


def _json(value: str, kind: exp.DataType, depth: int) -> str:
    """The value as an expression whose JSON has no null members of structs."""
    if not _has_struct(kind):
        return f"to_json({value})"
    item = f"x{depth}"
    if kind.this is exp.DataType.Type.STRUCT:
        members = ", ".join(
            f"CASE WHEN {field} IS NOT NULL THEN to_json({name})::VARCHAR || ':' || "
            f"({_json(field, member.args['kind'], depth)})::VARCHAR END"
            for member in kind.expressions
            for name in [literal(member.name)]
            for field in [f"struct_extract({value}, {name})"]
        )
        return f"CASE WHEN {value} IS NOT NULL THEN nk_object([{members}]) END"
    inner = kind.expressions[-1]
    if kind.this is exp.DataType.Type.MAP:
        pair = f"{{'key': {item}.key, 'value': {_json(f'{item}.value', inner, depth + 1)}}}"
        entries = f"list_transform(map_entries({value}), lambda {item}: {pair})"
        return f"to_json(map_from_entries({entries}))"
    return f"to_json(list_transform({value}, lambda {item}: {_json(item, inner, depth + 1)}))"
