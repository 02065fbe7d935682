"""Names that a JSON object holds twice, of which decoders keep the last without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.naming import shown


class _Doubled(dict[str, Any]):
    """An object with a name that it holds twice."""

    name: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Doubled(found)
    names = [name for name, _ in pairs]
    doubled.name = next(name for name in found if names.count(name) > 1)
    return doubled


def refuse_doubled(body: bytes, document: Mapping[str, Any], shape: str) -> None:
    """Raise BadInput for a row of the shape, or the parameters, with a name that is there twice.

    The body was decoded into the document. Objects that are values are none of our business.
    """
    if body.count(b":") == _members(document, shape):
        return  # each name has a colon, so that one that was lost would leave more of them
    try:
        # Whole numbers of any length are numbers; which ones does not matter here.
        given = json.loads(body, object_pairs_hook=_object, parse_int=float)
    except RecursionError:
        raise BadInput("the body is nested too deeply") from None
    _refuse(given.get("params"), "params")
    for place, row in enumerate(_rows(given, shape)):
        _refuse(row, f"{shape}[{place}]")


def _members(document: Mapping[str, Any], shape: str) -> int:
    """Names in the document, its rows and its parameters, without those inside of values."""
    objects = [document, document[shape], document.get("params"), *_rows(document, shape)]
    return sum(len(one) for one in objects if isinstance(one, dict))


def _rows(document: Mapping[str, Any], shape: str) -> Iterator[Any]:
    """The rows of a shape, without their numbers."""
    rows = document[shape]
    for row in rows if isinstance(rows, list) else ():
        is_numbered = isinstance(row, list) and len(row) == 2
        yield row[1] if is_numbered else row


def _refuse(given: object, where: str) -> None:
    if isinstance(given, _Doubled):
        raise BadInput(f"{where} names {shown(given.name)} twice")
