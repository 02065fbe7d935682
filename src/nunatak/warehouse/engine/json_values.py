"""Semi-structured values: when two are equal, which is less, and how they are written.

VARIANT, OBJECT and ARRAY are JSON text in the engine, which would compare the letters. Here is what
is meant: numbers by value, text by its bytes, arrays element by element, objects whatever the order
of their keys; of different kinds: booleans, numbers, text, arrays, objects, null. The engine's
macros do it for plain values and call these functions for the rest (see `macros`).
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from decimal import Decimal
from typing import Any

import orjson

_INEXACT = re.compile(r"[\d.]{16}|\.\d*0(?!\d)|\d[eE]|-0|0\.000")
"""Numbers that a fast parser would not keep as they are; a few texts look so, too."""
_EXPONENT_BIAS = 1 << 62
_EXPONENT_BYTES = 8
_LARGEST_WHOLE = 38
"""Digits of the largest NUMBER: longer values are written with an exponent."""


def canonical(text: str) -> str:
    """The one text of a value: equal values have equal texts. Keys are sorted, numbers shortest.

    Raises ValueError for what is no JSON.
    """
    if not _INEXACT.search(text):
        try:
            return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode()
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            pass  # the slower parser takes more
    return written(parsed(text))


def parsed(text: str) -> Any:
    """A value with exact numbers; raises ValueError."""
    return json.loads(text, parse_float=Decimal)


def written(value: Any) -> str:
    """The canonical text of a parsed value."""
    match value:
        case dict():
            members = (f"{_quoted(key)}:{written(value[key])}" for key in sorted(value, key=_bytes))
            return "{" + ",".join(members) + "}"
        case list():
            return "[" + ",".join(map(written, value)) + "]"
        case Decimal():
            return _number(value)
        case str():
            return _quoted(value)
        case _:
            return json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _number(value: Decimal) -> str:
    if not value:
        return "0"
    if -_LARGEST_WHOLE <= value.adjusted() < _LARGEST_WHOLE:
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return str(value.normalize()).replace("E+", "e").replace("E", "e")


def order_key(text: str) -> bytes:
    """Bytes that sort as the value does; raises ValueError for what is no JSON."""
    return _key(parsed(text))


def _key(value: Any) -> bytes:
    match value:
        case bool():
            return b"\x01\x01" if value else b"\x01\x00"
        case int() | Decimal():
            return b"\x02" + _number_key(Decimal(value))
        case str():
            return b"\x03" + _text_key(value)
        case list():
            return b"\x04" + b"".join(map(_key, value)) + b"\x00"
        case dict():
            members = (_text_key(key) + _key(value[key]) for key in sorted(value, key=_bytes))
            return b"\x05" + b"".join(b"\x01" + member for member in members) + b"\x00"
        case _:
            return b"\x06"


def _text_key(text: str) -> bytes:
    return _bytes(text).replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _number_key(value: Decimal) -> bytes:
    """Sign, place of the first digit, digits; of a negative number the complement."""
    if not value:
        return b"\x80"
    digits = "".join(map(str, value.as_tuple().digits)).rstrip("0").encode()
    place = (value.adjusted() + _EXPONENT_BIAS).to_bytes(_EXPONENT_BYTES, "big")
    body = place + digits + b"\x00"
    if value > 0:
        return b"\x81" + body
    return b"\x7f" + bytes(255 - byte for byte in body)


def array_except(left: str, right: str) -> str:
    """The elements of one array less those of the other, each as often as it is there."""
    taken = Counter(map(written, parsed(right)))
    kept = []
    for item in map(written, parsed(left)):
        if taken[item]:
            taken[item] -= 1
        else:
            kept.append(item)
    return "[" + ",".join(kept) + "]"


def array_intersection(left: str, right: str) -> str:
    """The elements that are in both arrays, each as often as in the one that has fewer."""
    there = Counter(map(written, parsed(right)))
    kept = []
    for item in map(written, parsed(left)):
        if there[item]:
            there[item] -= 1
            kept.append(item)
    return "[" + ",".join(kept) + "]"


def arrays_zip(arrays: str) -> str | None:
    """Objects with the elements of several arrays by place; NULL where one of them is."""
    listed = parsed(arrays)
    if None in listed:
        return None
    if not all(isinstance(items, list) for items in listed):
        raise ValueError("ARRAYS_ZIP takes arrays")
    rows = itertools.zip_longest(*listed)
    return written([{f"${at}": item for at, item in enumerate(row, 1)} for row in rows])


def picked(value: str, keys: str) -> str:
    """An object with those members alone whose keys are named, one by one or in one array."""
    members = _members(value)
    return written({key: members[key] for key in _names(keys) if key in members})


def without(value: str, keys: str) -> str:
    """An object less the members whose keys are named."""
    left_out = set(_names(keys))
    return written({key: item for key, item in _members(value).items() if key not in left_out})


def with_member(value: str, key: str, item: str, replaces: int) -> str:
    """An object with one more member; an empty `item` is NULL, which no member is made of.

    Raises ValueError where the key is there and is not to be replaced.
    """
    members = _members(value)
    if key in members and not replaces:
        raise ValueError(f"the object has a member '{key}' already")
    members.pop(key, None)
    return written({**members, key: parsed(item)} if item else members)


def _members(value: str) -> dict[str, Any]:
    members = parsed(value)
    if not isinstance(members, dict):
        raise ValueError("the value is no object")
    return members


def _names(keys: str) -> list[str]:
    names = parsed(keys)
    if len(names) == 1 and isinstance(names[0], list):
        names = names[0]
    return [name for name in names if isinstance(name, str)]
