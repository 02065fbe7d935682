"""The SQL front end as the protocol room sees it: requests in, answers out, and the life of a
session's own objects."""

from __future__ import annotations

from nunatak.objects.places import Place, Places
from nunatak.sql.dispatch import StatementDispatcher
from nunatak.sql.language.injection import Injector
from nunatak.stages.service import Stages
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Description, Result, Transfer
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.warehouse import Warehouse


class FrontEnd:
    """Runs statements; every method may be called from several threads at a time."""

    def __init__(self, injector: Injector) -> None:
        self._dispatcher = StatementDispatcher(injector)
        self._places = injector.get(Places)
        self._stages = injector.get(Stages)
        self._warehouse = injector.get(Warehouse)

    def execute(self, request: StatementRequest) -> Result | Transfer:
        """Run a statement; raises the errors of `nunatak.errors`."""
        return self._dispatcher.execute(request)

    def describe(self, request: StatementRequest) -> Description:
        """Columns that a statement would answer, without running it."""
        return self._dispatcher.describe(request)

    def start_session(self, session: Session) -> None:
        """Forget the names that a login brought and that name nothing that its role may see."""
        given = Place(session.warehouse, session.database, session.schema)
        found = self._places.known(given, role=session.in_force)
        session.warehouse, session.database = found.warehouse, found.database
        session.schema = found.schema

    def end_session(self, session: Session) -> None:
        """Free what lives as long as the session: temporary tables, stages and their files."""
        self._warehouse.close_session(session)
        self._stages.end_session(session)
