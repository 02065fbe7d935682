"""Values bound to the markers of a statement, typed as on the wire."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Binding:
    """One bound value: `type` is the wire name (TEXT, FIXED, REAL, BOOLEAN, DATE, …); `value` is
    its text, None for NULL, or a list of texts for array binding (one per row)."""

    type: str
    value: str | list[str | None] | None
