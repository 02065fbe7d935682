"""Dispatch: from a statement's text to its answer. Parse once, dispatch once, authorise, run.

Statements that a family registered are parsed by hand; everything else goes to the warehouse,
which parses it with SQLGlot. `a ->> b` runs `a` first and lets `b` read its rows as `$1`.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import uuid
from collections.abc import Sequence

from sqlglot.tokenizer_core import TokenType

from nunatak import sql
from nunatak.errors import QueryCancelled, SyntaxInvalid
from nunatak.sql.language.folding import folded
from nunatak.sql.language.statement import Context, Prepared, authorise, parse_registered
from nunatak.sql.language.system_functions import parse_system_select
from nunatak.sql.language.tokens import TokenCursor, tokenize
from nunatak.sql.session.parameters import UseRole
from nunatak.warehouse.core.request import QueryRequest
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
    """Run `context.text`. Raises the errors of `nunatak.errors`; everything that the statement
    changed has committed when this returns."""
    try:
        with context.session.statement() as session:
            return _execute(dataclasses.replace(context, session=session))
    except RecursionError as error:
        raise SyntaxInvalid(TOO_DEEP) from error


def describe(context: Context) -> Description:
    """What `context.text` would answer, without running anything."""
    try:
        with context.session.statement() as session:
            return _describe(dataclasses.replace(context, session=session))
    except RecursionError as error:
        raise SyntaxInvalid(TOO_DEEP) from error


def _execute(context: Context) -> Result | Transfer:
    context = _with_folded_names(context)
    parts = flow_parts(context.text)
    values = shares(parts, context.bindings)
    for part, bindings in zip(parts[:-1], values, strict=False):
        step = dataclasses.replace(
            context, text=part, bindings=bindings, query_id=str(uuid.uuid4())
        )
        result = _execute_one(step)
        if isinstance(result, Transfer):
            raise SyntaxInvalid("SQL compilation error:\nPUT and GET cannot feed '->>'.")
        context = dataclasses.replace(context, flow=result)
    return _execute_one(dataclasses.replace(context, text=parts[-1], bindings=values[-1]))


def _describe(context: Context) -> Description:
    context = _with_folded_names(context)
    parts = flow_parts(context.text)
    values = shares(parts, context.bindings)
    for part, bindings in zip(parts[:-1], values, strict=False):
        step = dataclasses.replace(context, text=part, bindings=bindings)
        context = dataclasses.replace(
            context, flow=Result(fields=_describe(step).fields, batches=())
        )
    context = dataclasses.replace(context, text=parts[-1], bindings=values[-1])
    prepared = _parse(context)
    _check_acting(prepared, context)
    if prepared is not None:
        authorise(prepared.needs, prepared.statement, context)
        return Description(prepared.statement.fields)
    return context.rooms.warehouse.describe(_query(context))


def flow_parts(text: str) -> Sequence[str]:
    """The statements that `->>` joins; one for ordinary text. Raises SyntaxInvalid when empty."""
    if "->>" not in text:
        return [text]
    parts, start = [], 0
    for token in tokenize(text):
        if token.token_type is TokenType.DARROW:
            parts.append(text[start : token.start])
            start = token.end + 1
    return [*parts, text[start:]]


def _with_folded_names(context: Context) -> Context:
    parameter = "QUOTED_IDENTIFIERS_IGNORE_CASE"
    if not context.parameters.get(parameter, context.session.parameter(parameter)):
        return context
    text, bindings = folded(context.text, context.bindings)
    return dataclasses.replace(context, text=text, bindings=bindings)


def _execute_one(context: Context) -> Result | Transfer:
    if context.cancelled.is_set():
        raise QueryCancelled("SQL execution canceled")
    _check_disk(context)
    prepared = _parse(context)
    _check_acting(prepared, context)
    if prepared is None:
        return context.rooms.warehouse.query(_query(context))
    authorise(prepared.needs, prepared.statement, context)
    return prepared.statement.run(context)


def _check_disk(context: Context) -> None:
    """Raises DiskFull for a statement that would add data to a full disk."""
    disk = context.rooms.disk
    disk.look()
    if disk.is_full:
        cursor = TokenCursor(context.text)
        verb = cursor.peek()
        if verb in _ADDING or (verb == "ALTER" and cursor.peek(1) in _GROWING):
            disk.check_writes(verb)


def _parse(context: Context) -> Prepared | None:
    cursor = TokenCursor(context.text, bindings=context.bindings)
    if cursor.done:
        raise SyntaxInvalid("Empty SQL statement.")
    return parse_registered(cursor) or parse_system_select(cursor)


def _check_acting(prepared: Prepared | None, context: Context) -> None:
    """The session may act with its role at this moment; USE ROLE is the way out when not."""
    if prepared is None or not isinstance(prepared.statement, UseRole):
        context.rooms.access.check_acting(context.session)


def _query(context: Context) -> QueryRequest:
    return QueryRequest(
        session=context.session,
        text=context.text,
        query_id=context.query_id,
        bindings=context.bindings,
        cancelled=context.cancelled,
        flow=context.flow,
        parameters=context.parameters,
    )
