"""SYSTEM$ functions about services: logs, status, waiting, cancelling, names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import SCHEMA, Needs
from nunatak.catalog.names import QualifiedName, split_name
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument
from nunatak.services.calling.addresses import dns_hash
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.model.spec import KIND
from nunatak.services.watching.log_lines import moment_of
from nunatak.services.watching.logs import LINES_LIMIT, Logs
from nunatak.services.watching.monitor import Monitor
from nunatak.sql.language.functions import service_method, system_function
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.statement import Context
from nunatak.sql.services.rows import status_entries

WAIT_LIMIT_S = 24 * 3600
_STATUSES = ("RUNNING", "DONE", "SUSPENDED", "FAILED", "CANCELLED")
_MONITOR = (Needs("MONITOR", KIND, of=0),)
_OPERATE = (Needs("OPERATE", KIND, of=0),)


@system_function("SYSTEM$GET_SERVICE_LOGS", needs=_MONITOR, takes=(3, 7))
def get_service_logs(context: Context, arguments: list[Any], logs: Logs) -> str:
    """SYSTEM$GET_SERVICE_LOGS(service, instance, container [, lines [, previous [, since [, with
    timestamps]]]])."""
    key = _key(context, arguments[0])
    given, previous, since, with_times = [*arguments[3:], None, None, None, None][:4]
    lines = None if given is None else _number(given, "number of lines", most=LINES_LIMIT)
    return logs.read(
        key,
        instance=str(arguments[1]),
        container=str(arguments[2]),
        lines=lines,
        previous=previous is not None and _flag(previous, "previous logs"),
        since=moment_of(str(since)) if since else None,
        with_times=None if with_times is None else _flag(with_times, "include timestamps"),
    )


@system_function("SYSTEM$GET_SERVICE_STATUS", needs=_MONITOR, takes=(1, 2))
def get_service_status(
    context: Context, arguments: list[Any], monitor: Monitor, objects: Objects
) -> str:
    """SYSTEM$GET_SERVICE_STATUS(service [, timeout_s]): JSON, after waiting for a settled state
    for as long as the timeout says."""
    key = _key(context, arguments[0])
    if len(arguments) == 2:
        _wait(context, [key], _number(arguments[1], "timeout"), monitor)
    record = objects.get(key)
    return json.dumps(status_entries(record, monitor.snapshot()))


@system_function(
    "SYSTEM$WAIT_FOR_SERVICES", needs=(Needs("MONITOR", KIND, of=1, each=True),), takes=(2, 100)
)
def wait_for_services(context: Context, arguments: list[Any], monitor: Monitor) -> str:
    """SYSTEM$WAIT_FOR_SERVICES(timeout_s, service, …): until none is pending any more."""
    timeout_s = _number(arguments[0], "timeout")
    keys = [_key(context, name) for name in arguments[1:]]
    if _wait(context, keys, timeout_s, monitor):
        return "All services are in a settled state."
    return f"Timed out after {timeout_s} s: some services are still pending."


@system_function("SYSTEM$CANCEL_JOB", needs=_OPERATE, takes=(1, 1))
@service_method("SPCS_CANCEL_JOB", needs=_OPERATE, takes=(1, 1))
def cancel_job(context: Context, arguments: list[Any], commands: ServiceCommands) -> str:
    """SYSTEM$CANCEL_JOB(job): ask a job service to stop."""
    key = _key(context, arguments[0])
    commands.cancel(key)
    return f"Job {key.title} is being cancelled."


@system_function("SYSTEM$GET_SERVICE_DNS_DOMAIN", needs=(Needs(ANY, SCHEMA, of=0),), takes=(1, 1))
def get_service_dns_domain(context: Context, arguments: list[Any]) -> str:
    """SYSTEM$GET_SERVICE_DNS_DOMAIN('schema'): where the schema's services are named inside."""
    parts = split_name(arguments[0])
    name = QualifiedName.of((*parts, "X"), database=context.session.database, schema=None)
    return f"{dns_hash(name)}.svc.spcs.internal"


def _key(context: Context, name: str) -> Key:
    """The key of a service by its written name."""
    return key_of(KIND, split_name(name), context.session)


def _wait(context: Context, keys: Sequence[Key], timeout_s: int, monitor: Monitor) -> bool:
    """Whether all settled in time; raises ObjectNotFound, QueryCancelled."""
    return monitor.wait_settled(keys, cancelled=context.cancelled, timeout_s=timeout_s)


def _flag(value: object, what: str) -> bool:
    text = str(value).upper()
    if text not in ("TRUE", "FALSE"):
        raise InvalidArgument(f"The argument '{what}' must be TRUE or FALSE, not '{value}'.")
    return text == "TRUE"


def _number(value: object, what: str, *, most: int = WAIT_LIMIT_S) -> int:
    text = str(value)
    if not text.isdigit() or int(text) > most:
        raise InvalidArgument(
            f"The {what} must be a whole number between 0 and {most}, not '{value}'."
        )
    return int(text)


@service_method("SPCS_WAIT_FOR", needs=_MONITOR, takes=(3, 3))
def wait_for(context: Context, arguments: list[Any], monitor: Monitor) -> str:
    """service!SPCS_WAIT_FOR(status, timeout_s): the status in the end, which is another one when
    the time is over, or when the service or job has come to its end otherwise."""
    key = _key(context, arguments[0])
    wanted, timeout_s = str(arguments[1]).upper(), _number(arguments[2], "timeout")
    if wanted not in _STATUSES:
        raise InvalidArgument(f"SPCS_WAIT_FOR waits for one of {', '.join(_STATUSES)}.")
    return monitor.wait_for_status(key, wanted, cancelled=context.cancelled, timeout_s=timeout_s)
