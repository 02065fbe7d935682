"""Operands of casts, made what the engine reads as the vendor does.

The engine takes more as a number than the vendor (`1_000`, `0x1F`), less as a date (`03/05/2016`),
rounds halves to even, and does not cut text to a length.
"""

from __future__ import annotations

import re

from sqlglot import exp

from nunatak.catalog.sqltypes import TEXT_LIMIT_CHARS, TIMESTAMPS, SqlType, TypeKind
from nunatak.warehouse.rewrite.context import call, is_text, type_of

_PLAIN_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)\s*", re.ASCII)
_PLAIN_MOMENT = re.compile(r"\s*\d{4}-\d\d?-\d\d?([ T].*)?", re.ASCII | re.DOTALL)
_BLANK_BEFORE_OFFSET = re.compile(r" (?=[+-][0-9:]+$)")
_MOMENTS = TIMESTAMPS | {TypeKind.DATE}


def is_real(node: exp.Expr) -> bool:
    """Whether a plain node is a FLOAT."""
    known = type_of(node)
    if known is not None:
        return known.kind is TypeKind.REAL
    if isinstance(node, exp.Neg | exp.Paren):
        return is_real(node.this)
    return isinstance(node, exp.Literal) and not node.is_string and "e" in node.name.lower()


def operand(node: exp.Expr, target: SqlType, *, is_tried: bool) -> exp.Expr:
    """The operand of a cast to `target`, as the engine's cast reads it rightly."""
    if is_text(node):
        if target.kind in _MOMENTS:
            return _moment(node, target)
        if target.kind in {TypeKind.FIXED, TypeKind.REAL}:
            return _number(node, is_tried=is_tried)
    elif target.kind is TypeKind.FIXED and is_real(node):
        return call("round", node, exp.Literal.number(target.scale or 0))
    return node


def _number(text: exp.Expr, *, is_tried: bool) -> exp.Expr:
    if isinstance(text, exp.Literal) and _PLAIN_NUMBER.fullmatch(text.name):
        return text
    return call("nk_try_number_text" if is_tried else "nk_number_text_of", text)


def _moment(text: exp.Expr, target: SqlType) -> exp.Expr:
    """A text of a moment: without the blank before its offset, and ISO where it is not."""
    if isinstance(text, exp.Literal) and _PLAIN_MOMENT.fullmatch(text.name):
        if target.kind is TypeKind.DATE:
            return text
        return exp.Literal.string(_BLANK_BEFORE_OFFSET.sub("", text.name))
    read = call("nk_auto_moment", text)
    return read if target.kind is TypeKind.DATE else call("nk_offset_text", read)


def as_float(text: exp.Expr, *, is_tried: bool) -> exp.Expr | None:
    """A text cast to FLOAT; what no FLOAT has room for is no number. None for a plain number,
    which the engine's cast reads rightly."""
    if isinstance(text, exp.Literal) and _PLAIN_NUMBER.fullmatch(text.name):
        return None
    return call("nk_try_float_of" if is_tried else "nk_float_of", text)


def cut(node: exp.Expr, target: SqlType, operand: exp.Expr) -> exp.Expr:
    """Value that was cast to text, no longer than it is declared: text is cut, other values must
    fit."""
    length = target.length or TEXT_LIMIT_CHARS
    if length >= TEXT_LIMIT_CHARS:
        return node
    is_number = isinstance(operand, exp.Literal) and not operand.is_string
    is_cut = is_text(operand) or (type_of(operand) is None and not is_number)
    return call("left" if is_cut else "nk_fitting", node, exp.Literal.number(length))
