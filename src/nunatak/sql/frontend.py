"""The SQL front end as the protocol room sees it: texts in, answers out, and the life of a
session's own objects."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nunatak.catalog.store import Key
from nunatak.sql import dispatch
from nunatak.sql.language.rooms import Rooms
from nunatak.sql.language.statement import Context
from nunatak.sql.language.tokens import split_statements
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.results import Description, Result, Transfer
from nunatak.warehouse.core.session import Session


class Request(Protocol):
    """One statement to run, as the protocol room received it."""

    @property
    def session(self) -> Session:
        """Whose statement it is."""

    @property
    def query_id(self) -> str:
        """A UUID in hexadecimal text."""

    @property
    def text(self) -> str:
        """The statement."""

    @property
    def bindings(self) -> Sequence[Binding]:
        """Values for its markers."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Statement parameters sent beside the text, by upper-case name."""

    @property
    def cancelled(self) -> threading.Event:
        """Set to stop it."""


class FrontEnd:
    """Runs statements; every method may be called from several threads at a time."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def split(self, text: str) -> Sequence[str]:
        """The statements of a text that semicolons separate."""
        return split_statements(text)

    def execute(self, request: Request) -> Result | Transfer:
        """Run a statement; raises the errors of `nunatak.errors`."""
        return dispatch.execute(self._context(request))

    def describe(self, request: Request) -> Description:
        """What a statement would answer, without running it."""
        return dispatch.describe(self._context(request))

    def start_session(self, session: Session) -> None:
        """Forget the names that a login brought and that name nothing."""
        with self._rooms.catalog.read() as tx:
            if session.warehouse and tx.find(Key("WAREHOUSE", session.warehouse)) is None:
                session.warehouse = None
            if session.database and tx.find(Key("DATABASE", session.database)) is None:
                session.database = session.schema = None
            if session.database and session.schema is None:
                session.schema = "PUBLIC"
            if session.database and session.schema:
                schema = Key("SCHEMA", session.schema, session.database)
                session.schema = session.schema if tx.find(schema) is not None else None

    def end_session(self, session: Session) -> None:
        """Free what lives as long as the session: temporary tables, stages and their files."""
        self._rooms.warehouse.close_session(session)
        self._rooms.stages.end_session(session)

    def _context(self, request: Request) -> Context:
        return Context(
            rooms=self._rooms,
            session=request.session,
            query_id=request.query_id,
            text=request.text,
            bindings=request.bindings,
            parameters=request.parameters,
            cancelled=request.cancelled,
        )
