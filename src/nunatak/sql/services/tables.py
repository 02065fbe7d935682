"""TABLE(service!SPCS_GET_LOGS()), …_EVENTS() and …_METRICS(): what a service says and counts.

Where there is no service of the name, it is the model's whose default version the warehouse runs.
All take START_TIME and END_TIME, by default the last day up to now.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nunatak.access.privileges.declared import OnTargets, Target
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.sqltypes import NUMBER, OBJECT, TEXT, TIMESTAMP_NTZ
from nunatak.catalog.store import Event, Key, Record
from nunatak.models.versions import MODEL
from nunatak.services.model.snapshot import Instance
from nunatak.services.model.spec import (
    BUILD_CONTAINER,
    CONTAINER,
    KIND,
    is_build,
)
from nunatak.services.watching.exposition import Key as SampleKey
from nunatak.services.watching.log_lines import moment_of, stamped
from nunatak.services.watching.logs import Logs
from nunatak.services.watching.metrics import CPU, MEMORY, ServiceReadings
from nunatak.services.watching.monitor import Monitor
from nunatak.sql.language.functions import service_table
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import moment
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.results import Field, Result, rows_result

DAY_S = 24 * 3600.0
EVENTS_LIMIT = 1000
"""Of each object, the newest."""
LOG_FIELDS = (
    Field("TIMESTAMP", TIMESTAMP_NTZ),
    Field("INSTANCE_ID", NUMBER),
    Field("CONTAINER_NAME", TEXT),
    Field("LOG", TEXT),
    Field("RECORD_ATTRIBUTES", OBJECT),
)
EVENT_FIELDS = (
    Field("TIMESTAMP", TIMESTAMP_NTZ),
    Field("SEVERITY", TEXT),
    Field("EVENT_NAME", TEXT),
    Field("EVENT_DETAILS", OBJECT),
    Field("INSTANCE_ID", NUMBER),
    Field("CONTAINER_NAME", TEXT),
    Field("RECORD", OBJECT),
    Field("RECORD_ATTRIBUTES", OBJECT),
)
METRIC_FIELDS = (
    Field("TIMESTAMP", TIMESTAMP_NTZ),
    Field("METRIC_NAME", TEXT),
    Field("VALUE", TEXT),
    Field("UNIT", TEXT),
    Field("INSTANCE_ID", NUMBER),
    Field("CONTAINER_NAME", TEXT),
    Field("RESOURCE", TEXT),
    Field("RECORD", OBJECT),
    Field("RECORD_ATTRIBUTES", OBJECT),
)
_UNITS = (("_bytes", "bytes"), ("_seconds", "s"), ("_seconds_sum", "s"), ("_seconds_total", "s"))
Row = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _TableCall:
    """A call: of what, and from when to when, in seconds since the epoch."""

    key: Key
    start: float
    end: float


def _key(
    name: Sequence[str], context: Context, access: Access, monitor: Monitor, objects: Objects
) -> Key:
    """The record of a service; else that of a model in the warehouse, for who may watch it."""
    key, model = (key_of(kind, tuple(name), context.session) for kind in (KIND, MODEL))
    needed = Requirement("MONITOR", MODEL, model.title)
    if objects.find(key) is not None:
        return key
    loaded = monitor.loaded(model)
    if loaded is None or not access.allows(context.session.in_force, needed):
        return key
    return loaded


def _watched(
    arguments: Sequence[Any], context: Context, access: Access, monitor: Monitor, objects: Objects
) -> Sequence[Target]:
    """The service, or the model."""
    return [_owned(_key(arguments[0], context, access, monitor, objects), arguments[0], context)]


def _owned(key: Key, name: Sequence[str], context: Context) -> Target:
    """The object whose privileges guard a record: a service, or a model in the warehouse."""
    guarding = key if key.kind == KIND else key_of(MODEL, tuple(name), context.session)
    return Target(guarding.kind, guarding.title)


_MONITOR = (OnTargets("MONITOR", _watched, "the service, or the model in the warehouse"),)


def _look(
    context: Context, arguments: Sequence[Any], access: Access, monitor: Monitor, objects: Objects
) -> _TableCall:
    name, given = arguments
    first, last = given.get("START_TIME"), given.get("END_TIME")
    key = _key(name, context, access, monitor, objects)
    # what is read is what was asked about, also when a service has taken the name since
    needed = Requirement("MONITOR", *_owned(key, name, context))
    access.require(needed, role=context.session.in_force)
    return _TableCall(
        key=key,
        start=access.clock() - DAY_S if first is None else first.timestamp(),
        end=math.inf if last is None else last.timestamp(),
    )


def _answer(fields: Sequence[Field], rows: Iterator[Row], look: _TableCall) -> Result:
    found = sorted(rows, key=lambda row: (row[0] is not None, row[0]))
    return rows_result(fields, [row for row in found if _is_within(row, look)])


@service_table("SPCS_GET_LOGS", needs=_MONITOR)
def logs(context: Context, arguments: Sequence[Any], injector: Injector, kept: Logs) -> Result:
    """The lines that are kept."""
    look = injector.call(_look, context, arguments)
    return _answer(LOG_FIELDS, _log_rows(look, kept), look)


@service_table("SPCS_GET_EVENTS", needs=_MONITOR)
def events(
    context: Context, arguments: Sequence[Any], injector: Injector, monitor: Monitor
) -> Result:
    """The changes of state."""
    look = injector.call(_look, context, arguments)
    return _answer(EVENT_FIELDS, _event_rows(look, monitor), look)


@service_table("SPCS_GET_METRICS", needs=_MONITOR)
def metrics(
    context: Context,
    arguments: Sequence[Any],
    injector: Injector,
    monitor: Monitor,
    objects: Objects,
) -> Result:
    """The values now."""
    look = injector.call(_look, context, arguments)
    record = objects.get(look.key)
    rows = _metric_rows(record, monitor, _at(injector.get(Access).clock()))
    return _answer(METRIC_FIELDS, rows, look)


def _is_within(row: Row, look: _TableCall) -> bool:
    at: datetime | None = row[0]
    return at is None or look.start <= at.replace(tzinfo=UTC).timestamp() <= look.end


def _at(seconds: float) -> datetime:
    found = moment(seconds)
    assert found is not None, "a moment was given"
    return found.replace(tzinfo=None)


def _log_rows(look: _TableCall, kept: Logs) -> Iterator[Row]:
    """Every line that is kept, of the processes now and of those before them."""
    for instance, container, text in kept.read_all(look.key):
        for line, (stamp, _) in zip(text.splitlines(), stamped(text), strict=True):
            at = moment_of(stamp).replace(tzinfo=None) if stamp else None
            yield [at, int(instance), container, line, json.dumps({"log.iostream": "stdout"})]


def _event_rows(look: _TableCall, monitor: Monitor) -> Iterator[Row]:
    """Changes of state of the service or job, and of the instances that it has."""
    found = monitor.events(look.key, newest=EVENTS_LIMIT)
    (record, own), *instances = found
    container = BUILD_CONTAINER if is_build(record.spec) else CONTAINER
    yield from (_event_row("SERVICE.STATUS_CHANGE", event, None, None) for event in own)
    for item, events in instances:
        for event in events:
            yield _event_row("CONTAINER.STATUS_CHANGE", event, int(item.name), container)


def _event_row(name: str, event: Event, instance: int | None, container: str | None) -> Row:
    severity = "ERROR" if event.new == "FAILED" else "INFO"
    details = {"status": event.new, "message": event.reason, "previous_status": event.old or None}
    return [
        _at(event.at),
        severity,
        name,
        json.dumps(details),
        instance,
        container,
        json.dumps({"name": name, "severity_text": severity}),
        json.dumps({"actor": event.actor}),
    ]


def _metric_rows(record: Record, monitor: Monitor, now: datetime) -> Iterator[Row]:
    """The values now: of each running instance, and without an instance of the whole service."""
    readings = monitor.count()
    for item in monitor.snapshot().instances:
        if item.service_id == record.id:
            yield from _state_rows(item, now)
    found = readings.get(record.id)
    if found is not None:
        yield from _counted_rows(found, now)


def _state_rows(item: Instance, now: datetime) -> Iterator[Row]:
    number = int(item.record.name)
    yield _metric_row(now, "container.restarts", item.status.restarts, "count", number)
    state = f"container.state.{str(item.status.state).lower()}"
    yield _metric_row(now, state, 1, "count", number)


def _counted_rows(found: ServiceReadings, now: datetime) -> Iterator[Row]:
    for reading in found.running.values():
        number, page = int(reading.instance), reading.page
        at = _at(reading.at)
        yield _metric_row(at, "container.cpu.usage", reading.cpu_cores, "cpu", number)
        memory = page.samples.get((MEMORY.name, ()), 0.0)
        yield _metric_row(at, "container.memory.usage", memory, "bytes", number)
        for key, value in page.samples.items():
            yield _sample_row(at, key, value, number)
    for key, value in found.totals().items():
        if key[0] not in (CPU.name, MEMORY.name) or found.running:
            yield _sample_row(now, key, value, None)


def _sample_row(at: datetime, key: SampleKey, value: float, instance: int | None) -> Row:
    name, labels = key
    unit = next((unit for ending, unit in _UNITS if name.endswith(ending)), "count")
    return _metric_row(at, name, value, unit, instance, dict(labels))


def _metric_row(
    at: datetime,
    name: str,
    value: float,
    unit: str,
    instance: int | None,
    labels: Mapping[str, str] | None = None,
) -> Row:
    return [
        at,
        name,
        f"{value:.10g}",
        unit,
        instance,
        None if instance is None else CONTAINER,
        None,
        json.dumps({"metric": {"name": name, "unit": unit}}),
        json.dumps(labels or {}),
    ]
