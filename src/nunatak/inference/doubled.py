"""Names that a JSON object holds twice, of which decoders keep the last without a word."""

from __future__ import annotations

import json
from typing import Any

from nunatak.inference.errors import BadInput
from nunatak.inference.naming import shown


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


def refuse_doubled(body: bytes, shape: str) -> None:
    """Raise BadInput for a row of the shape, or the parameters, with a name that is there twice.

    The body is known to be JSON of that shape. Objects that are values are none of our business.
    """
    try:
        # Whole numbers of any length are numbers; which ones does not matter here.
        document = json.loads(body, object_pairs_hook=_object, parse_int=float)
    except RecursionError:
        raise BadInput("the body is nested too deeply") from None
    _refuse(document.get("params"), "params")
    rows = document[shape]
    for place, row in enumerate(rows if isinstance(rows, list) else ()):
        is_numbered = isinstance(row, list) and len(row) == 2
        _refuse(row[1] if is_numbered else row, f"{shape}[{place}]")


def _refuse(given: object, where: str) -> None:
    if isinstance(given, _Doubled):
        raise BadInput(f"{where} names {shown(given.name)} twice")
