"""Rules for formats of dates and times: TO_CHAR, TO_DATE, TO_TIME, TO_TIMESTAMP and their kin.

A format is split into the vendor's elements, in any case, and literal parts; the engine's own
formats are made of them. What is no element of the vendor stands for itself, quoted or not, as in
the vendor's own `'mm/dd/yyyy, hh24:mi hours'`; an element that is not offered is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from nunatak.catalog.sqltypes import TEXT, TypeKind
from nunatak.errors import Unsupported
from nunatak.warehouse.core.format_elements import (
    WITH_ZONE,
    YEARS,
    Part,
    parts,
    refuse_others,
    unsupported,
)
from nunatak.warehouse.rewrite import casts
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed
from nunatak.warehouse.rewrite.semi import is_json

_ENGINE = {
    "UUUU": "%Y",
    "YYYY": "%Y",
    "YY": "%y",
    "MMMM": "%B",
    "MON": "%b",
    "MM": "%m",
    "DY": "%a",
    "DD": "%d",
    "HH24": "%H",
    "HH12": "%I",
    "AM": "%p",
    "PM": "%p",
    "MI": "%M",
    "SS": "%S",
    "FF6": "%f",
    "FF3": "%g",
}
_ZONES = {"TZHTZM": "nk_offset", "TZH:TZM": "nk_offset_colon", "TZH": "nk_offset_hours"}
_ZONES |= {"TZM": "nk_offset_minutes"}
_MOMENTS = WITH_ZONE | {TypeKind.TIMESTAMP_NTZ, TypeKind.DATE, TypeKind.TIME, None}
_BINARY = {"HEX": "hex", "BASE64": "to_base64", "UTF-8": "decode", "UTF8": "decode"}


def _format_of(node: exp.Expr) -> str | None:
    """The format of a function; None for none, or AUTO."""
    form = node.args.get("format")
    if form is None:
        return None
    text = _constant(form)
    if text is None:
        raise Unsupported("Unsupported: TO_CHAR, TO_DATE, … with a format that is computed.")
    return None if text.upper() == "AUTO" else text


def _constant(node: exp.Expr) -> str | None:
    """The text of a literal, or of literals that are joined; None for anything else."""
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.name)
    if isinstance(node, exp.Paren):
        return _constant(node.this)
    if isinstance(node, exp.DPipe):
        joined = (_constant(node.this), _constant(node.expression))
        return None if None in joined else "".join(map(str, joined))
    return None


def to_char(node: exp.ToChar | exp.TimeToStr, context: RewriteContext) -> exp.Expr:
    """TO_CHAR(moment, format); without a format it is a cast."""
    value = node.this
    if (form := _format_of(node)) is None:
        text = exp.DataType.build("VARCHAR", dialect="snowflake")
        return casts.cast(exp.Cast(this=value, to=text), context)
    known = type_of(value)
    kind = known.kind if known is not None else None
    if kind is TypeKind.BINARY and form.upper() in _BINARY:
        return typed(call(_BINARY[form.upper()], value), TEXT)
    if kind not in _MOMENTS or isinstance(value, exp.Literal | exp.Neg):
        raise Unsupported(f"Unsupported: TO_CHAR with the format '{form}' of other than a moment.")
    return typed(_written(value, form, kind), TEXT)


def _written(value: exp.Expr, form: str, kind: TypeKind | None) -> exp.Expr:
    """The text of a moment in a format."""
    found = parts(form)
    refuse_others(form, found, kind)
    if kind is TypeKind.TIME:
        value = exp.Paren(
            this=exp.Add(this=exp.cast(exp.Literal.string("1970-01-01"), "DATE"), expression=value)
        )
    pieces: list[exp.Expr] = []
    spec = ""
    for part, is_element in [*found, ("", False)]:
        own = _own_piece(value, part) if is_element else None
        if own is None:
            spec += _ENGINE[part] if is_element else part.replace("%", "%%")
        if spec and (own is not None or not part):
            pieces.append(call("strftime", value.copy(), exp.Literal.string(spec)))
            spec = ""
        if own is not None:
            pieces.append(own)
    if not pieces:
        return exp.Literal.string("")
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = exp.DPipe(this=joined, expression=piece)
    return exp.Paren(this=joined) if len(pieces) > 1 else joined


def _own_piece(value: exp.Expr, element: str) -> exp.Expr | None:
    """An element that the engine's formats lack."""
    if element in _ZONES:
        return call(_ZONES[element], value.copy())
    if element.startswith("FF") and element not in _ENGINE:
        # The engine writes nine digits right only where nothing else is in the format.
        digits = call("strftime", value.copy(), exp.Literal.string("%n"))
        return call("left", digits, exp.Literal.number(element[2:] or "9"))
    if element not in _ENGINE:
        raise unsupported(element, element)
    return None


def to_moment(node: exp.Expr, context: RewriteContext) -> exp.Expr:
    """TO_DATE, TO_TIME, TO_TIMESTAMP… of a text, with a format or without, and TRY_…."""
    target = node.args.get("target_type") or exp.DataType(this=_TARGETS[type(node)])
    form = _format_of(node)
    known = type_of(node.this)
    value = call("nk_json_text", node.this) if is_json(node.this) else node.this
    is_tried = bool(node.args.get("safe"))
    is_text = known is None or known.kind is TypeKind.TEXT or is_json(node.this)
    if form is not None and is_text:
        value = _read(value, form, casts.session_type(target, context).kind, is_tried=is_tried)
    kind = exp.TryCast if is_tried else exp.Cast
    return casts.cast(kind(this=value, to=target), context)


_TARGETS: dict[type[exp.Expr], Any] = {
    exp.TsOrDsToDate: exp.DataType.Type.DATE,
    exp.TsOrDsToTime: exp.DataType.Type.TIME,
    exp.StrToTime: exp.DataType.Type.TIMESTAMP,
}
MOMENT_FUNCTIONS = tuple(_TARGETS)


def _read(text: exp.Expr, form: str, target: TypeKind, *, is_tried: bool) -> exp.Expr:
    """A text that is written in a format as a moment of the engine."""
    found = parts(form)
    zones = [at for at, (part, is_element) in enumerate(found) if is_element and part in _ZONES]
    if zones and target not in WITH_ZONE:
        if zones != [len(found) - 1]:
            raise unsupported(form, found[zones[0]][0])
        text = call("nk_without_offset", text)  # what the clock showed is what is asked for
        found = found[:-1]
        while found and found[-1] == (" ", False):
            found = found[:-1]
    if not any(is_element and part in YEARS for part, is_element in found):
        text = exp.DPipe(this=exp.Literal.string("1970 "), expression=text)
        found = [("YYYY", True), (" ", False), *found]
    specs = {_spec(form, found, month) for month in ("%b", "%B")}
    listed = exp.Array(expressions=[exp.Literal.string(spec) for spec in sorted(specs)])
    name = "try_strptime" if is_tried else "strptime"
    only = listed.expressions[0] if len(specs) == 1 else listed
    return call(name, text, only)


def _spec(form: str, found: Sequence[Part], month: str) -> str:
    spec = ""
    for part, is_element in found:
        if not is_element:
            spec += part.replace("%", "%%")
        elif part in {"MON", "MMMM"}:
            spec += month
        elif part.startswith("FF"):
            spec += "%n"
        elif part in _ZONES and part != "TZM":
            spec += "%z"
        elif part in _ENGINE:
            spec += _ENGINE[part]
        else:
            raise unsupported(form, part)
    return spec
