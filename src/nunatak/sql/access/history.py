"""LOGIN_HISTORY and QUERY_HISTORY: what was recorded, as everybody may see of it.

Everybody sees what they did themselves. Logins of others need MONITOR SECURITY on the account;
statements of others MONITOR or OPERATE on the warehouse that they used, or MONITOR USAGE on the
account. The table functions go back seven days, the views as far as records are kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from nunatak.access.privileges.declared import ACCOUNT, Nothing, Rules
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.audit.events import LOGIN, moment, verb
from nunatak.audit.log import AuditLog, RecordStream
from nunatak.catalog.names import parse_identifier
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument
from nunatak.sql.language.functions import table_function
from nunatak.sql.language.queries import QueryControl
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.results import Field, Result, rows_result
from nunatak.warehouse.core.session import Session

Record = Mapping[str, Any]
MOST_READ = 1_000_000
"""Records that one question goes through, from the newest on."""
_DAYS = 7
_LEAST_ROWS, _DEFAULT_ROWS, _MOST_ROWS = 1, 100, 10_000
_WRONG_PASSWORD = "Incorrect username or password"  # noqa: S105  the text of an error
LOGIN_FIELDS = (
    Field("EVENT_TIMESTAMP", TIMESTAMP_LTZ),
    Field("EVENT_ID", NUMBER),
    *map(Field, ("EVENT_TYPE", "USER_NAME", "CLIENT_IP", "REPORTED_CLIENT_TYPE")),
    *map(Field, ("REPORTED_CLIENT_VERSION", "FIRST_AUTHENTICATION_FACTOR")),
    *map(Field, ("SECOND_AUTHENTICATION_FACTOR", "IS_SUCCESS")),
    Field("ERROR_CODE", NUMBER),
    Field("ERROR_MESSAGE"),
    Field("RELATED_EVENT_ID", NUMBER),
    Field("CONNECTION"),
)
QUERY_FIELDS = (
    *map(Field, ("QUERY_ID", "QUERY_TEXT", "DATABASE_NAME", "SCHEMA_NAME", "QUERY_TYPE")),
    Field("SESSION_ID", NUMBER),
    *map(Field, ("USER_NAME", "ROLE_NAME", "WAREHOUSE_NAME", "WAREHOUSE_SIZE", "WAREHOUSE_TYPE")),
    Field("CLUSTER_NUMBER", NUMBER),
    *map(Field, ("QUERY_TAG", "EXECUTION_STATUS", "ERROR_CODE", "ERROR_MESSAGE")),
    Field("START_TIME", TIMESTAMP_LTZ),
    Field("END_TIME", TIMESTAMP_LTZ),
    Field("TOTAL_ELAPSED_TIME", NUMBER),
    Field("BYTES_SCANNED", NUMBER),
    Field("ROWS_PRODUCED", NUMBER),
    Field("COMPILATION_TIME", NUMBER),
    Field("EXECUTION_TIME", NUMBER),
)
_OWN: Rules = (
    Nothing(why="one's own; those of others need MONITOR or OPERATE on their warehouse"),
)
_OWN_LOGINS: Rules = (
    Nothing(why="one's own; those of others need MONITOR SECURITY on the account"),
)


def login_row(record: Record) -> list[Any]:
    """A row of LOGIN_HISTORY."""
    at = moment(record["time"])
    message = record["message"]
    if message is not None and message.startswith(_WRONG_PASSWORD):
        message = "INCORRECT_USERNAME_PASSWORD"
    return [
        at,
        int(at.timestamp() * 1000),
        LOGIN,
        record["user"],
        record["address"],
        record["client"],
        record["client_version"],
        record["factor"],
        None,
        "YES" if record["success"] else "NO",
        None if record["code"] is None else int(record["code"]),
        message,
        0,
        None,
    ]


def query_row(record: Record) -> list[Any]:
    """A row of QUERY_HISTORY."""
    started, ended = moment(record["started"]), moment(record["time"])
    is_running = record["status"] in ("RUNNING", "QUEUED")
    took_ms = max(0, int((ended - started).total_seconds() * 1000))
    kind = verb(record["text"])
    return [
        record["query"],
        record["text"],
        record["database"],
        record["schema"],
        "SELECT" if kind == "WITH" else kind,
        record["session"],
        record["user"],
        record["role"],
        record["warehouse"],
        *[None] * 4,
        "FAILED_WITH_ERROR" if record["status"] == "ABORTED" else record["status"],
        record["code"],
        record["message"],
        started,
        None if is_running else ended,
        took_ms,
        *[None] * 3,
        took_ms,
    ]


def logins(audit: AuditLog) -> Iterator[Record]:
    """Recorded logins, the newest first."""
    records = audit.newest_first(RecordStream.ACCESS, most=MOST_READ)
    return (record for record in records if record["event"] == LOGIN)


def statements(audit: AuditLog) -> Iterator[Record]:
    """Recorded statements, the newest first."""
    return audit.newest_first(RecordStream.STATEMENTS, most=MOST_READ)


@table_function("LOGIN_HISTORY", needs=_OWN_LOGINS)
def login_history(
    context: Context, arguments: Sequence[Any], access: Access, audit: AuditLog
) -> Result:
    """LOGIN_HISTORY([TIME_RANGE_START =>, TIME_RANGE_END =>, RESULT_LIMIT =>])."""
    return _logins(context.session, _given(arguments, "TIME_RANGE"), access, audit, user=None)


@table_function("LOGIN_HISTORY_BY_USER", needs=_OWN_LOGINS)
def login_history_by_user(
    context: Context, arguments: Sequence[Any], access: Access, audit: AuditLog
) -> Result:
    """LOGIN_HISTORY_BY_USER([USER_NAME =>, …])."""
    given = _given(arguments, "TIME_RANGE", "USER_NAME")
    user = _name(given, "USER_NAME", context.session.user)
    return _logins(context.session, given, access, audit, user=user)


@table_function("QUERY_HISTORY", needs=_OWN)
def query_history(
    context: Context,
    arguments: Sequence[Any],
    access: Access,
    audit: AuditLog,
    queries: QueryControl,
) -> Result:
    """QUERY_HISTORY([END_TIME_RANGE_START =>, END_TIME_RANGE_END =>, RESULT_LIMIT =>])."""
    given = _given(arguments, "END_TIME_RANGE")
    return _queries(context, given, access, _recorded(audit, queries, given))


@table_function("QUERY_HISTORY_BY_SESSION", needs=_OWN)
def query_history_by_session(
    context: Context,
    arguments: Sequence[Any],
    access: Access,
    audit: AuditLog,
    queries: QueryControl,
) -> Result:
    """QUERY_HISTORY_BY_SESSION([SESSION_ID =>, …])."""
    given = _given(arguments, "END_TIME_RANGE", "SESSION_ID")
    wanted = str(given.get("SESSION_ID") or context.session.id).removesuffix(".0")
    found = _recorded(audit, queries, given)
    return _queries(context, given, access, (r for r in found if str(r["session"]) == wanted))


@table_function("QUERY_HISTORY_BY_USER", needs=_OWN)
def query_history_by_user(
    context: Context,
    arguments: Sequence[Any],
    access: Access,
    audit: AuditLog,
    queries: QueryControl,
) -> Result:
    """QUERY_HISTORY_BY_USER([USER_NAME =>, …])."""
    given = _given(arguments, "END_TIME_RANGE", "USER_NAME")
    user = _name(given, "USER_NAME", context.session.user)
    found = _recorded(audit, queries, given)
    return _queries(context, given, access, (r for r in found if r["user"] == user))


@table_function("QUERY_HISTORY_BY_WAREHOUSE", needs=_OWN)
def query_history_by_warehouse(
    context: Context,
    arguments: Sequence[Any],
    access: Access,
    audit: AuditLog,
    queries: QueryControl,
) -> Result:
    """QUERY_HISTORY_BY_WAREHOUSE([WAREHOUSE_NAME =>, …])."""
    given = _given(arguments, "END_TIME_RANGE", "WAREHOUSE_NAME")
    name = _name(given, "WAREHOUSE_NAME", context.session.warehouse or "")
    found = _recorded(audit, queries, given)
    return _queries(context, given, access, (r for r in found if r["warehouse"] == name))


def _recorded(audit: AuditLog, queries: QueryControl, given: Mapping[str, Any]) -> Iterator[Record]:
    """Statements that run, unless only those are wanted that ended by a time, and all others."""
    running = () if given.get("END_TIME_RANGE_END") else queries.running()
    return chain(running, statements(audit))


def _logins(
    session: Session,
    given: Mapping[str, Any],
    access: Access,
    audit: AuditLog,
    *,
    user: str | None,
) -> Result:
    asked = Requirement("MONITOR SECURITY", ACCOUNT, session.account)
    sees_all = access.allows(session.in_force, asked)

    def is_seen(record: Record) -> bool:
        is_own = session.is_of_user(record["user"], moment(record["time"]).timestamp())
        return (is_own or sees_all) and user in (None, record["user"])

    found = _within(filter(is_seen, logins(audit)), given, "TIME_RANGE", access.clock())
    return rows_result(LOGIN_FIELDS, [login_row(record) for record in found])


def _queries(
    context: Context, given: Mapping[str, Any], access: Access, records: Iterable[Record]
) -> Result:
    seen = filter(_may_see(context.session, access), records)
    found = _within(seen, given, "END_TIME_RANGE", access.clock())
    return rows_result(QUERY_FIELDS, [query_row(record) for record in found])


def _may_see(session: Session, access: Access) -> Callable[[Record], bool]:
    """Whether the session's roles may see a statement."""
    role = session.in_force
    sees_all = access.allows(role, Requirement("MONITOR USAGE", ACCOUNT, session.account))
    watched: dict[str, bool] = {}

    def is_seen(record: Record) -> bool:
        if sees_all or session.is_of_user(record["user"], moment(record["time"]).timestamp()):
            return True
        name = record["warehouse"]
        if name is None:
            return False
        if name not in watched:
            title = Key("WAREHOUSE", name).title
            watched[name] = any(
                access.allows(role, Requirement(privilege, "WAREHOUSE", title))
                for privilege in ("MONITOR", "OPERATE")
            )
        return watched[name]

    return is_seen


def _within(
    records: Iterable[Record], given: Mapping[str, Any], name: str, now: float
) -> list[Record]:
    """Those of the time that is asked for, as many as are wanted. The newest come first, so that
    the first that is too old ends it."""
    oldest = dt.datetime.fromtimestamp(now, dt.UTC) - dt.timedelta(days=_DAYS)
    start, end = given.get(f"{name}_START"), given.get(f"{name}_END")
    if (start is not None and start < oldest) or (end is not None and end < oldest):
        raise InvalidArgument(f"{name}_START and {name}_END lie within the last {_DAYS} days.")
    first = oldest if start is None else start
    found: list[Record] = []
    limit = _limit(given)
    for record in records:
        at = moment(record["time"])
        if at < first and record.get("status") not in ("RUNNING", "QUEUED"):
            break
        if end is None or at <= end:
            found.append(record)
        if len(found) >= limit:
            break
    return found


def _limit(given: Mapping[str, Any]) -> int:
    limit = given.get("RESULT_LIMIT", _DEFAULT_ROWS)
    if not isinstance(limit, int | float) or not _LEAST_ROWS <= limit <= _MOST_ROWS:
        raise InvalidArgument(f"RESULT_LIMIT is a number from {_LEAST_ROWS} to {_MOST_ROWS}.")
    return int(limit)


def _given(arguments: Sequence[Any], times: str, *names: str) -> Mapping[str, Any]:
    """Arguments by name; raises InvalidArgument for others."""
    allowed = (*names, f"{times}_START", f"{times}_END", "RESULT_LIMIT")
    given = arguments[-1] if arguments else {}
    if not isinstance(given, Mapping) or len(arguments) > 1 or not set(given) <= set(allowed):
        raise InvalidArgument(f"Arguments are given by name: {' => …, '.join(allowed)} => ….")
    return given


def _name(given: Mapping[str, Any], argument: str, default: str) -> str:
    """A name that is given in quotes, as a name is written."""
    value = given.get(argument)
    return default if value is None else parse_identifier(str(value))
