"""The rows of SHOW and DESCRIBE for services, their containers, instances and endpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.catalog.store import Record
from nunatak.services.calling.addresses import Addresses
from nunatak.services.documents.specification import specification_digest, specification_text
from nunatak.services.model.instances import MOMENTS
from nunatak.services.model.snapshot import Build, Instance, Service, Snapshot, read_service
from nunatak.services.model.spec import (
    BUILD_CONTAINER,
    CONTAINER,
    PORT,
    ServiceSpec,
    ServiceType,
    is_build,
)
from nunatak.services.model.states import BuildState
from nunatak.sql.language.show import flag, moment
from nunatak.warehouse.core.results import Field

SERVICE_FIELDS = (
    Field("name"),
    Field("status"),
    Field("database_name"),
    Field("schema_name"),
    Field("owner"),
    Field("compute_pool"),
    Field("dns_name"),
    Field("current_instances", NUMBER),
    Field("target_instances", NUMBER),
    Field("min_ready_instances", NUMBER),
    Field("min_instances", NUMBER),
    Field("max_instances", NUMBER),
    Field("auto_resume"),
    Field("external_access_integrations"),
    Field("created_on", TIMESTAMP_LTZ),
    Field("updated_on", TIMESTAMP_LTZ),
    Field("resumed_on", TIMESTAMP_LTZ),
    Field("suspended_on", TIMESTAMP_LTZ),
    Field("auto_suspend_secs", NUMBER),
    Field("comment"),
    Field("owner_role_type"),
    Field("query_warehouse"),
    Field("is_job"),
    Field("is_async_job"),
    Field("spec_digest"),
    Field("is_upgrading"),
    Field("managing_object_domain"),
    Field("managing_object_name"),
)
_POOL_COLUMN = 6
DESCRIBE_FIELDS = (
    *SERVICE_FIELDS[:_POOL_COLUMN],
    Field("spec"),
    *SERVICE_FIELDS[_POOL_COLUMN:],
    Field("message"),
)
CONTAINER_FIELDS = (
    Field("database_name"),
    Field("schema_name"),
    Field("service_name"),
    Field("service_status"),
    Field("instance_id"),
    Field("instance_status"),
    Field("container_name"),
    Field("status"),
    Field("message"),
    Field("image_name"),
    Field("image_digest"),
    Field("restart_count", NUMBER),
    Field("start_time", TIMESTAMP_LTZ),
    Field("last_exit_code", NUMBER),
    Field("last_restart_time", TIMESTAMP_LTZ),
)
INSTANCE_FIELDS = (
    Field("database_name"),
    Field("schema_name"),
    Field("service_name"),
    Field("service_status"),
    Field("instance_id"),
    Field("status"),
    Field("spec_digest"),
    Field("creation_time", TIMESTAMP_LTZ),
    Field("start_time", TIMESTAMP_LTZ),
    Field("ip_address"),
    Field("start_parts"),
)
ENDPOINT_FIELDS = (
    Field("name"),
    Field("port", NUMBER),
    Field("port_range"),
    Field("protocol"),
    Field("is_public"),
    Field("ingress_url"),
)
ROLE_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("service_name"),
    Field("owner"),
    Field("comment"),
)
_CLIENT_WORDS = {BuildState.CANCELLING: "RUNNING", BuildState.CANCELLED: "FAILED"}
"""Words that clients take among the states of containers, for those that they do not know."""
_BUILD_INSTANCE = {
    BuildState.PENDING: ("PENDING", "PENDING"),
    BuildState.RUNNING: ("READY", "READY"),
    BuildState.CANCELLING: ("TERMINATING", "TERMINATING"),
    BuildState.DONE: ("SUCCEEDED", "DONE"),
    BuildState.FAILED: ("FAILED", "FAILED"),
    BuildState.CANCELLED: ("FAILED", "FAILED"),
}
"""Instance and container states of a build job, by the job's state."""


def service_row(record: Record, snapshot: Snapshot) -> list[Any]:
    """A row of SHOW SERVICES."""
    return _build_row(Build(record)) if is_build(record.spec) else _row(Service(record), snapshot)


def describe_row(record: Record, snapshot: Snapshot, *, shows_spec: bool) -> list[Any]:
    """The row of DESCRIBE SERVICE; the specification is only for the owner."""
    row = service_row(record, snapshot)
    text = None
    if shows_spec and not is_build(record.spec):
        text = service_document(Service(record))
    message = read_service(record).message
    return [*row[:_POOL_COLUMN], text, *row[_POOL_COLUMN:], message]


def service_document(service: Service) -> str:
    """The specification of a service as YAML."""
    return specification_text(service.spec, digest=service.digest)


def _row(service: Service, snapshot: Snapshot) -> list[Any]:
    record, spec = service.record, service.spec
    instances = snapshot.instances_of(service)
    upgrading = any(item.spec.revision != spec.revision for item in instances)
    is_inference = spec.type is ServiceType.INFERENCE
    return [
        *_identity(record, str(service.state), spec.pool),
        sum(item.alive for item in instances),
        service.status.target_instances,
        spec.min_ready_instances,
        spec.min_instances,
        spec.max_instances,
        flag(spec.auto_resume),
        _names(spec.integrations),
        moment(record.created_on),
        moment(record.updated_on),
        moment(service.status.resumed_on),
        moment(service.status.suspended_on),
        spec.auto_suspend_s,
        record.comment or None,
        "ROLE",
        spec.query_warehouse,
        "false",
        "false",
        specification_digest(service_document(service)),
        flag(upgrading),
        "MODEL" if is_inference else None,
        str(spec.model.model) if is_inference else None,
    ]


def _build_row(build: Build) -> list[Any]:
    record = build.record
    running = build.state in (BuildState.RUNNING, BuildState.CANCELLING)
    return [
        *_identity(record, str(build.state), build.spec.pool),
        int(running),
        1,
        1,
        1,
        1,
        "true",
        _names(build.spec.integrations),
        moment(record.created_on),
        moment(record.updated_on),
        None,
        None,
        0,
        record.comment or None,
        "ROLE",
        None,
        "true",
        "true",
        None,
        "false",
        "MODEL",
        str(build.spec.model.model),
    ]


def _identity(record: Record, state: str, pool: str) -> list[Any]:
    key = record.key
    dns_name = Addresses.dns_name(record.qualified)
    return [record.name, state, key.database, key.schema, record.owner, pool, dns_name]


def _names(names: Sequence[str]) -> str | None:
    return f"[{', '.join(names)}]" if names else None


def container_rows(record: Record, snapshot: Snapshot) -> list[list[Any]]:
    """The rows of SHOW SERVICE CONTAINERS: at least one, with NULLs when there is no instance."""
    if is_build(record.spec):
        return [_build_container(Build(record))]
    service = Service(record)
    start = [*_place(record), str(service.state)]
    rows = [[*start, *_container(item, service)] for item in snapshot.instances_of(service)]
    return rows or [[*start, None, None, None, None, service.message, *[None] * 6]]


def _place(record: Record) -> list[Any]:
    return [record.key.database, record.key.schema, record.name]


def _container(item: Instance, service: Service) -> list[Any]:
    status, digest = item.status, service.digest
    return [
        item.record.name,
        str(status.state),
        CONTAINER,
        str(status.state),
        status.message,
        f"model-inference@sha256:{digest}" if digest else None,
        f"sha256:{digest}" if digest else None,
        status.restarts,
        moment(status.started_at),
        status.last_exit_code,
        moment(status.restarted_at),
    ]


def _build_container(build: Build) -> list[Any]:
    record = build.record
    instance, container = _BUILD_INSTANCE[build.state]
    word = _CLIENT_WORDS.get(build.state, str(build.state))
    started = None if build.state is BuildState.PENDING else moment(record.created_on)
    return [
        *_place(record),
        word,
        "0",
        instance,
        BUILD_CONTAINER,
        container,
        build.message,
        BUILD_CONTAINER,
        None,
        0,
        started,
        None,
        None,
    ]


def instance_rows(record: Record, snapshot: Snapshot) -> list[list[Any]]:
    """The rows of SHOW SERVICE INSTANCES."""
    if is_build(record.spec):
        build = Build(record)
        status = _BUILD_INSTANCE[build.state][0]
        created = moment(record.created_on)
        return [
            [*_place(record), str(build.state), "0", status, None, created, created, None, None]
        ]
    service = Service(record)
    digest = specification_digest(service_document(service))
    start = [*_place(record), str(service.state)]
    rows = [
        [
            *start,
            item.record.name,
            str(item.status.state),
            digest,
            moment(item.record.created_on),
            moment(item.status.started_at),
            None,
            start_parts(item),
        ]
        for item in snapshot.instances_of(service)
    ]
    return rows or [[*start, *[None] * 7]]


def start_parts(item: Instance) -> str | None:
    """Parts of an instance's latest start, as JSON: seconds since it was asked for, by part.

    `parked` tells that its model was in memory already; then there is no `loaded`. None for an
    instance of which nothing is known.
    """
    moments = item.status.moments
    asked_at = moments.get("asked")
    if asked_at is None:
        return None
    later = [name for name in MOMENTS if moments.get(name, 0.0) > asked_at]
    parts = {name: round(moments[name] - asked_at, 3) for name in later}
    return json.dumps({"parked": item.status.parked, **parts})


def endpoint_rows(spec: ServiceSpec, addresses: Addresses) -> list[list[Any]]:
    """The rows of SHOW ENDPOINTS."""
    url = addresses.ingress_url(spec.endpoint_id) if spec.public else None
    return [[spec.endpoint, PORT, None, "HTTP", flag(spec.public), url]]


def status_entries(record: Record, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Entries that SYSTEM$GET_SERVICE_STATUS answers: one entry for each container."""
    entries = []
    starts = {} if is_build(record.spec) else _starts(Service(record), snapshot)
    for row in container_rows(record, snapshot):
        values = dict(zip((column.name for column in CONTAINER_FIELDS), row, strict=True))
        started = values["start_time"]
        entries.append(
            {
                "status": values["status"] or values["service_status"],
                "message": values["message"],
                "containerName": values["container_name"] or CONTAINER,
                "instanceId": values["instance_id"] or "0",
                "serviceName": values["service_name"],
                "image": values["image_name"],
                "restartCount": values["restart_count"] or 0,
                "startTime": started.isoformat() if started else "",
                **starts.get(values["instance_id"], {}),
            }
        )
    return entries


def _starts(service: Service, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Facts about the start of each instance, by its number."""
    found = {item.record.name: start_parts(item) for item in snapshot.instances_of(service)}
    return {name: {"startParts": json.loads(text)} for name, text in found.items() if text}
