"""The SQL front end as the protocol room sees it: requests in, answers out, and the life of a
session's own objects."""

from __future__ import annotations

from nunatak.objects.places import Place
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
        given = Place(session.warehouse, session.database, session.schema)
        found = self._rooms.objects.places.known(given)
        session.warehouse, session.database = found.warehouse, found.database
        session.schema = found.schema

    def end_session(self, session: Session) -> None:
        """Free what lives as long as the session: temporary tables, stages and their files."""
        self._rooms.warehouse.close_session(session)
        self._rooms.stages.end_session(session)
