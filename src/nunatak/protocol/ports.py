"""Ports of this package to those below it, as protocols, so that a test can stand in for them."""

from __future__ import annotations

from typing import Protocol

from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Description, Result, Transfer
from nunatak.warehouse.core.session import Session


class Statements(Protocol):
    """The SQL front end. Every method is called from worker threads, several at a time."""

    def execute(self, request: StatementRequest) -> Result | Transfer:
        """Run a statement; raises the errors of `nunatak.errors`."""

    def describe(self, request: StatementRequest) -> Description:
        """Columns that a statement would answer, without running it."""

    def start_session(self, session: Session) -> None:
        """Check the names that a login or a restored session brought; those that name nothing
        become None."""

    def end_session(self, session: Session) -> None:
        """Free what lives as long as the session."""
