"""The SQL front end over real parts in a folder of its own, without services and models."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from argon2 import PasswordHasher

from nunatak.access.credentials.passwords import Passwords
from nunatak.access.service import Access
from nunatak.audit.log import AuditLog
from nunatak.catalog.engine import Database
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.disk import Disk
from nunatak.objects.databases import Databases, Schemas
from nunatak.objects.functions import Functions
from nunatak.objects.granting.granting import Granting
from nunatak.objects.network import IntegrationObjects, NetworkRuleObjects
from nunatak.objects.places import Places
from nunatak.objects.repositories import ImageRepositories
from nunatak.objects.roles import RoleAccounts
from nunatak.objects.secrets import SecretObjects
from nunatak.objects.sequences import Sequences
from nunatak.objects.tags import Tags
from nunatak.objects.users import UserAccounts
from nunatak.objects.warehouses import Warehouses
from nunatak.protocol.queries import Query, QueryRegistry, QueryStatus
from nunatak.services.calling.addresses import Addresses
from nunatak.services.calling.routes import Routes
from nunatak.services.commands.repository_images import RepositoryImages
from nunatak.services.model.vault import Vault
from nunatak.services.watching.monitor import Monitor, ShownServices
from nunatak.sql.frontend import FrontEnd
from nunatak.sql.language.functions import functions_in_queries
from nunatak.sql.language.injection import Injector
from nunatak.stages.records import FileFormatRecords, StageRecords
from nunatak.stages.service import Stages
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field, Result, Transfer
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.warehouse import Warehouse
from support.granting import AnyHeir
from support.parts import Parts, injector_of
from support.places import let_use

ADMIN, ANALYST = "ACCOUNTADMIN", "ANALYST"


class Front:
    """A server's parts as far as ordinary SQL needs them, with an administrator's session."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=home)
        catalog = Catalog(Database.open(settings.catalog_file))
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        access = Access(catalog.database, settings, passwords=Passwords(hasher))
        for role in (ADMIN, ANALYST):
            access.roles.create(role, owner=ADMIN)
        access.users.create("ADA", owner=ADMIN)
        access.roles.grant(ADMIN, grantee_kind="USER", grantee="ADA", by="")
        self.queries = QueryRegistry(entries=100, most_unfinished=100, most_of_user=100)
        stages = Stages(catalog, access, settings)
        hooks = Hooks(stages=stages)
        models = SimpleNamespace(check_droppable_within=lambda *_, **__: None)
        warehouse = Warehouse(settings, hooks=hooks, memory_limit_bytes=256 * 1024**2)
        objects = SimpleNamespace(
            plain=Objects(catalog),
            places=Places(catalog, access),
            databases=Databases(catalog, warehouse, models, settings),
            schemas=Schemas(catalog, warehouse, models, settings),
            sequences=Sequences(catalog, warehouse),
            warehouses=Warehouses(catalog),
            tags=Tags(catalog),
            users=UserAccounts(access, settings),
            roles=RoleAccounts(catalog, access),
            granting=Granting(access, AnyHeir()),
            images=RepositoryImages(catalog),
            stages=StageRecords(catalog),
            file_formats=FileFormatRecords(catalog),
            functions=Functions(catalog, routes=cast("Routes", None), refresh=lambda: None),
            network_rules=NetworkRuleObjects(catalog),
            integrations=IntegrationObjects(catalog),
            secrets=SecretObjects(catalog, Vault(settings.folder("keys"))),
            repositories=ImageRepositories(catalog, Addresses(settings)),
        )
        parts = SimpleNamespace(
            settings=settings,
            disk=Disk(home, reserve_bytes=0),
            catalog=catalog,
            access=access,
            stages=stages,
            objects=objects,
            warehouse=warehouse,
            queries=self.queries,
            audit=AuditLog(settings.folder("log"), most_bytes=1024**2, days=7, clock=access.clock),
            models=models,
            shown=ShownServices(catalog, cast("Monitor", None)),  # there are no services
        )
        self.parts = cast("Parts", parts)
        self.parts.warehouse.add_functions(functions_in_queries(self.injector))
        self.session = Session(id=7, user="ADA", role=ADMIN)
        with catalog.write() as tx:
            tx.create(Key("WAREHOUSE", "WH"), ADMIN)
        self.rows("CREATE DATABASE DB")
        let_use(access, "DB", "DB.PUBLIC")

    @property
    def injector(self) -> Injector:
        """What calls handlers with the services that they ask for."""
        return injector_of(self.parts)

    def request(
        self, text: str, *bound: str, parameters: Mapping[str, Any] | None = None
    ) -> StatementRequest:
        """A statement of the session, with texts bound to its markers and its own parameters."""
        return StatementRequest(
            session=self.session,
            statement=StatementText(text),
            query_id=str(uuid.uuid4()),
            bindings=[Binding("TEXT", value) for value in bound],
            parameters=parameters or {},
        )

    def run(self, text: str, *bound: str) -> Result | Transfer:
        """Run one statement."""
        return FrontEnd(self.injector).execute(self.request(text, *bound))

    def rows(
        self, text: str, *bound: str, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Run one statement and read its rows."""
        return self.answer(self.request(text, *bound, parameters=parameters))

    def answer(self, request: StatementRequest) -> list[dict[str, Any]]:
        """Run a request and read its rows."""
        result = FrontEnd(self.injector).execute(request)
        assert isinstance(result, Result)
        return [row for batch in result.batches for row in batch.to_pylist()]

    def value(self, text: str, *bound: str) -> Any:
        """The first cell."""
        return next(iter(self.rows(text, *bound)[0].values()))

    def names(self, text: str) -> list[str]:
        """The column `name` of a SHOW command."""
        return [row["name"] for row in self.rows(text)]

    def running(self, query_id: str, *, session_id: int = 7, **more: Any) -> Query:
        """A statement that runs, of the front's session unless told otherwise."""
        given = {"user": self.session.user, "text": "", "request_id": "", "started_on": 0.0, **more}
        query = Query(id=query_id, session_id=session_id, **given)
        query.become(QueryStatus.RUNNING)
        self.queries.add(query)
        return query

    def describe(self, text: str) -> tuple[Field, ...]:
        """The columns, without running."""
        return FrontEnd(self.injector).describe(self.request(text)).fields

    def close(self) -> None:
        """End the session and release everything."""
        FrontEnd(self.injector).end_session(self.session)
        self.parts.warehouse.close()
        self.parts.catalog.close()
