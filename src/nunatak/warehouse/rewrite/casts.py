"""Rules for data types and casts."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import SEMI_STRUCTURED, SqlType, TypeKind, parse_type
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed
from nunatak.warehouse.types import engine_type

_AS_TEXT = {
    TypeKind.REAL: "nk_float_text",
    TypeKind.TIMESTAMP_NTZ: "nk_ntz_text",
    TypeKind.TIMESTAMP_LTZ: "nk_ltz_text",
    TypeKind.TIMESTAMP_TZ: "nk_ltz_text",
}
"""Macros that write values as the vendor does, where the engine writes them otherwise."""
_TIMESTAMP_MAPPINGS = frozenset({"TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ"})


def declared_type(node: exp.DataType, *, timestamp: str = "TIMESTAMP_NTZ") -> SqlType:
    """The SQL type that a type in a statement declares; raises Unsupported.

    `timestamp` is the session's TIMESTAMP_TYPE_MAPPING, what plain TIMESTAMP stands for.
    """
    kind = exp.DataType.Type
    match node.this:
        case kind.TIMESTAMP:
            return parse_type(timestamp if timestamp in _TIMESTAMP_MAPPINGS else "TIMESTAMP_NTZ")
        case kind.ARRAY | kind.OBJECT | kind.VARIANT:
            return parse_type(str(node.this.value))
        case kind.JSON | kind.STRUCT | kind.MAP:
            return parse_type("OBJECT")
        case kind.VECTOR:
            element, length = node.expressions
            is_int = element.this in (kind.INT, kind.BIGINT, kind.SMALLINT)
            dimension = int(length.name or length.this.name)
            return parse_type(f"VECTOR({'INT' if is_int else 'FLOAT'}, {dimension})")
    try:
        return parse_type(node.sql(dialect="snowflake"))
    except InvalidArgument as error:
        raise Unsupported(error.message) from error


def session_type(node: exp.DataType, context: RewriteContext) -> SqlType:
    """The declared type under the session's parameters."""
    return declared_type(
        node, timestamp=str(context.session.parameter("TIMESTAMP_TYPE_MAPPING")).upper()
    )


def engine_datatype(sql_type: SqlType) -> exp.DataType:
    """The engine's type for a declared one, as a node."""
    built: exp.DataType = exp.DataType.build(engine_type(sql_type), dialect="duckdb")
    return built


def cast(node: exp.Cast | exp.TryCast, context: RewriteContext) -> exp.Expr:
    """A cast, by the target and by whether the operand is semi-structured."""
    target = session_type(node.to, context)
    operand = node.this
    source = type_of(operand)
    is_json = source is not None and source.kind in SEMI_STRUCTURED
    if target.kind in SEMI_STRUCTURED:
        return typed(operand if is_json else call("to_json", operand), target)
    if target.kind is TypeKind.TEXT and is_json:
        return typed(call("nk_json_text", operand), target)
    if target.kind is TypeKind.TEXT and source is not None and source.kind in _AS_TEXT:
        return typed(call(_AS_TEXT[source.kind], operand), target)
    if target.kind is TypeKind.BINARY and not is_json:
        return typed(call("nk_to_binary", operand), target)
    if target.kind is TypeKind.VECTOR and is_json:
        element = engine_type(target).split("[")[0]
        listed = exp.Cast(this=operand, to=exp.DataType.build(f"{element}[]", dialect="duckdb"))
        operand = listed
    kind = type(node)
    return typed(kind(this=operand, to=engine_datatype(target)), target)
