"""Bound values, variables and dynamic names put into a statement's tree.

A bound value becomes a typed literal in the tree, never text that is parsed again. An array
binding (one list of values per marker) becomes a table that the statement reads from.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from nunatak.catalog.names import split_name
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.warehouse.core.bindings import Binding, bound, numbered
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.trees import put_in_place

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NS_PER_US = 1_000
_NS_PER_DAY = 86_400_000_000_000
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def marker_values(bindings: Sequence[Binding]) -> dict[int, exp.Expr]:
    """The literals for the markers `?`, by number; a list of values is none."""
    return {
        number: literal(binding)
        for number, binding in enumerate(numbered(bindings), 1)
        if not isinstance(binding.value, list)
    }


def bind(
    tree: exp.Expr, bindings: Sequence[Binding], session: Session, *, describe_only: bool = False
) -> exp.Expr:
    """Replace what markers are left, `$variables` and `IDENTIFIER(…)`; the tree is changed in
    place. A statement that is only described may come without its values.

    Raises InvalidArgument when a marker has no value, or a value is not of its type.
    """
    unbound_is_null = describe_only and not bindings
    is_insert = isinstance(tree, exp.Insert)  # may have lists of values, one per row
    for node in list(tree.walk(bfs=False)):
        if isinstance(node, exp.Placeholder):
            if unbound_is_null:
                put_in_place(node, exp.Null())
                continue
            found = bound(bindings, node.name)
            if not (is_insert and isinstance(found.value, list)):
                put_in_place(node, literal(found))
        elif isinstance(node, exp.Parameter) and isinstance(node.this, exp.Var):
            put_in_place(node, value_literal(variable(session, node.this.name)))
    for dynamic in list(tree.find_all(exp.DynamicIdentifier)):
        _dynamic_name(dynamic)
    for source in list(tree.find_all(exp.TableFromRows)):
        if isinstance(source.this, exp.Literal) and not source.this.name.startswith("@"):
            named_table = table_of(source.this.name)
            named_table.set("alias", source.args.get("alias"))
            source.replace(named_table)
    return tree


def variable(session: Session, name: str) -> Any:
    """The value of `$name`; raises InvalidArgument when it was not SET."""
    if name.upper() not in session.variables:
        raise InvalidArgument(f"Session variable '${name.upper()}' does not exist")
    return session.variables[name.upper()]


def _dynamic_name(node: exp.DynamicIdentifier) -> None:
    text = node.this.name if isinstance(node.this, exp.Expr) else str(node.this)
    parent = node.parent
    if isinstance(parent, exp.Table):
        named = table_of(text)
        for key in ("this", "db", "catalog"):
            parent.set(key, named.args.get(key))
        return
    parts = [exp.to_identifier(part, quoted=True) for part in split_name(text)]
    node.replace(exp.column(*reversed(parts)))


def table_of(text: str) -> exp.Table:
    """A table node for a dotted name such as `db."My schema".t`."""
    parts = [exp.to_identifier(part, quoted=True) for part in reversed(split_name(text))]
    return exp.Table(**dict(zip(("this", "db", "catalog"), parts, strict=False)))


def value_literal(value: Any) -> exp.Expr:
    """A Python value as a literal of the vendor's dialect."""
    match value:
        case None:
            return exp.Null()
        case bool():
            return exp.Boolean(this=value)
        case str():
            return exp.Literal.string(value)
        case bytes():
            return exp.HexString(this=value.hex())
        case dt.datetime():
            kind = "TIMESTAMPLTZ" if value.tzinfo else "TIMESTAMPNTZ"
            return _cast(value.isoformat(sep=" "), kind)
        case dt.date():
            return _cast(value.isoformat(), "DATE")
        case dt.time():
            return _cast(value.isoformat(), "TIME")
        case float():
            return _cast(repr(value), "DOUBLE")
        case _:
            return exp.Literal.number(str(value))


def literal(binding: Binding) -> exp.Expr:
    """A bound value as a literal of the vendor's dialect."""
    value = binding.value
    if value is None:
        return exp.Null()
    if isinstance(value, list):
        raise InvalidArgument("Array binding is supported for INSERT … VALUES only.")
    try:
        return _typed_literal(binding.type.upper(), value)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f"Bound value '{value}' is not a {binding.type}.") from error


def _typed_literal(kind: str, value: str) -> exp.Expr:
    match kind:
        case "FIXED":
            if not _NUMBER.match(value):
                raise ValueError(value)
            return exp.Literal.number(value.lstrip("+"))
        case "REAL":
            float(value)
            return _cast(value, "DOUBLE")
        case "BOOLEAN":
            return exp.Boolean(this=is_true(value))
        case "BINARY":
            return exp.HexString(this=bytes.fromhex(value).hex())
        case "DATE":
            return _cast(date_of(value).isoformat(), "DATE")
        case "TIME":
            return _cast(time_of(value).isoformat(), "TIME")
        case "TIMESTAMP_NTZ":
            return _cast(instant_of(value).replace(tzinfo=None).isoformat(sep=" "), "TIMESTAMPNTZ")
        case "TIMESTAMP_LTZ" | "TIMESTAMP_TZ":
            kind = "TIMESTAMPLTZ" if kind == "TIMESTAMP_LTZ" else "TIMESTAMPTZ"
            return _cast(instant_of(value.split(" ")[0]).isoformat(sep=" "), kind)
        case _:
            return exp.Literal.string(value)


def is_true(value: str) -> bool:
    """The wire's booleans; raises ValueError for anything else."""
    found = _BOOLEANS.get(value.strip().lower())
    if found is None:
        raise ValueError(value)
    return found


def date_of(value: str) -> dt.date:
    """A DATE on the wire: milliseconds since 1970, or ISO text."""
    if "-" in value[1:]:
        return dt.date.fromisoformat(value)
    return (_EPOCH + dt.timedelta(milliseconds=int(value))).date()


def time_of(value: str) -> dt.time:
    """A TIME on the wire: nanoseconds since midnight, or ISO text."""
    if ":" in value:
        return dt.time.fromisoformat(value)
    if not 0 <= int(value) < _NS_PER_DAY:
        raise ValueError(value)
    return (_EPOCH + dt.timedelta(microseconds=int(value) // _NS_PER_US)).time()


def instant_of(value: str) -> dt.datetime:
    """A timestamp on the wire: nanoseconds since 1970, or ISO text; in UTC."""
    if "-" in value[1:]:
        found = dt.datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return _EPOCH + dt.timedelta(microseconds=int(value) // _NS_PER_US)


def _cast(text: str, kind: str) -> exp.Expr:
    return exp.Cast(this=exp.Literal.string(text), to=exp.DataType.build(kind, dialect="snowflake"))


def literal_value(node: exp.Expr) -> object:
    """The value of a literal argument; raises Unsupported for anything else."""
    match node:
        case exp.RawString():
            return node.name
        case exp.Null():
            return None
        case exp.Boolean():
            return bool(node.this)
        case exp.Literal():
            return node.name if node.is_string else float(node.name)
        case exp.Neg(this=exp.Literal()):
            return -float(node.this.name)
    raise Unsupported(
        f"Unsupported: {node.sql(dialect='snowflake')} as an argument: use a literal."
    )
