"""Statements that run now, as others may stop them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from nunatak.warehouse.core.cancel import Cancellation


class SentStatement(Protocol):
    """A statement that runs, or has ended not long ago."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def session_id(self) -> int:
        """The session that it runs in."""

    @property
    def user(self) -> str:
        """The user who sent it."""

    @property
    def warehouse(self) -> str | None:
        """The session's warehouse when it was sent."""

    @property
    def started_on(self) -> float:
        """Moment at which it was sent, in seconds since the epoch."""

    @property
    def is_finished(self) -> bool:
        """Whether it has ended."""

    @property
    def cancelled(self) -> Cancellation:
        """The flag that stops it."""


class QueryControl(Protocol):
    """The statements that run now."""

    def find(self, query_id: str) -> SentStatement | None:
        """A statement by its id, while it is remembered."""

    def running(self) -> Sequence[Mapping[str, Any]]:
        """Those that wait or run, as they are recorded when they end."""

    def cancel_where(self, is_meant: Callable[[SentStatement], bool], *, spare: str = "") -> int:
        """Stop every statement that is meant, but `spare`; answers how many were running."""
