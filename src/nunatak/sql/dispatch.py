"""Dispatch: from a statement's text to its answer. Parse once, dispatch once, authorise, run.

Statements that a family registered are parsed by hand; everything else goes to the warehouse,
which parses it with SQLGlot. `a ->> b` runs `a` first and lets `b` read its rows as `$1`.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import uuid
from typing import Any

from nunatak import sql
from nunatak.errors import QueryCancelled, SyntaxInvalid
from nunatak.sql.language.folding import folded
from nunatak.sql.language.statement import Context, Prepared, authorise, parse_registered
from nunatak.sql.language.system_functions import parse_system_select
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.session.parameters import UseRole
from nunatak.warehouse.core.results import Description, Result, Transfer
from nunatak.warehouse.engine.errors import TOO_DEEP
from nunatak.warehouse.parsing.markers import shares

_ADDING = frozenset({"CREATE", "INSERT", "UPDATE", "MERGE", "COPY", "PUT"})
_GROWING = frozenset({"TABLE", "MODEL"})
"""The statements that need room for what they add, and what grows by ALTER."""

# A family's grammars and functions are registered when its module is imported.
for _module in pkgutil.walk_packages(sql.__path__, f"{sql.__name__}."):
    importlib.import_module(_module.name)


def execute(context: Context) -> Result | Transfer:
    """Run a statement. Raises the errors of `nunatak.errors`; everything that the statement
    changed has committed when this returns."""
    try:
        with context.session.statement() as session:
            return _execute(_with(context, session=session))
    except RecursionError as error:
        raise SyntaxInvalid(TOO_DEEP) from error


def describe(context: Context) -> Description:
    """What a statement would answer, without running anything."""
    try:
        with context.session.statement() as session:
            return _describe(_with(context, session=session))
    except RecursionError as error:
        raise SyntaxInvalid(TOO_DEEP) from error


def _with(context: Context, **changes: Any) -> Context:
    """The context of a request that differs in some fields."""
    return Context(rooms=context.rooms, request=dataclasses.replace(context.request, **changes))


def _execute(context: Context) -> Result | Transfer:
    *before, last = _steps(context)
    flow = None
    for step in before:
        flow = _execute_one(_with(step, flow=flow, query_id=str(uuid.uuid4())))
        if isinstance(flow, Transfer):
            raise SyntaxInvalid("SQL compilation error:\nPUT and GET cannot feed '->>'.")
    return _execute_one(_with(last, flow=flow) if flow is not None else last)


def _describe(context: Context) -> Description:
    *before, last = _steps(context)
    flow = None
    for step in before:
        flow = Result(fields=_describe_one(_with(step, flow=flow)).fields, batches=())
    return _describe_one(_with(last, flow=flow) if flow is not None else last)


def _steps(context: Context) -> list[Context]:
    """A statement for each that `->>` joins, with its share of the bound values; the statement
    itself for an ordinary one. Raises SyntaxInvalid and InvalidArgument."""
    context = _with_folded_names(context)
    parts = context.request.statement.flow()
    values = shares(parts, context.request.bindings)
    if len(parts) == 1 and values[0] is context.request.bindings:
        return [context]
    return [
        _with(context, statement=part, bindings=bindings)
        for part, bindings in zip(parts, values, strict=True)
    ]


def _with_folded_names(context: Context) -> Context:
    request = context.request
    if not request.parameter("QUOTED_IDENTIFIERS_IGNORE_CASE"):
        return context
    statement, bindings = folded(request.statement, request.bindings)
    return _with(context, statement=statement, bindings=bindings)


def _execute_one(context: Context) -> Result | Transfer:
    if context.cancelled.is_set():
        raise QueryCancelled("SQL execution canceled")
    _check_disk(context)
    prepared = _parse(context)
    _check_acting(prepared, context)
    if prepared is None:
        return context.rooms.warehouse.query(context.request)
    authorise(prepared.needs, prepared.statement, context)
    return prepared.statement.run(context)


def _describe_one(context: Context) -> Description:
    prepared = _parse(context)
    _check_acting(prepared, context)
    if prepared is not None:
        authorise(prepared.needs, prepared.statement, context)
        return Description(prepared.statement.fields)
    return context.rooms.warehouse.describe(context.request)


def _check_disk(context: Context) -> None:
    """Raises DiskFull for a statement that would add data to a full disk."""
    disk = context.rooms.disk
    disk.look()
    if disk.is_full:
        cursor = TokenCursor(context.request.statement)
        verb = cursor.peek()
        if verb in _ADDING or (verb == "ALTER" and cursor.peek(1) in _GROWING):
            disk.check_writes(verb)


def _parse(context: Context) -> Prepared | None:
    cursor = TokenCursor(context.request.statement, bindings=context.request.bindings)
    if cursor.done:
        raise SyntaxInvalid("Empty SQL statement.")
    return parse_registered(cursor) or parse_system_select(cursor)


def _check_acting(prepared: Prepared | None, context: Context) -> None:
    """The session may act with its role at this moment; USE ROLE is the way out when not."""
    if prepared is None or not isinstance(prepared.statement, UseRole):
        context.rooms.access.check_acting(context.session)
