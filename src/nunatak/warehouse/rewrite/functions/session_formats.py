"""Formats of a session: where its parameters say another form than usual, a cast between values and
text is spelled out as the function that takes that form as an argument."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import TEXT, SqlType, TypeKind
from nunatak.warehouse.core.parameters import ANY_TIMESTAMP, OUTPUT_FORMATS, PARAMETERS
from nunatak.warehouse.rewrite import casts
from nunatak.warehouse.rewrite.casts import session_type
from nunatak.warehouse.rewrite.context import RewriteContext, call, is_text, type_of, typed

_USUAL = {
    name: str(PARAMETERS[name].default or PARAMETERS[ANY_TIMESTAMP].default)
    for name in OUTPUT_FORMATS.values()
}
"""The forms that values have as text when nothing else is said."""
_STUB = "operand"
_TEXT_TYPE: exp.DataType = exp.DataType.build("VARCHAR", dialect="snowflake")


def cast(node: exp.Cast | exp.TryCast, context: RewriteContext) -> exp.Expr:
    """A cast to or from text, under the session's formats."""
    target = session_type(node.to, context).kind
    found = None
    if target is TypeKind.TEXT:
        found = _as_text(node.this, context)
    elif target is TypeKind.BINARY and is_text(node.this):
        found = _as_binary(node.this, context, is_tried=isinstance(node, exp.TryCast))
    return node if found is None else found


def to_char(node: exp.ToChar, context: RewriteContext) -> exp.Expr:
    """TO_CHAR without a format is a cast."""
    if node.args.get("format") is not None or not _has_own_text(node.this):
        return node
    return _text_of(node.this, context)


def to_binary(node: exp.ToBinary, context: RewriteContext) -> exp.Expr:
    """TO_BINARY without a format reads text as the session says."""
    if node.args.get("format") is not None or not is_text(node.this):
        return node
    is_tried = bool(node.args.get("safe"))
    return _as_binary(node.this, context, is_tried=is_tried) or node


def joined(node: exp.Expr, context: RewriteContext) -> exp.Expr:
    """Concatenation: what is joined to text is cast to it; bytes that are joined to bytes are
    not."""
    given = (node.args.get("this"), node.args.get("expression"), *node.expressions)
    arguments = [argument for argument in given if isinstance(argument, exp.Expr)]
    if all(_is_binary(argument) for argument in arguments):
        return node
    for argument in arguments:
        if _has_own_text(argument):
            argument.replace(_text_of(argument, context))
    return node


def listed(node: exp.GroupConcat, context: RewriteContext) -> exp.Expr:
    """LISTAGG(x, separator): what is listed is cast to text."""
    value = node.this
    while isinstance(value, exp.Order | exp.Distinct):
        value = value.this if isinstance(value, exp.Order) else value.expressions[0]
    if _has_own_text(value):
        value.replace(_text_of(value, context))
    return node


def _is_binary(node: exp.Expr) -> bool:
    source = type_of(node)
    return source is not None and source.kind is TypeKind.BINARY


def _has_own_text(node: exp.Expr) -> bool:
    """Whether a value becomes another text than the engine makes of it."""
    source = type_of(node)
    return _is_binary(node) or (source is not None and source.kind in OUTPUT_FORMATS)


def _text_of(node: exp.Expr, context: RewriteContext) -> exp.Expr:
    found = _as_text(node, context)
    if found is not None:
        return found
    return casts.cast(exp.Cast(this=node.copy(), to=_TEXT_TYPE.copy()), context)


def _as_text(operand: exp.Expr, context: RewriteContext) -> exp.Expr | None:
    source = type_of(operand)
    if source is None:
        return None
    if _is_binary(operand) and context.parameter("BINARY_OUTPUT_FORMAT") == "BASE64":
        return typed(call("to_base64", operand.copy()), TEXT)
    parameter = OUTPUT_FORMATS.get(source.kind)
    if parameter is None:
        return None
    form = str(context.parameter(parameter) or context.parameter(ANY_TIMESTAMP))
    if form.upper() in ("AUTO", _USUAL[parameter]):
        return None
    tree = exp.ToChar(this=_stub(source), format=exp.Literal.string(form))
    return _filled(context.again(tree), operand.copy())


def _as_binary(operand: exp.Expr, context: RewriteContext, *, is_tried: bool) -> exp.Expr | None:
    form = str(context.parameter("BINARY_INPUT_FORMAT"))
    if form == "HEX":
        return None
    tree = exp.ToBinary(this=_stub(TEXT), format=exp.Literal.string(form), safe=is_tried)
    return _filled(context.again(tree), operand.copy())


def _stub(kind: SqlType) -> exp.Expr:
    """Expression that stands for an operand that is rewritten already."""
    return typed(exp.Placeholder(this=_STUB), kind)


def _filled(rewritten: exp.Expr, operand: exp.Expr) -> exp.Expr:
    for stub in list(rewritten.find_all(exp.Placeholder)):
        stub.replace(operand.copy())
    return rewritten
