"""Statements that run now, as others may stop them."""

from __future__ import annotations

from typing import Protocol


class QueryControl(Protocol):
    """The statements that run now."""

    def cancel(self, query_id: str, *, user: str) -> bool:
        """Stop one of the user's statements; whether it was running."""

    def cancel_session(self, session_id: int, *, spare: str = "") -> int:
        """Stop every statement of a session but `spare`; answers how many were running."""
