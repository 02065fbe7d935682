"""Markers of bound values: which of a request's values belong to which of its statements."""

from __future__ import annotations

from collections.abc import Sequence

from nunatak.errors import InvalidArgument
from nunatak.warehouse.core.bindings import Binding, numbered
from nunatak.warehouse.core.statement_text import StatementText


def shares(
    statements: Sequence[StatementText], bindings: Sequence[Binding]
) -> list[Sequence[Binding]]:
    """The values that belong to each of several statements of one request: `?` counts through
    all of them, `:1` and `:name` mean the same in each.

    Raises InvalidArgument when there are more or fewer values than markers.
    """
    if not bindings:
        return [() for _ in statements]
    counts = [statement.markers for statement in statements]
    values, total = numbered(bindings), sum(counts)
    if not total and (not values or any(":" in part.text for part in statements)):
        return [bindings for _ in statements]
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
