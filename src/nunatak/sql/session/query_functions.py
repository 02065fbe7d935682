"""Functions on running statements: cancel one or all of a session, end a session, wait."""

from __future__ import annotations

from typing import Any

from nunatak.access.privileges.declared import CheckedInside, Nothing
from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.access.privileges.roles import USER
from nunatak.access.service import Access
from nunatak.catalog.names import quoted
from nunatak.errors import InvalidArgument, ObjectNotFound, QueryCancelled
from nunatak.sql.language.functions import system_function
from nunatak.sql.language.queries import QueryControl
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.cancel import waiting

_UNITS_S = {
    "MILLISECONDS": 0.001,
    "SECONDS": 1.0,
    "MINUTES": 60.0,
    "HOURS": 3600.0,
    "DAYS": 86400.0,
}
WAIT_LIMIT_S = 48 * 3600.0
_ID_DIGITS = 18
_STOPS = (
    CheckedInside(
        why="it is known then whose it is; one's own needs nothing",
        privileges=(
            "OWNERSHIP of the user whose it is",
            "for a statement OPERATE on its warehouse instead",
        ),
    ),
)


def _may_stop(context: Context, access: Access, user: str, *, warehouse: str | None = None) -> bool:
    """Whether the role may stop what a user does, also by its warehouse where it has one."""
    asked = [Requirement(OWNERSHIP, USER, quoted(user))]
    if warehouse is not None:
        asked.append(Requirement("OPERATE", "WAREHOUSE", quoted(warehouse)))
    return any(access.allows(context.session.in_force, requirement) for requirement in asked)


@system_function("SYSTEM$CANCEL_QUERY", needs=_STOPS)
def cancel_query(
    context: Context, arguments: list[Any], queries: QueryControl, access: Access
) -> str:
    """SYSTEM$CANCEL_QUERY('<query id>')."""
    query_id = str(_only(arguments, "SYSTEM$CANCEL_QUERY", "a query id"))
    found = queries.find(query_id)
    if found is None or not (
        context.session.is_of_user(found.user, found.started_on)
        or _may_stop(context, access, found.user, warehouse=found.warehouse)
    ):
        raise ObjectNotFound("Statement", query_id)
    if queries.cancel_where(lambda query: query.id == query_id):
        return f"query [{query_id}] terminated."
    return f"Identified SQL statement is not currently executing: [{query_id}]"


@system_function("SYSTEM$CANCEL_ALL_QUERIES", needs=_STOPS)
def cancel_all_queries(
    context: Context, arguments: list[Any], queries: QueryControl, access: Access
) -> str:
    """SYSTEM$CANCEL_ALL_QUERIES(<session id>); one's own statement goes on."""
    session_id = _session(context, arguments, "SYSTEM$CANCEL_ALL_QUERIES", access)
    count = queries.cancel_where(
        lambda query: query.session_id == session_id, spare=context.query_id
    )
    return f"{count} cancelled."


@system_function("SYSTEM$ABORT_SESSION", needs=_STOPS)
def abort_session(
    context: Context, arguments: list[Any], queries: QueryControl, access: Access
) -> str:
    """SYSTEM$ABORT_SESSION(<session id>): its statements stop and its tokens open nothing."""
    session_id = _session(context, arguments, "SYSTEM$ABORT_SESSION", access)
    access.sessions.close(session_id)
    queries.cancel_where(lambda query: query.session_id == session_id, spare=context.query_id)
    return f"session [{session_id}] terminated."


def _session(context: Context, arguments: list[Any], function: str, access: Access) -> int:
    """The session that is named; raises ObjectNotFound also for one that one may not stop."""
    wanted = str(_only(arguments, function, "a session id"))
    if wanted == str(context.session.id):
        return context.session.id
    is_number = wanted.isascii() and wanted.isdigit() and len(wanted) <= _ID_DIGITS
    found = access.sessions.get(int(wanted)) if is_number else None
    if found is None or not (
        context.session.is_of_user(found.user, found.created_on)
        or _may_stop(context, access, found.user)
    ):
        raise ObjectNotFound("Session", wanted)
    return found.id


@system_function("SYSTEM$WAIT", needs=(Nothing(why="waiting touches no object"),))
def wait(context: Context, arguments: list[Any]) -> str:
    """SYSTEM$WAIT(amount [, unit]); ends early when the statement is cancelled."""
    amount = arguments[0] if arguments else None
    unit = str(arguments[1]).upper() if len(arguments) > 1 else "SECONDS"
    if not isinstance(amount, int | float) or unit not in _UNITS_S:
        raise InvalidArgument(f"SYSTEM$WAIT needs a number and one of {', '.join(_UNITS_S)}.")
    seconds = amount * _UNITS_S[unit]
    if not 0 <= seconds <= WAIT_LIMIT_S:
        raise InvalidArgument(f"SYSTEM$WAIT waits 0 to {WAIT_LIMIT_S:.0f} seconds.")
    with waiting(context.cancelled):
        is_cancelled = context.cancelled.wait(seconds)
    if is_cancelled:
        raise QueryCancelled("SQL execution canceled")
    return f"waited {amount} {unit.lower()}"


def _only(arguments: list[Any], function: str, what: str) -> Any:
    if len(arguments) != 1 or arguments[0] is None:
        raise InvalidArgument(f"{function} needs one argument: {what}.")
    return arguments[0]
