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
from nunatak.services.model.spec import BuildSpec, BuildStatus
from nunatak.services.model.states import BUILDS, SERVICES, BuildState, ServiceState
from nunatak.services.reconcile.plan import InstanceView, ServiceView
from nunatak.services.reconcile.pools import SYSTEM


def rebuild_reason(
    service: Service, view: ServiceView, instances: Sequence[InstanceView], *, builder: Builder
) -> str:
    """Reason why the image must be built again before the service can start; empty when it need
    not."""
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
        BuildStatus(state=BuildState.PENDING, message=reason),
        owner=service.record.owner,
        spec=_build_spec(service, snapshot),
    )
    status = replace(
        service.status,
        state=ServiceState.PENDING,
        message=reason if service.in_warehouse else f"{reason} It is built again.",
        image=None,
        rebuild=reason,
    )
    record = SERVICES.move(tx, service.record, status, actor=SYSTEM)
    if record is not None:
        tx.update(record, spec=replace(service.spec, build=name))


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
