"""The elements of formats of dates and times, and which of them a kind of moment has."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nunatak.catalog.sqltypes import TypeKind
from nunatak.errors import Unsupported

_PART = re.compile(
    r'"((?:[^"]|"")*)"|(UUUU|YYYY|YY|MMMM|MON|MM|DY|DD|HH24|HH12|HH|AM|PM|MI|SS|FF[0-9]?|'
    r"TZH:?TZM|TZH|TZM|TZD)|(.)",
    re.IGNORECASE | re.DOTALL,
)
YEARS = frozenset({"UUUU", "YYYY", "YY"})
OF_DATES = YEARS | {"MMMM", "MON", "MM", "DY", "DD"}
OF_ZONES = frozenset({"TZHTZM", "TZH:TZM", "TZH", "TZM"})
WITH_ZONE = frozenset({TypeKind.TIMESTAMP_LTZ, TypeKind.TIMESTAMP_TZ})

Part = tuple[str, bool]
"""An element in upper case, or a literal part; and whether it is an element."""


def parts(form: str) -> list[Part]:
    """The elements and literal parts of a format."""
    found: list[Part] = []
    for match in _PART.finditer(form):
        quoted_part, element, other = match.groups()
        if quoted_part is not None:
            found.append((quoted_part.replace('""', '"'), False))
        elif element is not None:
            found.append((element.upper(), True))
        else:
            found.append((other, False))
    is_half_day = any(part in {"AM", "PM"} for part, is_element in found if is_element)
    whole = "HH12" if is_half_day else "HH24"
    return [(whole, True) if part == ("HH", True) else part for part in found]


def unsupported(form: str, element: str) -> Unsupported:
    """The refusal of an element."""
    return Unsupported(
        f"Unsupported: '{element}' in the format '{form}'. Put text of your own in double quotes."
    )


def refuse(form: str, found: Sequence[Part], elements: frozenset[str]) -> None:
    """Raise Unsupported for some elements."""
    for part, is_element in found:
        if is_element and part in elements:
            raise unsupported(form, part)


def refuse_others(form: str, found: Sequence[Part], kind: TypeKind | None) -> None:
    """Raise Unsupported for elements that a kind of moment cannot be written with."""
    refuse(form, found, frozenset({"TZD"}))
    if kind is TypeKind.TIME:
        refuse(form, found, OF_DATES)
    if kind not in WITH_ZONE:
        refuse(form, found, OF_ZONES)
