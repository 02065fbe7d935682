"""All parts of a server, and users who act on each other's objects, each with a role of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from nunatak.models.registry import Models
from nunatak.objects.databases import Databases, Schemas
from nunatak.objects.sequences import Sequences
from nunatak.objects.table_guard import CatalogTableGuard
from nunatak.services.commands.platforms import where_runnable
from nunatak.services.model.usage import ServiceUsage
from nunatak.sql.frontend import FrontEnd
from nunatak.sql.language.injection import Injector
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result, Transfer
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.warehouse import Warehouse
from support.parts import Parts, injector_of
from support.places import let_use
from support.plane import World, open_world

ADMIN, OWNER, OTHER, PUBLIC = "ACCOUNTADMIN", "OWNER", "OTHER", "PUBLIC"
"""OWNER owns what a test is about; OTHER has what the test grants; PUBLIC has nothing."""


@dataclass
class Realm:
    """The parts, and a session for each role in DB.S."""

    world: World
    parts: Parts
    _sessions: dict[str, Session] = field(default_factory=dict)

    @property
    def injector(self) -> Injector:
        """What calls handlers with the services that they ask for."""
        return injector_of(self.parts)

    def session(self, role: str) -> Session:
        """The session of a user who has that role only."""
        if role not in self._sessions:
            number, user, access = 10 + len(self._sessions), f"{role}_USER", self.parts.access
            access.users.create(user, owner=ADMIN)
            access.roles.grant(role, grantee_kind="USER", grantee=user, by="")
            made = Session(id=number, user=user, role=role, database="DB", schema="S")
            self._sessions[role] = made
        return self._sessions[role]

    def run(self, role: str, text: str) -> Result | Transfer:
        """Run one statement with a role."""
        request = StatementRequest(
            session=self.session(role), statement=StatementText(text), query_id=str(uuid.uuid4())
        )
        return FrontEnd(self.injector).execute(request)

    def rows(self, role: str, text: str) -> list[dict[str, Any]]:
        """Run one statement with a role and read its rows."""
        result = self.run(role, text)
        assert isinstance(result, Result)
        return [row for batch in result.batches for row in batch.to_pylist()]

    def grant(self, privilege: str, kind: str, title: str, *, to: str = OTHER) -> None:
        """Give a role a privilege."""
        self.parts.access.grants.grant([privilege], kind, title, role=to, by=ADMIN)

    def let_use(self, *places: str, role: str = PUBLIC) -> None:
        """Give a role, or everybody, the use of databases and schemas."""
        let_use(self.parts.access, *places, role=role)

    def close(self) -> None:
        """End the sessions and release the warehouse."""
        for session in self._sessions.values():
            FrontEnd(self.injector).end_session(session)
        self.parts.warehouse.close()


@contextmanager
def open_realm(folder: Path) -> Iterator[Realm]:
    """A realm whose DB and DB.S belong to the administrator; everybody may use them."""
    with open_world(folder) as world:
        base, settings, catalog = world.parts, world.settings, world.catalog
        access = base.access
        for role in (OWNER, OTHER):
            access.roles.create(role, owner=ADMIN)
        hooks = Hooks(
            stages=base.stages,
            guard=CatalogTableGuard(catalog, access, settings),
        )
        warehouse = Warehouse(settings, hooks=hooks, memory_limit_bytes=256 * 1024**2)
        warehouse.create_database("DB")
        warehouse.create_schema("DB", "S")
        models = Models(
            catalog,
            settings.folder("models"),
            usage=ServiceUsage(),
            where_runnable=where_runnable,
        )
        parts = SimpleNamespace(
            settings=settings,
            disk=base.disk,
            catalog=catalog,
            access=access,
            stages=base.stages,
            objects=replace(
                base.objects,
                databases=Databases(catalog, warehouse, models.dropper, settings),
                schemas=Schemas(catalog, warehouse, models.dropper, settings),
                sequences=Sequences(catalog, warehouse),
            ),
            control=base.control,
            services=base.services,
            creator=base.creator,
            deployments=base.deployments,
            monitor=base.monitor,
            shown=base.shown,
            logs=base.logs,
            inputs=base.inputs,
            routes=base.routes,
            addresses=base.addresses,
            families=base.families,
            machine=base.machine,
            warehouse=warehouse,
            models=models,
        )
        realm = Realm(world, cast("Parts", parts))
        realm.let_use("DB", "DB.S")
        yield realm
        realm.close()
