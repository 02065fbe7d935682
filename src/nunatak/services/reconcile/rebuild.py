"""Images that cannot be used any more are built again when their service must start.

An image is lost when its files are gone, and it is outdated when it was made for another version
of the inference server. A service that answers is left alone: only one that must start is looked
at, so that an upgrade of the server does not build everything at once.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence

from msgspec.structs import replace

from nunatak.catalog.store import Transaction
from nunatak.services.model.ports import Builder
from nunatak.services.model.snapshot import Service, Snapshot
from nunatak.services.model.spec import BuildSpec
from nunatak.services.model.states import BUILDS, SERVICES, BuildState, ServiceState
from nunatak.services.reconcile.plan import InstanceView, ServiceView
from nunatak.services.reconcile.pools import SYSTEM

REASON = "rebuild"
"""Where a service's status keeps why its image is built again."""


def rebuild_reason(
    service: Service, view: ServiceView, instances: Sequence[InstanceView], *, builder: Builder
) -> str:
    """Why the image must be built again before the service can start; empty when it need not."""
    if view.suspended or view.dropped or any(item.status.started for item in instances):
        return ""
    if service.image:
        return builder.problem(service.digest)
    if service.in_warehouse:
        return "" if service.spec.build else "There is no image yet."
    if service.state is ServiceState.SUSPENDED and view.broken:
        return f"There is no image: {view.broken}"
    return ""


def begin_rebuild(tx: Transaction, service: Service, snapshot: Snapshot, reason: str) -> None:
    """Write a build job down, and that the service waits for it."""
    name = f"MODEL_BUILD_{secrets.token_hex(4).upper()}"
    BUILDS.begin(
        tx,
        dataclasses.replace(service.record.key, name=name),
        BuildState.PENDING,
        owner=service.record.owner,
        reason=reason,
        spec=_build_spec(service, snapshot).document(),
    )
    record = SERVICES.move(
        tx,
        service.record,
        ServiceState.PENDING,
        reason=reason if service.in_warehouse else f"{reason} It is built again.",
        actor=SYSTEM,
        changes={"image": None, REASON: reason},
    )
    if record is not None:
        tx.update(record, spec=replace(service.spec, build=name).document())


def _build_spec(service: Service, snapshot: Snapshot) -> BuildSpec:
    """The order of the newest recorded build of the same image, as far as it can be met still."""
    spec = service.spec
    gpu = bool(spec.requested.gpus)
    same = [
        build
        for build in snapshot.builds
        if build.spec.model.version_id == spec.model.version_id
        and build.spec.gpu == gpu
        and build.for_warehouse == service.in_warehouse
    ]
    if not same:
        return BuildSpec(
            pool=spec.pool, model=spec.model, gpu=gpu, image_repository=spec.image_repository
        )
    found = max(same, key=lambda build: (build.record.created_on, build.record.id)).spec
    pool = found.pool if found.pool in snapshot.pools else spec.pool
    return replace(found, pool=pool, force=False, cancelled=False, dropped=False)
