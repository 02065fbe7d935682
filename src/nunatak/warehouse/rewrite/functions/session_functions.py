"""Rules for functions that tell of the session: CURRENT_DATABASE() and its kin."""

from __future__ import annotations

import json
from collections.abc import Callable

from sqlglot import exp

from nunatak.catalog.sqltypes import DATE, TEXT, TIME, TIMESTAMP_LTZ, TIMESTAMP_NTZ
from nunatak.warehouse.rewrite.context import RewriteContext, call, typed

SERVER_VERSION = "10.20.0"
"""What CURRENT_VERSION() answers; clients compare the major version."""
REGION = "LOCAL"


def _current_schemas(context: RewriteContext) -> str:
    session = context.session
    found = [f"{session.database}.{session.schema}"] if session.database and session.schema else []
    return json.dumps(found)


def _secondary_roles(context: RewriteContext) -> str:
    session = context.session
    value = "ALL" if session.more_roles is None else ",".join(session.more_roles)
    return json.dumps({"roles": ",".join(sorted(session.secondary)), "value": value})


def _last_statement(context: RewriteContext) -> str | None:
    return context.session.queries[-1] if context.session.queries else None


_TEXTS: dict[type[exp.Expr], Callable[[RewriteContext], str | None]] = {
    exp.CurrentDatabase: lambda context: context.session.database,
    exp.CurrentSchema: lambda context: context.session.schema,
    exp.CurrentSchemas: _current_schemas,
    exp.CurrentWarehouse: lambda context: context.session.warehouse,
    exp.CurrentRole: lambda context: context.session.role,
    exp.CurrentUser: lambda context: context.session.user,
    exp.CurrentAccount: lambda context: context.session.account,
    exp.CurrentAccountName: lambda context: context.session.account,
    exp.CurrentOrganizationName: lambda context: context.session.account,
    exp.CurrentSession: lambda context: str(context.session.id),
    exp.CurrentVersion: lambda _: SERVER_VERSION,
    exp.CurrentRegion: lambda _: REGION,
    exp.CurrentStatement: lambda context: context.query_text,
    exp.CurrentTransaction: lambda _: None,
    exp.CurrentClient: lambda _: None,
    exp.CurrentIpAddress: lambda _: None,
    exp.CurrentAvailableRoles: lambda context: json.dumps([context.session.role]),
    exp.CurrentSecondaryRoles: _secondary_roles,
}
SESSION_FUNCTIONS = tuple(_TEXTS)
NAMED: dict[str, Callable[[RewriteContext], str | None]] = {
    "LAST_QUERY_ID": _last_statement,
    "CURRENT_ORGANIZATION_USER": lambda context: context.session.user,
}


def session_function(node: exp.Expr, context: RewriteContext) -> exp.Expr:
    """The session's value as a literal."""
    return text(_TEXTS[type(node)](context))


def text(value: str | None) -> exp.Expr:
    """A text literal, or NULL of type text."""
    if value is None:
        null = exp.Cast(this=exp.Null(), to=exp.DataType.build("VARCHAR", dialect="duckdb"))
        return typed(null, TEXT)
    return typed(exp.Literal.string(value), TEXT)


def current_timestamp(node: exp.CurrentTimestamp, _context: RewriteContext) -> exp.Expr:
    """CURRENT_TIMESTAMP() and SYSDATE(), which is in UTC without a zone."""
    if node.args.get("sysdate"):
        now = exp.AtTimeZone(this=call("now"), zone=exp.Literal.string("UTC"))
        return typed(now, TIMESTAMP_NTZ)
    return typed(call("now"), TIMESTAMP_LTZ)


def current_date(_node: exp.CurrentDate, _context: RewriteContext) -> exp.Expr:
    """Today in the session's zone; as a call, which no column of that name can hide."""
    return typed(call("today"), DATE)


def current_time(_node: exp.CurrentTime, _context: RewriteContext) -> exp.Expr:
    """The time of day in the session's zone, without a zone."""
    to = exp.DataType.build("TIME", dialect="duckdb")
    return typed(exp.Cast(this=exp.CurrentTime(), to=to), TIME)
