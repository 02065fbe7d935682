"""Services: ALTER, DROP, DESCRIBE and SHOW, with their containers, instances and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import AppliesTags, Case, Given, Needs, OneOf
from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Key, Record
from nunatak.errors import ObjectNotFound, Unsupported
from nunatak.objects.places import Places
from nunatak.services.calling.addresses import Addresses
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.documents.autocapture import unsupported
from nunatak.services.model.integrations import INTEGRATION
from nunatak.services.model.snapshot import Service, read_service
from nunatak.services.model.spec import KIND, SERVICE_ROLES, ServiceSpec, ServiceType, is_build
from nunatak.services.watching.monitor import Monitor
from nunatak.sql.language.family.statements import visible
from nunatak.sql.language.family.table import DONE, unset_values
from nunatak.sql.language.family.tags import AlterTags, tag_change
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import (
    SHOWN_WHERE_ALLOWED,
    ShowClauses,
    ShowScope,
    moment,
    scope_in,
    show_clauses,
    show_result,
)
from nunatak.sql.language.statement import STATUS_FIELDS, Context, Modifiers, grammar, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer, names_in_parentheses
from nunatak.sql.services.rows import (
    CONTAINER_FIELDS,
    DESCRIBE_FIELDS,
    ENDPOINT_FIELDS,
    INSTANCE_FIELDS,
    ROLE_FIELDS,
    SERVICE_FIELDS,
    container_rows,
    describe_row,
    endpoint_rows,
    instance_rows,
    service_row,
)
from nunatak.sql.services.specifications import (
    IMAGE_AND_ENDPOINTS,
    AlterSpecification,
    specification,
)
from nunatak.sql.services.workloads import workload_type
from nunatak.sql.storage.stage_files import reads_file
from nunatak.warehouse.core.results import Field, Result, status_result


def service_key_of(context: Context, parts: tuple[str, ...]) -> Key:
    """The key of a service as written, completed from the session."""
    return key_of(KIND, parts, context.session)


def account_names(cursor: TokenCursor) -> tuple[str, ...]:
    """`(a, b)`: names without dots."""
    names = names_in_parentheses(cursor)
    if any(len(parts) != 1 for parts in names):
        cursor.fail("expected names without dots")
    return tuple(parts[0] for parts in names)


_AUTOCAPTURE = "AUTOCAPTURE"


def _level(cursor: TokenCursor) -> str:
    return cursor.string().upper() if cursor.at_string() else cursor.identifier()


def _autocapture(cursor: TokenCursor) -> None:
    """It can be switched off, which it is; raises Unsupported."""
    if boolean(cursor):
        raise unsupported()


SETTABLE = {
    "MIN_INSTANCES": integer,
    "MAX_INSTANCES": integer,
    "MIN_READY_INSTANCES": integer,
    "AUTO_SUSPEND_SECS": integer,
    "AUTO_RESUME": boolean,
    "LOG_LEVEL": _level,
    "QUERY_WAREHOUSE": TokenCursor.identifier,
    "EXTERNAL_ACCESS_INTEGRATIONS": account_names,
    "COMMENT": TokenCursor.string,
    _AUTOCAPTURE: _autocapture,
}
_UNSET = {
    "MIN_INSTANCES": 1,
    "MAX_INSTANCES": 1,
    "MIN_READY_INSTANCES": 1,
    "AUTO_SUSPEND_SECS": 0,
    "AUTO_RESUME": True,
    "LOG_LEVEL": "INFO",
    "QUERY_WAREHOUSE": None,
    "EXTERNAL_ACCESS_INTEGRATIONS": (),
    _AUTOCAPTURE: None,
}
_IN_SPEC = {
    "AUTO_SUSPEND_SECS": "auto_suspend_s",
    "EXTERNAL_ACCESS_INTEGRATIONS": "integrations",
}


def spec_values(values: dict[str, Any]) -> dict[str, Any]:
    """Properties by their names in ServiceSpec."""
    return {
        _IN_SPEC.get(name, name.lower()): value
        for name, value in values.items()
        if name not in ("COMMENT", _AUTOCAPTURE)
    }


@dataclass(frozen=True, kw_only=True)
class AlterService:
    """ALTER SERVICE [IF EXISTS] s SUSPEND | RESUME | SET … | UNSET …"""

    name: tuple[str, ...]
    if_exists: bool
    action: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, commands: ServiceCommands, objects: Objects) -> Result:
        """Write what is wanted now."""
        key = service_key_of(context, self.name)
        if self.if_exists and objects.find(key) is None:
            return status_result(DONE)
        match self.action:
            case "SUSPEND":
                session = context.session
                commands.suspend(key, by=f"by {session.user} (role {session.role})")
            case "RESUME":
                commands.resume(key)
            case _:
                commands.change(key, spec_values(self.values), comment=self.values.get("COMMENT"))
        return status_result(DONE)


_ALTERATIONS = (
    Case(
        AlterService,
        "to suspend, resume or change it",
        (
            Needs("OPERATE", KIND, when=Given("action", "to suspend and resume")),
            Needs(OWNERSHIP, KIND, when=Given("action", "to change", is_given=False)),
            Needs("USAGE", INTEGRATION, of="values.EXTERNAL_ACCESS_INTEGRATIONS", each=True),
        ),
    ),
    Case(
        AlterSpecification,
        "with another specification",
        (Needs(OWNERSHIP, KIND), reads_file("specification.file"), IMAGE_AND_ENDPOINTS),
    ),
    Case(AlterTags, "with other tags", (Needs(OWNERSHIP, KIND), AppliesTags())),
)


@grammar("ALTER SERVICE", needs=(OneOf(_ALTERATIONS),))
def alter_service(
    cursor: TokenCursor, _: Modifiers
) -> AlterService | AlterSpecification | AlterTags:
    """Parse ALTER SERVICE."""
    if_exists = cursor.accept("IF", "EXISTS")
    name = cursor.name()
    if cursor.accept("RESTORE", "VOLUME"):
        raise Unsupported("Unsupported feature 'RESTORE VOLUME': no service here has volumes.")
    if (tags := tag_change(cursor)) is not None:
        return AlterTags(kind=KIND, name=name, if_exists=if_exists, tags=tags)
    if action := cursor.accept_any("SUSPEND", "RESUME"):
        return AlterService(name=name, if_exists=if_exists, action=action)
    if cursor.accept("UNSET"):
        return AlterService(name=name, if_exists=if_exists, values=unset_values(cursor, _UNSET))
    if cursor.at("FROM"):
        return AlterSpecification(
            name=name, if_exists=if_exists, specification=specification(cursor)
        )
    cursor.accept("SET")  # the vendor's pages leave it out, too
    values = properties(cursor, SETTABLE)
    if not values:
        cursor.fail("expected SUSPEND, RESUME, FROM, UNSET, or a property to set")
    return AlterService(name=name, if_exists=if_exists, values=values)


@dataclass(frozen=True, kw_only=True)
class DropService:
    """DROP SERVICE [IF EXISTS] s [FORCE]."""

    name: tuple[str, ...]
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, commands: ServiceCommands) -> Result:
        """Remove it; its name is free at once, its instances end in the background."""
        key = service_key_of(context, self.name)
        try:
            commands.drop(key)
        except ObjectNotFound:
            if not self.if_exists:
                raise
            text = f"Drop statement executed successfully ({key.name} already dropped)."
            return status_result(text)
        return status_result(f"{key.name} successfully dropped.")


@grammar("DROP SERVICE", needs=(Needs(OWNERSHIP, KIND),))
def drop_service(cursor: TokenCursor, _: Modifiers) -> DropService:
    """Parse DROP SERVICE. FORCE speaks of block storage, which no service here has."""
    if_exists = cursor.accept("IF", "EXISTS")
    name = cursor.name()
    cursor.accept("FORCE")
    return DropService(name=name, if_exists=if_exists)


def find_service(context: Context, parts: tuple[str, ...], objects: Objects) -> Record:
    """A service or job by its written name; raises ObjectNotFound."""
    return objects.get(service_key_of(context, parts))


@dataclass(frozen=True, kw_only=True)
class DescribeService:
    """DESCRIBE SERVICE s."""

    name: tuple[str, ...]
    fields: tuple[Field, ...] = DESCRIBE_FIELDS

    def run(self, context: Context, access: Access, monitor: Monitor, objects: Objects) -> Result:
        """One row."""
        record = find_service(context, self.name, objects)
        owned = Requirement(OWNERSHIP, record.key.kind, record.key.title)
        shows_spec = access.allows(context.session.role, owned)
        row = describe_row(record, monitor.snapshot(), shows_spec=shows_spec)
        return show_result(self.fields, [[*row[:-1], _with_notes(record, row[-1], monitor)]])


def _with_notes(record: Record, message: str, monitor: Monitor) -> str:
    """A service's message, with what of its integrations and secrets does not hold now."""
    if is_build(record.spec):
        return message
    return "\n".join([message, *monitor.notes(Service(record))])


@grammar("DESCRIBE SERVICE", needs=(Needs(ANY, KIND),))
def describe_service(cursor: TokenCursor, _: Modifiers) -> DescribeService:
    """Parse DESCRIBE SERVICE."""
    return DescribeService(name=cursor.name())


@dataclass(frozen=True, kw_only=True)
class ShowServices:
    """SHOW [JOB] SERVICES [EXCLUDE JOBS] [LIKE …] [IN …] …; `jobs` None shows both kinds."""

    clauses: ShowClauses
    jobs: bool | None
    of_type: ServiceType | None = None
    fields: tuple[Field, ...] = SERVICE_FIELDS

    def run(self, context: Context, access: Access, monitor: Monitor, places: Places) -> Result:
        """One row for each service that the role has a privilege on."""
        scope, pool = self._scope(context, places)
        snapshot = monitor.snapshot()
        records = snapshot.shown_services
        wanted = [record for record in records if self._is_wanted(record, scope, pool)]
        ordered = sorted(wanted, key=lambda record: record.name)
        chosen = self.clauses.select(visible(context, ordered, access), lambda record: record.name)
        return show_result(self.fields, [service_row(record, snapshot) for record in chosen])

    def _scope(self, context: Context, places: Places) -> tuple[ShowScope, str | None]:
        if self.clauses.within and self.clauses.within[0] == "COMPUTE POOL":
            pool = self.clauses.within[1][-1]
            places.require(Key("COMPUTE_POOL", pool))
            return ShowScope(), pool
        return scope_in(context, self.clauses, places), None

    def _is_wanted(self, record: Record, scope: ShowScope, pool: str | None) -> bool:
        spec, is_job = read_service(record).spec, is_build(record.spec)
        return (
            not spec.dropped
            and self.jobs in (None, is_job)
            and scope.database in (None, record.key.database)
            and scope.schema in (None, record.key.schema)
            and pool in (None, spec.pool)
            and self.of_type in (None, spec.type)
        )


_SCOPES = ("ACCOUNT", "DATABASE", "COMPUTE POOL", "SCHEMA")


@grammar("SHOW SERVICES", needs=SHOWN_WHERE_ALLOWED)
def show_services(cursor: TokenCursor, _: Modifiers) -> ShowServices:
    """Parse SHOW SERVICES."""
    jobs = False if cursor.accept("EXCLUDE", "JOBS") else None
    clauses = show_clauses(cursor, scopes=_SCOPES)
    of_type = workload_type(cursor) if cursor.accept("OF", "TYPE") else None
    return ShowServices(clauses=clauses, jobs=jobs, of_type=of_type)


@grammar("SHOW JOB SERVICES", needs=SHOWN_WHERE_ALLOWED)
def show_job_services(cursor: TokenCursor, _: Modifiers) -> ShowServices:
    """Parse SHOW JOB SERVICES."""
    return ShowServices(clauses=show_clauses(cursor, scopes=_SCOPES), jobs=True)


Rows = Callable[..., Sequence[Sequence[Any]]]
"""Rows of a part of a service, from its record and the services that the signature asks for."""


@dataclass(frozen=True, kw_only=True)
class ShowInService:
    """SHOW SERVICE CONTAINERS | SERVICE INSTANCES | ENDPOINTS IN SERVICE s."""

    name: tuple[str, ...]
    fields: tuple[Field, ...]
    rows: Rows

    def run(self, context: Context, injector: Injector, objects: Objects) -> Result:
        """The rows of that part."""
        record = find_service(context, self.name, objects)
        return show_result(self.fields, injector.call(self.rows, record))


def _containers(record: Record, monitor: Monitor) -> Sequence[Sequence[Any]]:
    return container_rows(record, monitor.snapshot())


@grammar("SHOW SERVICE CONTAINERS IN SERVICE", needs=(Needs("MONITOR", KIND),))
def show_containers(cursor: TokenCursor, _: Modifiers) -> ShowInService:
    """Parse SHOW SERVICE CONTAINERS IN SERVICE."""
    return ShowInService(
        name=cursor.name(),
        fields=CONTAINER_FIELDS,
        rows=_containers,
    )


def _instances(record: Record, monitor: Monitor) -> Sequence[Sequence[Any]]:
    return instance_rows(record, monitor.snapshot())


@grammar("SHOW SERVICE INSTANCES IN SERVICE", needs=(Needs("MONITOR", KIND),))
def show_instances(cursor: TokenCursor, _: Modifiers) -> ShowInService:
    """Parse SHOW SERVICE INSTANCES IN SERVICE."""
    return ShowInService(
        name=cursor.name(),
        fields=INSTANCE_FIELDS,
        rows=_instances,
    )


def _endpoints(record: Record, addresses: Addresses) -> Sequence[Sequence[Any]]:
    if is_build(record.spec):
        return []
    return endpoint_rows(ServiceSpec.read(record.spec), addresses)


@grammar("SHOW ENDPOINTS IN SERVICE", needs=(Needs(ANY, KIND),))
def show_endpoints(cursor: TokenCursor, _: Modifiers) -> ShowInService:
    """Parse SHOW ENDPOINTS IN SERVICE."""
    return ShowInService(name=cursor.name(), fields=ENDPOINT_FIELDS, rows=_endpoints)


def _roles(record: Record) -> Sequence[Sequence[Any]]:
    created = moment(record.created_on)
    roles = {} if is_build(record.spec) else SERVICE_ROLES
    return [[created, name, record.name, record.owner, text] for name, text in roles.items()]


@grammar("SHOW ROLES IN SERVICE", needs=(Needs(ANY, KIND),))
def show_roles(cursor: TokenCursor, _: Modifiers) -> ShowInService:
    """Parse SHOW ROLES IN SERVICE."""
    return ShowInService(name=cursor.name(), fields=ROLE_FIELDS, rows=_roles)
