"""Rules for functions of text and of bytes."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import BINARY, NUMBER, TEXT, TEXT_LIMIT_CHARS, TypeKind
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.patterns import check_pattern
from nunatak.warehouse.rewrite import casts
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed

_REGEXP_PARAMETERS = frozenset("ceims")


def hex_string(node: exp.HexString, _context: RewriteContext) -> exp.Expr:
    """X'00ff' is binary."""
    return typed(node, BINARY)


def upper(node: exp.Upper, _context: RewriteContext) -> exp.Expr:
    """UPPER(text): of a sharp s, which has no capital letter, two."""
    return typed(call("nk_upper", node.this), TEXT)


def sha2(node: exp.SHA2 | exp.SHA2Digest, context: RewriteContext) -> exp.Expr:
    """SHA2(x [, 256]), SHA2_HEX and SHA2_BINARY; the engine has no digest of another length."""
    length = node.args.get("length")
    if length is not None and length.name != "256":
        raise Unsupported("Unsupported: SHA2 of another length than 256.")
    node.set("this", _as_text(node.this, context))
    return typed(node, TEXT if isinstance(node, exp.SHA2) else BINARY)


def digest(node: exp.MD5Digest | exp.SHA1Digest, _context: RewriteContext) -> exp.Expr:
    """MD5_BINARY(x) and SHA1_BINARY(x)."""
    return typed(node, BINARY)


def bounded_pattern(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """Functions of regular expressions: no pattern that the engine would long prepare."""
    pattern = node.expression
    if isinstance(pattern, exp.Literal):
        check_pattern(pattern.name)
    else:
        node.set("expression", call("nk_pattern", pattern))
    return node


def regexp_substr(node: exp.RegexpExtract, context: RewriteContext) -> exp.Expr:
    """REGEXP_SUBSTR(text, pattern [, position [, occurrence [, parameters [, group]]]]); NULL
    where nothing matches."""
    parameters = _parameters(node.args.get("parameters"))
    subject = _as_text(node.this, context)
    position = node.args.get("position")
    if position is not None and position.name != "1":
        rest = exp.Substring(this=subject, start=position)
        subject = exp.Nullif(this=rest, expression=exp.Literal.string(""))
    group = node.args.get("group") or exp.Literal.number(0)
    if group.name == "0" and "e" in parameters:
        group = exp.Literal.number(1)
    pattern = _with_flags(node.expression, parameters)
    occurrence = node.args.get("occurrence") or exp.Literal.number(1)
    matches = call("regexp_extract_all", subject, pattern, group)
    return typed(call("list_extract", matches, occurrence), TEXT)


def _parameters(node: exp.Expr | None) -> str:
    """The letters that say how to match; of `c` and `i` the last one holds."""
    if node is None:
        return "c"
    if not isinstance(node, exp.Literal):
        raise Unsupported("Unsupported: REGEXP_SUBSTR with parameters that are computed.")
    letters = node.name
    unknown = set(letters) - _REGEXP_PARAMETERS
    if unknown:
        raise InvalidArgument(
            f"Invalid regular expression parameters '{letters}': use letters of c, e, i, m, s."
        )
    return letters.replace("i", "") if letters.rfind("c") > letters.rfind("i") else letters


def _with_flags(pattern: exp.Expr, parameters: str) -> exp.Expr:
    """The pattern that says itself how it matches."""
    flags = "".join(letter for letter in "ims" if letter in parameters)
    if not flags:
        return pattern
    prefix = exp.Literal.string(f"(?{flags})")
    if isinstance(pattern, exp.Literal):
        return exp.Literal.string(prefix.name + pattern.name)
    return exp.DPipe(this=prefix, expression=pattern)


def _as_text(node: exp.Expr, context: RewriteContext) -> exp.Expr:
    """The node; numbers, moments and semi-structured values as the vendor writes them."""
    known = type_of(node)
    is_number = isinstance(node, exp.Literal) and not node.is_string
    if not is_number and (known is None or known.kind in {TypeKind.TEXT, TypeKind.BINARY}):
        return node
    to = exp.DataType.build("VARCHAR", dialect="snowflake")
    return casts.cast(exp.Cast(this=node, to=to), context)


def sized(node: exp.Pad | exp.Space, _context: RewriteContext) -> exp.Expr:
    """LPAD, RPAD and SPACE: no longer than a text may be."""
    key = "expression" if isinstance(node, exp.Pad) else "this"
    length = node.args[key]
    if not (isinstance(length, exp.Literal) and len(length.name) < len(str(TEXT_LIMIT_CHARS))):
        node.set(key, call("nk_text_length", length))
    return typed(node, TEXT)


def repeat(node: exp.Repeat, _context: RewriteContext) -> exp.Expr:
    """REPEAT(text, times): no longer than a text may be."""
    return typed(call("nk_repeat", node.this, node.args["times"]), TEXT)


def edit_distance(node: exp.Levenshtein, _context: RewriteContext) -> exp.Expr:
    """EDITDISTANCE(a, b [, most]), whose time is the product of the lengths."""
    found: exp.Expr = call("nk_edit_distance", node.this, node.expression)
    most = node.args.get("max_dist")
    return typed(found if most is None else call("nk_at_most", found, most), NUMBER)
