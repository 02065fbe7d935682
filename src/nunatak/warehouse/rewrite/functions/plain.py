"""Rules for plain functions: which names are known, and what the engine calls them.

A function that SQLGlot does not know by name is passed on only when it is listed here, so that
no function of the engine itself can be reached.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from nunatak.catalog.sqltypes import (
    BINARY,
    BOOLEAN,
    FLOAT,
    NUMBER,
    OBJECT,
    SEMI_STRUCTURED,
    TEXT,
    SqlType,
    TypeKind,
    parse_type,
)
from nunatak.errors import Unsupported
from nunatak.warehouse.rewrite import casts
from nunatak.warehouse.rewrite.context import (
    MadeFunction,
    RewriteContext,
    call,
    is_text,
    type_of,
    typed,
)
from nunatak.warehouse.rewrite.functions.session_functions import NAMED, text
from nunatak.warehouse.rewrite.semi import is_json, to_json

_REFUSED = (exp.ReadCSV, exp.ReadParquet)
REFUSED_FUNCTIONS: tuple[type[exp.Expr], ...] = _REFUSED

RENAMED: dict[str, tuple[str, SqlType | None]] = {
    "BITAND_AGG": ("bit_and", NUMBER),
    "BITOR_AGG": ("bit_or", NUMBER),
    "BITXOR_AGG": ("bit_xor", NUMBER),
    "COT": ("cot", FLOAT),
    "REVERSE": ("reverse", TEXT),
    "AS_OBJECT": ("nk_as_object", OBJECT),
    "MODE": ("mode", None),
    "KURTOSIS": ("kurtosis", FLOAT),
    "SKEW": ("skewness", FLOAT),
    "SQUARE": ("nk_square", FLOAT),
    "HAVERSINE": ("nk_haversine", FLOAT),
    "EQUAL_NULL": ("nk_equal_null", None),
    "IS_OBJECT": ("nk_is_object", BOOLEAN),
    "IS_BOOLEAN": ("nk_is_boolean", BOOLEAN),
    "IS_VARCHAR": ("nk_is_varchar", BOOLEAN),
    "IS_CHAR": ("nk_is_varchar", BOOLEAN),
    "IS_INTEGER": ("nk_is_integer", BOOLEAN),
    "IS_DECIMAL": ("nk_is_decimal", BOOLEAN),
    "IS_DOUBLE": ("nk_is_decimal", BOOLEAN),
    "IS_REAL": ("nk_is_decimal", BOOLEAN),
}


def anonymous(node: exp.Anonymous, context: RewriteContext) -> exp.Expr:
    """A function that only its name tells."""
    name = str(node.this).upper()
    if name in NAMED:
        return text(NAMED[name](context))
    renamed = RENAMED.get(name)
    if renamed is not None:
        return typed(call(renamed[0], *node.expressions), renamed[1])
    moment = _MOMENTS.get(name)
    if moment is not None and len(node.expressions) == 1:
        return _to_moment(node.expressions[0], *moment, context)
    special = _SPECIAL.get(name)
    if special is not None:
        return special(node)
    made = context.functions.get(str(node.this))
    if made is not None:
        return _made(node, made)
    answered = context.system_function(node)
    if answered is not None:
        return answered
    raise Unsupported(f"SQL compilation error:\nUnknown function {name}.")


def _made(node: exp.Anonymous, made: MadeFunction) -> exp.Expr:
    """A function of the statement; it takes and gives semi-structured values as text."""
    arguments = [
        exp.Cast(this=to_json(argument), to=exp.DataType.build("VARCHAR", dialect="duckdb"))
        if parameter.kind in SEMI_STRUCTURED
        else argument
        for argument, parameter in zip(node.expressions, made.parameters, strict=True)
    ]
    value: exp.Expr = call(made.name, *arguments)
    if made.result.kind in SEMI_STRUCTURED:
        value = exp.Cast(this=value, to=exp.DataType.build("JSON", dialect="duckdb"))
    return typed(value, made.result)


def _to_moment(value: exp.Expr, kind: type[exp.Cast], to: str, context: RewriteContext) -> exp.Expr:
    """TO_TIMESTAMP_TZ(x) and its kin, without a format: a cast."""
    target = exp.DataType(this=exp.DataType.Type[to])
    source = type_of(value)
    if source is not None and source.kind is TypeKind.FIXED:
        value = call("to_timestamp", value)  # seconds since 1970
        if target.this is not exp.DataType.Type.TIMESTAMPTZ:
            utc = exp.Literal.string("UTC")
            value = exp.AtTimeZone(this=value, zone=utc)
    elif source is None and not is_text(value):
        value = call("nk_offset_text", value)  # the engine wants no blank before the offset
    return casts.cast(kind(this=value, to=target), context)


_MOMENTS: dict[str, tuple[type[exp.Cast], str]] = {
    f"{prefix}TO_{name}": (kind, to)
    for prefix, kind in (("", exp.Cast), ("TRY_", exp.TryCast))
    for name, to in (
        ("DATE", "DATE"),
        ("TIMESTAMP", "TIMESTAMP"),
        ("TIMESTAMP_NTZ", "TIMESTAMPNTZ"),
        ("TIMESTAMP_LTZ", "TIMESTAMPLTZ"),
        ("TIMESTAMP_TZ", "TIMESTAMPTZ"),
    )
}


def _to_object(node: exp.Anonymous) -> exp.Expr:
    return typed(call("nk_to_object", to_json(node.expressions[0])), OBJECT)


def _of_members(name: str) -> Callable[[exp.Anonymous], exp.Expr]:
    """OBJECT_PICK and OBJECT_DELETE(object, key, …): keys one by one, or an array of them."""

    def rule(node: exp.Anonymous) -> exp.Expr:
        value, *keys = node.expressions
        return typed(call(name, value, call("json_array", *map(to_json, keys))), OBJECT)

    return rule


def _as_text(node: exp.Anonymous) -> exp.Expr:
    return typed(call("nk_as_varchar", to_json(node.expressions[0])), TEXT)


def _as_number(node: exp.Anonymous) -> exp.Expr:
    """AS_NUMBER(v [, precision [, scale]]): NULL for what is no number in the value."""
    value, *sizes = node.expressions
    declared = f"NUMBER({', '.join(size.name for size in sizes) or '38, 0'})"
    number = casts.engine_datatype(known := parse_type(declared))
    return typed(exp.TryCast(this=call("nk_number_text", to_json(value)), to=number), known)


def _as_double(node: exp.Anonymous) -> exp.Expr:
    to = exp.DataType.build("DOUBLE", dialect="duckdb")
    number = call("nk_number_text", to_json(node.expressions[0]))
    return typed(exp.TryCast(this=number, to=to), FLOAT)


def _hash(node: exp.Anonymous) -> exp.Expr:
    """HASH(…): equal values have equal hashes, whatever their types."""
    hashed = call("hash", *map(_hashed, node.expressions))
    to = exp.DataType.build("BIGINT", dialect="duckdb")
    halved = exp.IntDiv(this=hashed, expression=exp.Literal.number(2))
    return typed(exp.Cast(this=halved, to=to), NUMBER)


def _hashed(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Star):
        return exp.var("*COLUMNS(*)")
    if is_json(node):
        return call("nk_hashed_value", call("nk_canonical", node))
    return call("nk_hashed", node)


_SPECIAL: dict[str, Callable[[exp.Anonymous], exp.Expr]] = {
    "TO_OBJECT": _to_object,
    "OBJECT_PICK": _of_members("nk_object_pick"),
    "OBJECT_DELETE": _of_members("nk_object_delete"),
    "AS_VARCHAR": _as_text,
    "AS_CHAR": _as_text,
    "HASH": _hash,
    "AS_INTEGER": _as_number,
    "AS_NUMBER": _as_number,
    "AS_DECIMAL": _as_number,
    "AS_DOUBLE": _as_double,
    "AS_REAL": _as_double,
}


_BINARY_FORMATS = {"HEX": "nk_to_binary", "BASE64": "from_base64"}
_BINARY_FORMATS |= dict.fromkeys(("UTF-8", "UTF8"), "encode")


def to_binary(node: exp.ToBinary, _context: RewriteContext) -> exp.Expr:
    """TO_BINARY(text [, 'HEX' | 'UTF-8' | 'BASE64'])."""
    form = node.args.get("format")
    name = form.name.upper() if form is not None else "HEX"
    function = _BINARY_FORMATS.get(name)
    if function is None:
        raise Unsupported(f"Unsupported: TO_BINARY with the format '{name}'.")
    value = call("nk_json_text", node.this) if is_json(node.this) else node.this
    if not node.args.get("safe"):
        return typed(call(function, value), BINARY)
    if name == "HEX":
        return typed(call("nk_try_to_binary", value), BINARY)
    return typed(call("try", call(function, value)), BINARY)


def refused(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """Functions of the engine that read files."""
    name = type(node).sql_name() if isinstance(node, exp.Func) else type(node).__name__
    raise Unsupported(f"SQL compilation error:\nUnknown function {name}.")


def regexp_replace(node: exp.RegexpReplace, _context: RewriteContext) -> exp.Expr:
    """REGEXP_REPLACE(text, pattern [, with [, 1 [, 0 or 1 [, options]]]])."""
    position, occurrence = node.args.get("position"), node.args.get("occurrence")
    if position is not None and position.name != "1":
        raise Unsupported("Unsupported: REGEXP_REPLACE from another position than 1.")
    if occurrence is not None and occurrence.name not in {"0", "1"}:
        raise Unsupported("Unsupported: REGEXP_REPLACE of another occurrence than 0 or 1.")
    options = node.args.get("modifiers")
    flags = (options.name if options is not None else "c").replace("e", "")
    if occurrence is None or occurrence.name == "0":
        flags += "g"
    replacement = node.args.get("replacement") or exp.Literal.string("")
    arguments = (node.this, node.expression, replacement, exp.Literal.string(flags))
    return typed(call("regexp_replace", *arguments), TEXT)


def divide(node: exp.Div, _context: RewriteContext) -> exp.Expr:
    """`a / b` keeps fractions, and refuses zero."""
    divisor = node.expression
    if isinstance(divisor, exp.Literal) and not divisor.is_string and float(divisor.name) != 0:
        return typed(node, FLOAT)
    return typed(call("nk_divide", node.this, divisor), FLOAT)
