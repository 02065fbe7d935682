"""Values bound to the markers of a statement, typed as on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nunatak.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Binding:
    """Bound value: `type` is the wire name (TEXT, FIXED, REAL, BOOLEAN, DATE, …); `value` is its
    text, None for NULL, or a list of texts for array binding (one per row). A value with a `name`
    belongs to the markers `:name`; others are numbered in their order."""

    type: str
    value: str | list[str | None] | None
    name: str | None = None


def numbered(bindings: Sequence[Binding]) -> list[Binding]:
    """The values for `?` and `:1`, in order."""
    return [binding for binding in bindings if binding.name is None]


def bound(bindings: Sequence[Binding], marker: str) -> Binding:
    """The value for a marker: a number, or a name in any case; raises InvalidArgument."""
    if not marker.isdigit():
        wanted = marker.upper()
        for binding in bindings:
            if (binding.name or "").upper() == wanted:
                return binding
        raise InvalidArgument(f"Bind variable :{marker} is not set: bind a value to its name.")
    values, number = numbered(bindings), int(marker)
    if not 1 <= number <= len(values):
        raise InvalidArgument(
            f"Bind variable {number} is not set: the statement has more markers than the "
            f"{len(values)} values that came with it."
        )
    return values[number - 1]
