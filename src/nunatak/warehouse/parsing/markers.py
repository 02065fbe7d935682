"""Markers in the texts of statements, and which of a request's values belong to which text."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot.errors import TokenError

from nunatak.errors import InvalidArgument, SyntaxInvalid
from nunatak.warehouse.core.bindings import Binding, numbered
from nunatak.warehouse.core.dialect import DIALECT, PlainTokenizer, is_marker


def marker_count(text: str) -> int:
    """How many `?` a statement has; raises SyntaxInvalid."""
    if "?" not in text:
        return 0
    try:
        return sum(map(is_marker, PlainTokenizer(dialect=DIALECT).tokenize(text)))
    except TokenError as error:
        raise SyntaxInvalid(f"SQL compilation error:\n{error}") from error


def shares(texts: Sequence[str], bindings: Sequence[Binding]) -> list[Sequence[Binding]]:
    """The values that belong to each of several statements of one request: `?` counts through
    all of them, `:1` and `:name` mean the same in each.

    Raises InvalidArgument when there are more or fewer values than markers.
    """
    if not bindings:
        return [() for _ in texts]
    counts = [marker_count(text) for text in texts]
    values, total = numbered(bindings), sum(counts)
    if not total and (not values or any(":" in text for text in texts)):
        return [bindings for _ in texts]
    if total != len(values):
        raise InvalidArgument(
            f"The statement has {total} markers '?' and came with {len(values)} values: "
            "bind one value to each."
        )
    names = [binding for binding in bindings if binding.name is not None]
    starts = [sum(counts[:index]) for index in range(len(counts))]
    return [
        [*values[start : start + count], *names]
        for start, count in zip(starts, counts, strict=True)
    ]
