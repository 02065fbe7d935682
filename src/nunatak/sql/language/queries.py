"""Statements that run now, as others may stop them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class QueryControl(Protocol):
    """The statements that run now."""

    def cancel(self, query_id: str, *, user: str) -> bool:
        """Stop one of the user's statements; whether it was running."""

    def running(self) -> Sequence[Mapping[str, Any]]:
        """Those that wait or run, as they are recorded when they end."""

    def cancel_session(self, session_id: int, *, spare: str = "") -> int:
        """Stop every statement of a session but `spare`; answers how many were running."""
