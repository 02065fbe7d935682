"""The SQL front end as the protocol room sees it: requests in, answers out, and the life of a
session's own objects."""

from __future__ import annotations

from nunatak.catalog.store import Key
from nunatak.sql import dispatch
from nunatak.sql.language.rooms import Rooms
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Description, Result, Transfer
from nunatak.warehouse.core.session import Session


class FrontEnd:
    """Runs statements; every method may be called from several threads at a time."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def execute(self, request: StatementRequest) -> Result | Transfer:
        """Run a statement; raises the errors of `nunatak.errors`."""
        return dispatch.execute(Context(rooms=self._rooms, request=request))

    def describe(self, request: StatementRequest) -> Description:
        """What a statement would answer, without running it."""
        return dispatch.describe(Context(rooms=self._rooms, request=request))

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
