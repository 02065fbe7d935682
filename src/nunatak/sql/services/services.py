"""Services: CREATE from a specification, ALTER, DROP, DESCRIBE and SHOW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nunatak.access.privileges.declared import AppliesTags, Creates, Needs
from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.access.service import Access
from nunatak.catalog.objects import Created, Objects
from nunatak.catalog.store import Key
from nunatak.compute.pools import KIND as POOL
from nunatak.objects.places import Places
from nunatak.objects.ruled import Listable
from nunatak.objects.tags import Tags
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.commands.create import Creator
from nunatak.services.documents.autocapture import unsupported
from nunatak.services.model.integrations import INTEGRATION
from nunatak.services.model.runtime_config import LiveSource
from nunatak.services.model.snapshot import Build
from nunatak.services.model.spec import KIND, ServiceType
from nunatak.services.watching.monitor import ShownService, ShownServices
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.family.statements import ShowObjects, register
from nunatak.sql.language.family.table import (
    COMMENT,
    SET,
    Action,
    Altered,
    KindFamily,
    unset_values,
)
from nunatak.sql.language.family.tags import (
    TagValues,
    properties_and_tags,
    tag_actions,
    tag_changes,
)
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import SHOWN_WHERE_ALLOWED, show_clauses
from nunatak.sql.language.statement import (
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer, names_in_parentheses
from nunatak.sql.services.rows import DESCRIBE_FIELDS, SERVICE_FIELDS, describe_row, service_row
from nunatak.sql.services.specifications import IMAGE_AND_ENDPOINTS, Specification, specification
from nunatak.sql.services.workloads import workload_type
from nunatak.sql.storage.stage_files import reads_file
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session


def _account_names(cursor: TokenCursor) -> tuple[str, ...]:
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


_PROPERTIES = {
    "MIN_INSTANCES": integer,
    "MAX_INSTANCES": integer,
    "MIN_READY_INSTANCES": integer,
    "AUTO_SUSPEND_SECS": integer,
    "AUTO_RESUME": boolean,
    "LOG_LEVEL": _level,
    "QUERY_WAREHOUSE": TokenCursor.identifier,
    "EXTERNAL_ACCESS_INTEGRATIONS": _account_names,
    COMMENT: TokenCursor.string,
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


def _spec_values(values: dict[str, Any]) -> dict[str, Any]:
    """Properties by their names in ServiceSpec."""
    return {
        _IN_SPEC.get(name, name.lower()): value
        for name, value in values.items()
        if name not in (COMMENT, _AUTOCAPTURE)
    }


_USES_INTEGRATIONS = Needs(
    "USAGE", INTEGRATION, of="values.EXTERNAL_ACCESS_INTEGRATIONS", each=True
)


@dataclass(frozen=True, kw_only=True)
class CreateService(Creation):
    """CREATE SERVICE [IF NOT EXISTS] s IN COMPUTE POOL p FROM … properties."""

    name: tuple[str, ...]
    pool: str
    specification: Specification
    values: dict[str, Any]
    tags: TagValues

    def run(
        self, context: Context, injector: Injector, creator: Creator, objects: Objects, tags: Tags
    ) -> Result:
        """Check the specification and write the service down."""
        session, key = context.session, key_of(KIND, self.name, context.session)
        if self.if_not_exists and objects.find(key) is not None:
            return created(Created(is_kept=True), "Service", key.name)
        carried = tags.carried(tag_changes(session, self.tags))
        creator.create(
            key,
            injector.call(self.specification.read, context),
            pool=self.pool,
            owner=session.role,
            values={**_spec_values(self.values), "tags": carried},
            comment=self.values.get(COMMENT, ""),
        )
        return created(Created(), "Service", key.name)


@creation(
    "SERVICE",
    needs=(
        AppliesTags(),
        Creates(KIND),
        Needs("USAGE", POOL, of="pool"),
        _USES_INTEGRATIONS,
        reads_file("specification.file"),
        IMAGE_AND_ENDPOINTS,
    ),
)
def create_service(cursor: TokenCursor, create: Modifiers) -> CreateService:
    """Parse CREATE SERVICE."""
    if create.or_replace:
        cursor.fail("OR REPLACE does not go with SERVICE")
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.name()
    cursor.expect("IN", "COMPUTE", "POOL")
    pool = cursor.identifier()
    cursor.expect("FROM")
    document = specification(cursor)
    values, tags = properties_and_tags(cursor, _PROPERTIES)
    return CreateService(
        name=name,
        if_not_exists=if_not_exists,
        pool=pool,
        specification=document,
        values=values,
        tags=tags,
    )


def _given(cursor: TokenCursor) -> dict[str, Any]:
    """The properties of ALTER, with or without SET before them: the vendor's pages have both."""
    values = properties(cursor, _PROPERTIES)
    if not values:
        cursor.fail("expected SUSPEND, RESUME, FROM, UNSET, or a property to set")
    return values


def _set(_: Context, altered: Altered, commands: ServiceCommands) -> None:
    values, comment = _spec_values(altered.values), altered.values.get(COMMENT)
    commands.change(altered.key, values, comment=comment, if_exists=altered.if_exists)


def _suspend(context: Context, altered: Altered, commands: ServiceCommands) -> None:
    by = f"by {context.session.user} (role {context.session.role})"
    commands.suspend(altered.key, by=by, if_exists=altered.if_exists)


def _resume(_: Context, altered: Altered, commands: ServiceCommands) -> None:
    commands.resume(altered.key, if_exists=altered.if_exists)


def _respecify(context: Context, altered: Altered, injector: Injector, creator: Creator) -> None:
    """Instances are replaced one by one."""
    if creator.alterable(altered.key, if_exists=altered.if_exists):
        creator.alter(altered.key, injector.call(altered.values.read, context))


def _drop(_: Context, altered: Altered, commands: ServiceCommands) -> bool:
    """Its name is free at once, its instances end in the background."""
    return commands.drop(altered.key, if_exists=altered.if_exists)


def _described(
    view: ShownService, session: Session, access: Access, inputs: LiveSource
) -> Sequence[Sequence[Any]]:
    """The specification is only for the owner; the message says what of the integrations and
    secrets does not hold now, too."""
    owned = Requirement(OWNERSHIP, KIND, view.key.title)
    shows_spec = access.allows(session.in_force, owned)
    row = describe_row(view.record, view.snapshot, shows_spec=shows_spec)
    notes = [] if isinstance(view.service, Build) else inputs.notes(view.service)
    return [[*row[:-1], "\n".join([row[-1], *notes])]]


_OWNS, _OPERATES = Needs(OWNERSHIP, KIND), Needs("OPERATE", KIND)
_SETS = Action(
    words=SET,
    does="to change it",
    needs=(_OWNS, _USES_INTEGRATIONS),
    act=_set,
    reads=_given,
)
SERVICES = KindFamily(
    kind=KIND,
    words="SERVICE",
    service=ShownServices,
    actions=(
        Action(words="SUSPEND", does="to suspend and resume it", needs=(_OPERATES,), act=_suspend),
        Action(words="RESUME", does="to suspend and resume it", needs=(_OPERATES,), act=_resume),
        _SETS,
        replace(_SETS, words="UNSET", reads=lambda cursor: unset_values(cursor, _UNSET)),
        Action(
            words="FROM",
            does="with another specification",
            needs=(_OWNS, reads_file("values.file"), IMAGE_AND_ENDPOINTS),
            act=_respecify,
            reads=specification,
        ),
        *tag_actions(_OWNS),
    ),
    implied=SET,
    refused={
        "RESTORE VOLUME": "Unsupported feature 'RESTORE VOLUME': no service here has volumes."
    },
    drops=_drop,
    drop_endings=("FORCE",),  # it speaks of block storage, which no service here has
    show_fields=SERVICE_FIELDS,
    show_row=lambda view, _: service_row(view.record, view.snapshot),
    describe_fields=DESCRIBE_FIELDS,
    describe_rows=_described,
)
register(SERVICES)


@dataclass(frozen=True, kw_only=True)
class ShowServices(ShowObjects):
    """SHOW [JOB] SERVICES [EXCLUDE JOBS] [LIKE …] [IN …] …; `jobs` None shows both kinds."""

    jobs: bool | None
    of_type: ServiceType | None = None

    def items(self, context: Context, service: Listable[Any], places: Places) -> Sequence[Any]:
        """The services and jobs in the scope, which may be a compute pool, of the wanted kinds."""
        kind, names = self.clauses.within or ("", ())
        if kind == "COMPUTE POOL":
            places.require(Key(POOL, names[-1]), role=context.session.in_force)
            found, pool = service.listed(), names[-1]
        else:
            found, pool = super().items(context, service, places), None
        return [
            view
            for view in found
            if self.jobs in (None, isinstance(view.service, Build))
            and self.of_type in (None, view.service.spec.type)
            and pool in (None, view.service.spec.pool)
        ]


_SCOPES = ("ACCOUNT", "DATABASE", "COMPUTE POOL", "SCHEMA")


@grammar("SHOW SERVICES", needs=SHOWN_WHERE_ALLOWED)
def show_services(cursor: TokenCursor, _: Modifiers) -> ShowServices:
    """Parse SHOW SERVICES."""
    jobs = False if cursor.accept("EXCLUDE", "JOBS") else None
    clauses = show_clauses(cursor, scopes=_SCOPES)
    of_type = workload_type(cursor) if cursor.accept("OF", "TYPE") else None
    return ShowServices(family=SERVICES, clauses=clauses, jobs=jobs, of_type=of_type)


@grammar("SHOW JOB SERVICES", needs=SHOWN_WHERE_ALLOWED)
def show_job_services(cursor: TokenCursor, _: Modifiers) -> ShowServices:
    """Parse SHOW JOB SERVICES."""
    clauses = show_clauses(cursor, scopes=_SCOPES)
    return ShowServices(family=SERVICES, clauses=clauses, jobs=True)
