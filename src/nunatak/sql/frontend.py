"""The SQL front end: from a statement's text to its answer. Parse once, dispatch once, authorise,
run.

Statements that a family registered are parsed by hand; everything else goes to the warehouse,
which parses it with SQLGlot. `a ->> b` runs `a` first and lets `b` read its rows as `$1`.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import uuid

from nunatak import sql
from nunatak.access.service import Access
from nunatak.disk import Disk
from nunatak.errors import SyntaxInvalid
from nunatak.objects.places import Place, Places
from nunatak.sql.language.folding import folded
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, Prepared, authorise, parse_registered
from nunatak.sql.language.system_functions import parse_system_select
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.session.parameters import UseRole
from nunatak.stages.service import Stages
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Description, Result, Transfer
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.engine.errors import TOO_DEEP
from nunatak.warehouse.parsing.markers import shares
from nunatak.warehouse.warehouse import Warehouse

_ADDING = frozenset({"CREATE", "INSERT", "UPDATE", "MERGE", "COPY", "PUT"})
_GROWING = frozenset({"TABLE", "MODEL"})
"""The statements that need room for what they add, and what grows by ALTER."""


class FrontEnd:
    """The front end as the protocol room sees it: runs statements, by their handlers and by the
    warehouse, and ends what lives as long as a session. Safe to use from many threads."""

    def __init__(self, injector: Injector) -> None:
        self._injector = injector
        self._access = injector.get(Access)
        self._disk = injector.get(Disk)
        self._places = injector.get(Places)
        self._stages = injector.get(Stages)
        self._warehouse = injector.get(Warehouse)

    def execute(self, request: StatementRequest) -> Result | Transfer:
        """Run a statement. Raises the errors of `nunatak.errors`; everything that the statement
        changed has committed when this returns."""
        try:
            with request.session.statement() as session:
                session.accessed = request.accessed
                return self._execute(dataclasses.replace(request, session=session))
        except RecursionError as error:
            raise SyntaxInvalid(TOO_DEEP) from error

    def describe(self, request: StatementRequest) -> Description:
        """Columns that a statement would answer, without running anything."""
        try:
            with request.session.statement() as session:
                return self._describe(dataclasses.replace(request, session=session))
        except RecursionError as error:
            raise SyntaxInvalid(TOO_DEEP) from error

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

    def _execute(self, request: StatementRequest) -> Result | Transfer:
        *before, last = _steps(request)
        flow = None
        for step in before:
            query_id = str(uuid.uuid4())
            answer = self._execute_one(dataclasses.replace(step, flow=flow, query_id=query_id))
            if isinstance(answer, Transfer):
                raise SyntaxInvalid("SQL compilation error:\nPUT and GET cannot feed '->>'.")
            flow = answer
        return self._execute_one(_fed(last, flow))

    def _describe(self, request: StatementRequest) -> Description:
        *before, last = _steps(request)
        flow = None
        for step in before:
            fields = self._describe_one(dataclasses.replace(step, flow=flow)).fields
            flow = Result(fields=fields, batches=())
        return self._describe_one(_fed(last, flow))

    def _execute_one(self, request: StatementRequest) -> Result | Transfer:
        request.check_cancelled()
        self._check_disk(request)
        prepared = _parse(request)
        self._check_acting(prepared, request)
        if prepared is None:
            return self._warehouse.query(request)
        return prepared.run(Context(request=request), self._injector)

    def _describe_one(self, request: StatementRequest) -> Description:
        prepared = _parse(request)
        self._check_acting(prepared, request)
        if prepared is None:
            return self._warehouse.describe(request)
        authorise(prepared.needs, prepared.statement, Context(request=request), self._injector)
        return Description(prepared.statement.fields)

    def _check_disk(self, request: StatementRequest) -> None:
        """Raises DiskFull for a statement that would add data to a full disk."""
        self._disk.look()
        if self._disk.is_full:
            cursor = TokenCursor(request.statement)
            verb = cursor.peek()
            if verb in _ADDING or (verb == "ALTER" and cursor.peek(1) in _GROWING):
                self._disk.check_writes(verb)

    def _check_acting(self, prepared: Prepared | None, request: StatementRequest) -> None:
        """The session may act with its role at this moment; USE ROLE is the way out when not."""
        if prepared is None or not isinstance(prepared.statement, UseRole):
            self._access.check_acting(request.session)
            session = request.session
            session.secondary = self._access.secondary_roles(session, session.more_roles)


def _fed(request: StatementRequest, flow: Result | None) -> StatementRequest:
    """The request with the rows of the statement before it."""
    return request if flow is None else dataclasses.replace(request, flow=flow)


def _steps(request: StatementRequest) -> list[StatementRequest]:
    """A statement for each that `->>` joins, with its share of the bound values; the statement
    itself for an ordinary one. Raises SyntaxInvalid and InvalidArgument."""
    request = _with_folded_names(request)
    parts = request.statement.flow()
    values = shares(parts, request.bindings)
    if len(parts) == 1 and values[0] is request.bindings:
        return [request]
    return [
        dataclasses.replace(request, statement=part, bindings=bindings)
        for part, bindings in zip(parts, values, strict=True)
    ]


def _with_folded_names(request: StatementRequest) -> StatementRequest:
    if not request.parameter("QUOTED_IDENTIFIERS_IGNORE_CASE"):
        return request
    statement, bindings = folded(request.statement, request.bindings)
    return dataclasses.replace(request, statement=statement, bindings=bindings)


def _parse(request: StatementRequest) -> Prepared | None:
    cursor = TokenCursor(request.statement, bindings=request.bindings)
    if cursor.done:
        raise SyntaxInvalid("Empty SQL statement.")
    return parse_registered(cursor) or parse_system_select(cursor)


# A family's grammars and functions are registered when its module is imported.
for _module in pkgutil.walk_packages(sql.__path__, f"{sql.__name__}."):
    importlib.import_module(_module.name)
