"""Functions on running statements: cancel one or all of a session, wait."""

from __future__ import annotations

from typing import Any

from nunatak.access.privileges.declared import Nothing
from nunatak.errors import InvalidArgument, QueryCancelled
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
_OWN = (Nothing(why="only statements of the session's user are cancelled"),)


@system_function("SYSTEM$CANCEL_QUERY", needs=_OWN)
def cancel_query(context: Context, arguments: list[Any], queries: QueryControl) -> str:
    """SYSTEM$CANCEL_QUERY('<query id>')."""
    query_id = str(_only(arguments, "SYSTEM$CANCEL_QUERY", "a query id"))
    if queries.cancel(query_id, user=context.session.user):
        return f"query [{query_id}] terminated."
    return f"Identified SQL statement is not currently executing: [{query_id}]"


@system_function("SYSTEM$CANCEL_ALL_QUERIES", needs=_OWN)
def cancel_all_queries(context: Context, arguments: list[Any], queries: QueryControl) -> str:
    """SYSTEM$CANCEL_ALL_QUERIES(<session id>); one's own statement goes on."""
    wanted = _only(arguments, "SYSTEM$CANCEL_ALL_QUERIES", "a session id")
    if str(wanted) != str(context.session.id):
        raise InvalidArgument(f"Session {wanted} is not yours: cancel statements of your own.")
    control = queries
    count = control.cancel_session(context.session.id, spare=context.query_id)
    return f"{count} cancelled."


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
