"""Deploying a model version as a service: what SYSTEM$DEPLOY_MODEL does.

The deployment writes what is wanted (a build, if there is no image yet, and the service) and then
only watches. Should the server die meanwhile, the reconcilers of the next one go on.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.compute.pools import pool_key
from nunatak.errors import (
    BuildFailed,
    ModelCallFailed,
    ObjectNotFound,
    QueryCancelled,
    VersionExists,
)
from nunatak.services.commands.commands import bury
from nunatak.services.commands.creation import ServiceCreation, new_endpoint_id
from nunatak.services.commands.repository_images import REPOSITORY
from nunatak.services.documents.deployment import DeploymentOrder
from nunatak.services.model.changes import Changes
from nunatak.services.model.integrations import allowed_hosts
from nunatak.services.model.ports import Builder, ModelSource, ServedModel
from nunatak.services.model.snapshot import Build, Service
from nunatak.services.model.spec import (
    BuildSpec,
    BuildStatus,
    ImageRef,
    ServiceSpec,
    ServiceType,
    is_build,
    service_key,
)
from nunatak.services.model.states import BUILDS, SERVICES, BuildState, ServiceState
from nunatak.services.reconcile.builds import build_request, image_ref

_GIVEN_BY_SERVER = frozenset(
    {"endpoint_id", "build", "suspended", "suspended_by", "dropped", "revision", "image", "tags"}
)


def build_name(query_id: str) -> str:
    """The name of the build service of a deployment, which clients compute from the query id."""
    number = str(int(query_id.replace("-", ""), 16))
    digest = hashlib.md5(number.encode(), usedforsecurity=False).hexdigest()
    return f"MODEL_BUILD_{digest[:8].upper()}"


@dataclass(frozen=True, slots=True)
class _Deployed:
    """The records that a deployment wrote."""

    service_id: int
    build_id: int | None
    is_new: bool


class Deployments:
    """Deploys; safe to use from many threads."""

    def __init__(
        self,
        catalog: Catalog,
        creation: ServiceCreation,
        *,
        builder: Builder,
        models: ModelSource,
        changes: Changes,
    ) -> None:
        self._catalog = catalog
        self._creation = creation
        self._builder = builder
        self._models = models
        self._changes = changes

    def deploy(
        self, order: DeploymentOrder, *, query_id: str, owner: str, cancelled: threading.Event
    ) -> str:
        """Deploy and block until the service runs; the text for the user.

        The same order again joins the first. Raises ObjectNotFound, InvalidArgument,
        VersionExists, BuildFailed, ModelCallFailed, QueryCancelled, ConfinementMissing.
        """
        self._creation.check(order.service)
        model = self._models.resolve(order.model, order.version)
        with self._catalog.read() as tx:
            hosts = allowed_hosts(tx, order.integrations)
        build = _build_spec(order, model, hosts)
        found = None if order.force_rebuild else self._builder.find(build_request(build, model))
        image = image_ref(found) if found else None
        with self._catalog.write() as tx:
            deployed = self._write(tx, order, build, image, query_id=query_id, owner=owner)
        self._changes.announce()
        try:
            self._changes.wait_for(
                lambda: self._ended(deployed),
                cancelled=cancelled,
                what=f"service {order.service}",
            )
        except QueryCancelled:
            self._abandon(deployed)
            raise
        return f"Service {order.service} successfully deployed"

    def _write(
        self,
        tx: Transaction,
        order: DeploymentOrder,
        build: BuildSpec,
        image: ImageRef | None,
        *,
        query_id: str,
        owner: str,
    ) -> _Deployed:
        spec = replace(_service_spec(order, build), build=None if image else build_name(query_id))
        existing = tx.find(service_key(order.service))
        if existing is not None:
            joined = self._join(tx, existing, spec)
            if joined is not None:
                return joined
        _check(tx, order)
        build_id = None if image else self._begin_build(tx, order, build, query_id, owner).id
        key = service_key(order.service)
        record = self._creation.begin(tx, key, spec, owner=owner, image=image)
        return _Deployed(record.id, build_id, is_new=True)

    def _join(self, tx: Transaction, existing: Record, spec: ServiceSpec) -> _Deployed | None:
        """An existing service that is just what is asked for; a failed one makes room."""
        is_service = not is_build(existing.spec)
        if is_service and Service(existing).state is ServiceState.FAILED:
            bury(tx, existing)
            return None
        if not is_service or not _same(ServiceSpec.read(existing.spec), spec):
            raise VersionExists(
                "Service", existing.key.title, hint="Drop it, or choose another service name."
            )
        return _Deployed(existing.id, None, is_new=False)

    def _begin_build(
        self,
        tx: Transaction,
        order: DeploymentOrder,
        build: BuildSpec,
        query_id: str,
        owner: str,
    ) -> Record:
        return BUILDS.begin(
            tx,
            service_key(order.service.sibling(build_name(query_id))),
            BuildStatus(state=BuildState.PENDING, message="Pending scheduling"),
            owner=owner,
            spec=build,
        )

    def _ended(self, deployed: _Deployed) -> bool | None:
        """True when the service runs, None while it does not yet; raises when it never will."""
        with self._catalog.read() as tx:
            record = tx.by_id(deployed.service_id)
            build = tx.by_id(deployed.build_id) if deployed.build_id else None
        if build is not None and BUILDS.of(build) in (BuildState.FAILED, BuildState.CANCELLED):
            message = Build(build).message
            self._abandon(deployed)
            raise BuildFailed(f"Image build {build.key.title} failed: {message}")
        if record is None or ServiceSpec.read(record.spec).dropped:
            raise ObjectNotFound("Service", str(deployed.service_id), hint="It was dropped.")
        match SERVICES.of(record):
            case ServiceState.RUNNING | ServiceState.SUSPENDED:
                return True
            case ServiceState.FAILED:
                raise ModelCallFailed(
                    f"Service {record.key.title} failed: {Service(record).message}"
                )
            case _:
                return None

    def _abandon(self, deployed: _Deployed) -> None:
        """Take back what a deployment wrote that did not come to its end."""
        if not deployed.is_new:
            return
        with self._catalog.write() as tx:
            build = tx.by_id(deployed.build_id) if deployed.build_id else None
            if build is not None and not BUILDS.is_final(BUILDS.of(build)):
                spec = replace(BuildSpec.read(build.spec), cancelled=True)
                tx.update(build, spec=spec.document())
            record = tx.by_id(deployed.service_id)
            if record is not None and SERVICES.of(record) is not ServiceState.RUNNING:
                bury(tx, record)
        self._changes.announce()


def _check(tx: Transaction, order: DeploymentOrder) -> None:
    """Raises ObjectNotFound for a pool or a repository that is not there."""
    for name in (order.pool, order.build_pool):
        tx.get(pool_key(name))
    if order.image_repository is not None:
        tx.get(Key.of(REPOSITORY, order.image_repository))


def _build_spec(order: DeploymentOrder, model: ServedModel, hosts: tuple[str, ...]) -> BuildSpec:
    return BuildSpec(
        pool=order.build_pool,
        model=model.ref,
        gpu=bool(order.requested.gpus),
        force=order.force_rebuild,
        hosts=hosts,
        integrations=order.integrations,
        image_repository=_title(order.image_repository),
    )


def _service_spec(order: DeploymentOrder, build: BuildSpec) -> ServiceSpec:
    return ServiceSpec(
        type=ServiceType.INFERENCE,
        pool=order.pool,
        model=build.model,
        requested=order.requested,
        num_workers=order.num_workers,
        max_batch_rows=order.max_batch_rows,
        min_instances=order.min_instances,
        max_instances=order.max_instances,
        auto_suspend_s=order.auto_suspend_s,
        public=order.public,
        endpoint_id=new_endpoint_id(),
        image_repository=_title(order.image_repository),
    )


def _same(one: ServiceSpec, other: ServiceSpec) -> bool:
    """Whether two specifications ask for the same, apart from what the server adds."""

    def asked(spec: ServiceSpec) -> dict[str, Any]:
        document = spec.document()
        return {key: value for key, value in document.items() if key not in _GIVEN_BY_SERVER}

    return asked(one) == asked(other)


def _title(name: QualifiedName | None) -> str | None:
    return None if name is None else str(name)
