"""Ports of this package to those below it, as protocols, so that a test can stand in for them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.results import Description, Result, Transfer
from nunatak.warehouse.core.session import Session


@dataclass(frozen=True, kw_only=True)
class StatementRequest:
    """One statement to run; `query_id` is a UUID in hexadecimal text."""

    session: Session
    query_id: str
    text: str
    bindings: Sequence[Binding] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Statement parameters sent beside the text, by upper-case name."""
    cancelled: threading.Event = field(default_factory=threading.Event)


class Statements(Protocol):
    """The SQL front end. Every method is called from worker threads, several at a time."""

    def split(self, text: str) -> Sequence[str]:
        """The statements of a text that semicolons separate."""

    def execute(self, request: StatementRequest) -> Result | Transfer:
        """Run a statement; raises the errors of `nunatak.errors`."""

    def describe(self, request: StatementRequest) -> Description:
        """What a statement would answer, without running it."""

    def start_session(self, session: Session) -> None:
        """Check the names that a login or a restored session brought; those that name nothing
        become None."""

    def end_session(self, session: Session) -> None:
        """Free what lives as long as the session."""
