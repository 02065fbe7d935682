"""The reconciler of builds: jobs that make the images of inference services.

Builds run in threads of a bounded pool. The image builder makes one environment per lock however
many builds ask; a build that waits for another one shows that one's log.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from msgspec.structs import replace

from nunatak.catalog.store import Catalog
from nunatak.compute.states import RUNNING
from nunatak.egress.policy import EgressPolicy
from nunatak.errors import NunatakError
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.image import BuildRequest
from nunatak.images.requirements.declared import TargetPlatform
from nunatak.images.store import Image
from nunatak.moments import elapsed_s
from nunatak.services.model.integrations import allowed_hosts
from nunatak.services.model.operations import Operations
from nunatak.services.model.ports import Builder, ModelSource, ServedModel
from nunatak.services.model.snapshot import Build, Snapshot, Snapshots
from nunatak.services.model.spec import BuildSpec, ImageRef
from nunatak.services.model.states import BUILDS, BuildState
from nunatak.services.reconcile.pools import SYSTEM, resume_pool

_log = logging.getLogger(__name__)
RECORD_S = 30 * 24 * 3600.0
"""The record of a job stays so long after its end, and its log with it."""


def build_request(spec: BuildSpec, model: ServedModel) -> BuildRequest:
    """Request to the image builder for a service; without integrations, only package indexes are
    open."""
    return BuildRequest(
        version_root=model.folder,
        target=TargetPlatform.GPU if spec.gpu else TargetPlatform.CPU,
        gpu_requested=spec.gpu,
        force_rebuild=spec.force,
        egress=EgressPolicy.of(spec.hosts) if spec.integrations else None,
        model_digest=model.digest or None,
    )


def warehouse_request(model: ServedModel) -> BuildRequest:
    """Request to the image builder for the warehouse."""
    return BuildRequest(
        version_root=model.folder,
        target=TargetPlatform.WAREHOUSE,
        model_digest=model.digest or None,
    )


def image_ref(image: Image) -> ImageRef:
    """An image as the catalog keeps it: without the place of the home, which may change."""
    return ImageRef(digest=image.digest, environment=image.environment.name)


def build_log_file(folder: Path, build_id: int) -> Path:
    """File in which the log of a build is kept."""
    return folder / f"{build_id}.log"


def is_outdated(build: Build, snapshot: Snapshot, *, now: float) -> bool:
    """Whether the record of a build that has ended was kept long enough. What a service runs may
    have to be built again in the same manner, so builds of its model version stay; of those for the
    warehouse, which every call after a failed one begins, only the newest does."""
    if build.for_warehouse and _is_replaced(build, snapshot):
        return True
    served = {service.spec.model.version_id for service in snapshot.services}
    is_old = elapsed_s(build.record.updated_on, now=now) >= RECORD_S
    return is_old and build.spec.model.version_id not in served


def _is_replaced(build: Build, snapshot: Snapshot) -> bool:
    """Whether a newer build for the warehouse took the place of one that nothing waits for."""
    version_id = build.spec.model.version_id
    waiting = {item.spec.build for item in snapshot.services if item.in_warehouse}
    return build.record.name not in waiting and any(
        other.for_warehouse
        and other.spec.model.version_id == version_id
        and other.record.id > build.record.id
        for other in snapshot.builds
    )


class BuildReconciler:
    """Starts, cancels and ends builds. `folder` keeps their logs."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        snapshots: Snapshots,
        builder: Builder,
        models: ModelSource,
        operations: Operations,
        folder: Path,
    ) -> None:
        self._catalog = catalog
        self._snapshots = snapshots
        self._builder = builder
        self._models = models
        self._operations = operations
        self._folder = folder
        self._cancels: dict[int, threading.Event] = {}
        self._stopping = False

    def iterate(self) -> bool:
        """One look at every build; whether something was changed."""
        snapshot, now = self._snapshots.newest()
        changed = [self._step(build, snapshot, now=now) for build in snapshot.builds]
        return any(changed)

    def recover(self) -> None:
        """After a start of the server: builds that ran begin again, cancelled ones have ended."""
        for build in self._snapshots.newest()[0].builds:
            if build.state is BuildState.RUNNING:
                text = "The server stopped during the build; it begins again."
                self._move(build, BuildState.PENDING, text)
            elif build.state is BuildState.CANCELLING:
                self._move(build, BuildState.CANCELLED, "The build was cancelled.")

    def stop_all(self) -> None:
        """Stop every running build because the server stops; they begin again with the next."""
        self._stopping = True
        for event in tuple(self._cancels.values()):
            event.set()

    def _step(self, build: Build, snapshot: Snapshot, *, now: float) -> bool:
        unwanted = build.spec.cancelled or build.spec.dropped
        match build.state:
            case BuildState.PENDING if unwanted:
                return self._move(build, BuildState.CANCELLED, "The build was cancelled.")
            case BuildState.PENDING:
                return self._begin(build, snapshot)
            case BuildState.RUNNING if unwanted:
                moved = self._move(build, BuildState.CANCELLING, "It is being stopped.")
                self._cancels.get(build.record.id, threading.Event()).set()
                return moved
            case BuildState.DONE | BuildState.FAILED | BuildState.CANCELLED if (
                build.spec.dropped or is_outdated(build, snapshot, now=now)
            ):
                return self._forget(build)
            case _:
                return False

    def _begin(self, build: Build, snapshot: Snapshot) -> bool:
        pool = snapshot.pools.get(build.spec.pool)
        if pool is None:
            text = f"Compute pool {build.spec.pool} does not exist any more."
            return self._move(build, BuildState.FAILED, text)
        if pool.status.state not in RUNNING or pool.spec.suspended:
            with self._catalog.write() as tx:
                awake = resume_pool(tx, pool)
            text = (
                "Compute pool node(s) are being provisioned"
                if awake
                else f"Compute pool {build.spec.pool} is suspended and AUTO_RESUME is off."
            )
            return self._move(build, BuildState.PENDING, text)
        return self._start(build)

    def _start(self, build: Build) -> bool:
        key = str(build.record.id)
        if key in self._operations.busy():
            return False
        if not self._move(build, BuildState.RUNNING, "Building the image."):
            return False
        cancel = threading.Event()
        self._cancels[build.record.id] = cancel
        self._operations.submit(key, lambda: self._run(build, cancel))
        return True

    def _run(self, build: Build, cancel: threading.Event) -> None:
        log = BuildLog(build_log_file(self._folder, build.record.id), clock=self._catalog.clock)
        try:
            image = self._build(build, log, cancel)
        except NunatakError as error:
            log.line(error.message, important=True)
            self._failed(build, error.message)
        except Exception as error:  # noqa: BLE001
            # The boundary of the build's task: whoever waits must learn that it ended.
            _log.exception("build %s failed", build.record.key.title)
            log.line(f"internal error: {error}", important=True)
            self._failed(build, f"The build stopped on an internal error: {error}")
        else:
            self._end(build, BuildState.DONE, "The image is ready.", image_ref(image))
        finally:
            log.close()
            self._cancels.pop(build.record.id, None)

    def _build(self, build: Build, log: BuildLog, cancel: threading.Event) -> Image:
        ref = build.spec.model
        log.line(f"building the image for model {ref.model} version {ref.version}")
        model = self._models.load(ref)
        if build.for_warehouse:
            return self._builder.build(warehouse_request(model), log, cancel)
        with self._catalog.read() as tx:  # it may have waited long, or be the repetition of another
            spec = replace(build.spec, hosts=allowed_hosts(tx, build.spec.integrations))
        return self._builder.build(build_request(spec, model), log, cancel)

    def _failed(self, build: Build, text: str) -> None:
        self._end(build, BuildState.FAILED, text)

    def _end(
        self, build: Build, state: BuildState, text: str, image: ImageRef | None = None
    ) -> None:
        if self._stopping and state is BuildState.FAILED:
            return  # it stays as running, which `recover` finds
        with self._catalog.write() as tx:
            record = tx.by_id(build.record.id)
            if record is None:
                return
            if BUILDS.of(record) is BuildState.CANCELLING and state is BuildState.FAILED:
                state, text = BuildState.CANCELLED, "The build was cancelled."
            status = replace(Build(record).status, state=state, message=text, image=image)
            BUILDS.move(tx, record, status, actor=SYSTEM)

    def _move(self, build: Build, state: BuildState, text: str) -> bool:
        status = replace(build.status, state=state, message=text)
        with self._catalog.write() as tx:
            moved = BUILDS.move(tx, build.record, status, actor=SYSTEM)
        return moved is not None and moved is not build.record

    def _forget(self, build: Build) -> bool:
        with self._catalog.write() as tx:
            tx.delete(build.record)
        build_log_file(self._folder, build.record.id).unlink(missing_ok=True)
        return True
