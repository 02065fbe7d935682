"""Commands to services: every one writes desired state and returns."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.store import Catalog, Key
from nunatak.errors import InvalidArgument, ObjectNotFound, ServiceUnavailable
from nunatak.services.commands.create import Creator, alterable
from nunatak.services.commands.deploy import Deployments
from nunatak.services.commands.desired import (
    bury,
    cancel,
    rolls,
    service_record,
    services_on,
    want,
)
from nunatak.services.documents.deployment import DeploymentOrder
from nunatak.services.documents.specification import ContainerSpec
from nunatak.services.model.changes import Changes
from nunatak.services.model.integrations import check_integrations
from nunatak.services.model.snapshot import read_service
from nunatak.services.model.spec import ServiceSpec, is_build
from nunatak.services.model.states import BUILDS


class ServiceCommands:
    """The commands that change what is wanted; safe to use from many threads."""

    def __init__(
        self, catalog: Catalog, changes: Changes, *, creator: Creator, deployments: Deployments
    ) -> None:
        self._catalog = catalog
        self._changes = changes
        self._creator = creator
        self._deployments = deployments

    def create(
        self,
        key: Key,
        container: ContainerSpec,
        *,
        pool: str,
        owner: str,
        values: Mapping[str, Any],
        comment: str = "",
    ) -> None:
        """Create a service from a specification (`Creator.create`)."""
        self._creator.create(key, container, pool=pool, owner=owner, values=values, comment=comment)

    def alter(self, key: Key, container: ContainerSpec) -> None:
        """Give a service another specification (`Creator.alter`)."""
        self._creator.alter(key, container)

    def check_alterable(self, key: Key) -> None:
        """Raises ObjectNotFound, or InvalidArgument unless the specification of a service is its
        owner's own."""
        with self._catalog.read() as tx:
            alterable(tx, key)

    def deploy(
        self, order: DeploymentOrder, *, query_id: str, owner: str, cancelled: threading.Event
    ) -> str:
        """Deploy a model version and wait until it runs (`Deployments.deploy`)."""
        return self._deployments.deploy(order, query_id=query_id, owner=owner, cancelled=cancelled)

    def announce(self) -> None:
        """Tell the reconcilers that a statement has changed what they look at."""
        self._changes.announce()

    def suspend(self, key: Key, *, by: str = "") -> None:
        """Ask a service to stop its instances; `by` says in words who does.

        Raises ObjectNotFound, InvalidArgument.
        """
        self.change(key, {"suspended": True, "suspended_by": by})

    def resume(self, key: Key) -> None:
        """Ask a service to start again, and its pool with it."""
        with self._catalog.write() as tx:
            record = service_record(tx, key)
            want(tx, record)
        self._changes.announce()

    def change(self, key: Key, changes: Mapping[str, Any], *, comment: str | None = None) -> None:
        """Change properties of a service by their names in ServiceSpec."""
        with self._catalog.write() as tx:
            record = service_record(tx, key)
            before = ServiceSpec.read(record.spec)
            check_integrations(tx, changes.get("integrations", ()))
            after = replace(before, **changes)
            spec = replace(after, revision=before.revision + rolls(before, after))
            tx.update(record, spec=spec.document(), comment=comment)
        self._changes.announce()

    def drop(self, key: Key) -> None:
        """Remove a service or a build; its name is free at once."""
        with self._catalog.write() as tx:
            bury(tx, tx.get(key))
        self._changes.announce()

    def cancel(self, key: Key) -> None:
        """Ask a job to stop; raises InvalidArgument for a service that is no job."""
        with self._catalog.write() as tx:
            record = tx.get(key)
            if not is_build(record.spec):
                raise InvalidArgument(
                    f"Service {key.title} is not a job: use ALTER or DROP SERVICE."
                )
            if not BUILDS.is_final(BUILDS.of(record)):
                cancel(tx, record)
        self._changes.announce()

    def stop_all(self, pool: str, *, types: Collection[str] = ()) -> None:
        """Drop every service on a pool, its name is free at once, and cancel its jobs; only those
        of some types, if any are given."""
        with self._catalog.write() as tx:
            for record in services_on(tx, pool):
                if types and read_service(record).spec.type not in types:
                    continue
                if is_build(record.spec):
                    cancel(tx, record)
                else:
                    bury(tx, record)
        self._changes.announce()

    def wake(self, service_id: int) -> None:
        """A call needs a service that sleeps; raises ServiceUnavailable, ObjectNotFound."""
        with self._catalog.write() as tx:
            record = tx.by_id(service_id)
            spec = None if record is None else ServiceSpec.read(record.spec)
            if record is None or spec is None or spec.dropped:
                raise ObjectNotFound("Service", str(service_id), hint="It was dropped.")
            if spec.suspended and not spec.auto_resume:
                raise ServiceUnavailable(
                    f"Service {record.key.title} is suspended and AUTO_RESUME is off: "
                    f"ALTER SERVICE {record.key.title} RESUME."
                )
            want(tx, record)
        self._changes.announce()
