"""Rules for data types and casts."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import SEMI_STRUCTURED, SqlType, TypeKind, parse_type
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.warehouse.core.types import engine_type
from nunatak.warehouse.rewrite import readings
from nunatak.warehouse.rewrite.context import RewriteContext, call, is_text, type_of, typed

_AS_TEXT = {
    TypeKind.REAL: "nk_float_text",
    TypeKind.TIME: "nk_time_text",
    TypeKind.TIMESTAMP_NTZ: "nk_ntz_text",
    TypeKind.TIMESTAMP_LTZ: "nk_ltz_text",
    TypeKind.TIMESTAMP_TZ: "nk_ltz_text",
    TypeKind.BINARY: "hex",
}
"""What writes values as the vendor does, where the engine's cast writes them otherwise."""
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
    return declared_type(node, timestamp=str(context.parameter("TIMESTAMP_TYPE_MAPPING")).upper())


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
        return typed(operand if is_json else call("nk_variant", operand), target)
    if target.kind is TypeKind.TEXT:
        return typed(readings.cut(_as_text(operand, source), target, operand), target)
    is_tried = isinstance(node, exp.TryCast)
    if target.kind is TypeKind.BINARY:
        is_binary = source is not None and source.kind is TypeKind.BINARY
        text = call("nk_json_text", operand) if is_json else operand
        name = "nk_try_to_binary" if is_tried else "nk_to_binary"
        return typed(operand if is_binary else call(name, text), target)
    if target.kind is TypeKind.VECTOR and is_json:
        element = engine_type(target).split("[")[0]
        listed = exp.Cast(this=operand, to=exp.DataType.build(f"{element}[]", dialect="duckdb"))
        operand = listed
    if target.kind is TypeKind.REAL and is_text(operand):
        made = readings.as_float(operand, is_tried=is_tried)
        if made is not None:
            return typed(made, target)
    read = readings.operand(operand, target, is_tried=is_tried)
    return typed(type(node)(this=read, to=engine_datatype(target)), target)


def _as_text(operand: exp.Expr, source: SqlType | None) -> exp.Expr:
    if source is not None and source.kind in SEMI_STRUCTURED:
        return call("nk_json_text", operand)
    if source is not None and source.kind in _AS_TEXT:
        return call(_AS_TEXT[source.kind], operand)
    if readings.is_real(operand):
        return call("nk_float_text", operand)
    if source is None and isinstance(operand, exp.Column):
        return call("nk_text", operand)
    return exp.Cast(this=operand, to=exp.DataType.build("VARCHAR", dialect="duckdb"))


def to_number(node: exp.ToNumber, context: RewriteContext) -> exp.Expr:
    """TO_NUMBER(x [, precision [, scale]]), its synonyms and TRY_TO_NUMBER: a cast."""
    if node.args.get("format") is not None:
        raise Unsupported("Unsupported: TO_NUMBER with a format.")
    sizes = (node.args.get("precision"), node.args.get("scale"))
    to = exp.DataType(
        this=exp.DataType.Type.DECIMAL,
        expressions=[exp.DataTypeParam(this=size) for size in sizes if size is not None],
    )
    kind = exp.TryCast if node.args.get("safe") else exp.Cast
    return cast(kind(this=node.this, to=to), context)


def to_double(node: exp.ToDouble, context: RewriteContext) -> exp.Expr:
    """TO_DOUBLE(x) and TRY_TO_DOUBLE(x): a cast."""
    if node.args.get("format") is not None:
        raise Unsupported("Unsupported: TO_DOUBLE with a format.")
    kind = exp.TryCast if node.args.get("safe") else exp.Cast
    to = exp.DataType.build("DOUBLE", dialect="snowflake")
    return cast(kind(this=node.this, to=to), context)
