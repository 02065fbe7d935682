"""The room's front door: asks for an environment or an image, and gets it built once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement

from nunatak.confinement.terms import Terms
from nunatak.egress.policy import EgressPolicy
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.building.environment import Environment, Environments
from nunatak.images.building.hosts import index_hosts
from nunatak.images.building.indexes import Indexes, from_machine, host_of, without_credentials
from nunatak.images.building.interpreters import Interpreter, find_python
from nunatak.images.building.lock import Lock, Locks, declaration_digest, resolve
from nunatak.images.building.runner import BuildBounds
from nunatak.images.building.singleflight import SingleFlight
from nunatak.images.building.uv import Uv, default_cache, default_index, find_uv
from nunatak.images.building.workshop import Workshop, remove_abandoned, workshop
from nunatak.images.errors import QuotaExceeded
from nunatak.images.requirements.declared import Declared, TargetPlatform, read_declared
from nunatak.images.store import Image, ImageStore, Parts, inference_version, tree_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """Rules of building: seconds of one build, bytes of all environments (None: no quota)."""

    build_s: float = 4 * 3600.0
    quota_bytes: int | None = None
    processes: int = 1024
    """Processes and threads that one build may have."""
    open_files: int = 4096
    """Files that one of its processes may hold open."""
    data_bytes: int | None = None
    """Memory of one of its processes."""
    allow_unconfined: bool = False
    """Whether builds run where nothing can be confined."""

    @property
    def terms(self) -> Terms:
        """Terms that a program of a build is started with, by the server's own user."""
        return Terms(
            user=None,
            processes=self.processes,
            open_files=self.open_files,
            data_bytes=self.data_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """A request for a build: the model version in the folder `version_root`, for `target`.

    `gpu_requested` makes the target gpu, and fails for a version that runs only on CPU.
    `egress` None allows the hosts of the configured package indexes, and nothing else.
    `model_digest` saves hashing the version's files when the caller knows their digest.
    """

    version_root: Path
    target: TargetPlatform = TargetPlatform.CPU
    gpu_requested: bool = False
    force_rebuild: bool = False
    egress: EgressPolicy | None = None
    model_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """The outcome of a collection: what it removed."""

    images: int
    environments: int
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class _Job:
    """An environment to be found or built."""

    declared: Declared
    interpreter: Interpreter
    indexes: Indexes
    egress: EgressPolicy | None
    log: BuildLog
    bounds: BuildBounds

    @property
    def key(self) -> str:
        return declaration_digest(self.declared, self.interpreter, self.indexes)


class ImageBuilder:
    """Builds environments and images in `home`; thread-safe.

    `indexes` None reads the machine's configuration; `in_use` gives the digests of images and
    environments that must stay when the quota makes room.
    """

    def __init__(
        self,
        home: Path,
        *,
        indexes: Indexes | None = None,
        limits: ImageLimits | None = None,
        uv: Uv | None = None,
        server_version: str | None = None,
        in_use: Callable[[], Collection[str]] | None = None,
    ) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home = home.resolve()
        self._indexes = from_machine() if indexes is None else indexes
        self._limits = limits or ImageLimits()
        self._given_uv = uv
        self._server_version = server_version or inference_version()
        self._in_use = in_use
        self._environments = Environments(self._home / "environments")
        self._locks = Locks(self._home / "environments" / "locks")
        self._store = ImageStore(self._home / "images")
        self._locking: SingleFlight[Lock] = SingleFlight()
        self._installing: SingleFlight[Environment] = SingleFlight()
        for folder in (self._environments.folder, self._store.folder):
            remove_abandoned(folder)

    def build(self, request: BuildRequest, log: BuildLog, cancel: threading.Event) -> Image:
        """The image for `request`, found or built; blocks, tells `log`, heeds `cancel`.

        Raises DeclarationInvalid, BuildFailed (and its kinds), QuotaExceeded.
        """
        job = self._job(_declared(request), log, cancel, request.egress)
        lock, environment = self._environment(job, force=request.force_rebuild)
        image = self._store.put(self._parts(request, lock, environment))
        log.line(f"image sha256:{image.digest[:12]} is ready", important=True)
        return image

    def find(self, request: BuildRequest) -> Image | None:
        """The image that `build` would give, if nothing needs to be built for it."""
        found = self._known(_declared(request), request.egress)
        return self._store.find(self._parts(request, *found)) if found else None

    def assemble(self, request: BuildRequest) -> Image | None:
        """The image that `build` would give, stored if it was not, where its environment is there
        and nothing needs to be installed."""
        found = self._known(_declared(request), request.egress)
        return self._store.put(self._parts(request, *found)) if found else None

    def problem(self, digest: str) -> str:
        """Reason why nothing can be started from the image `digest`; empty when something can."""
        needs = self._store.needs(digest)
        if needs is None:
            return f"Image sha256:{digest[:12]} is missing."
        if needs.inference_version != self._server_version:
            return (
                f"Image sha256:{digest[:12]} was made for inference server "
                f"{needs.inference_version}; this is {self._server_version}."
            )
        if self._environments.find(needs.environment) is None:
            return f"The environment of image sha256:{digest[:12]} is missing."
        return ""

    def usage_bytes(self) -> int:
        """Bytes that the environments take, files that they share counted in each."""
        return sum(item.size_bytes for item in self._environments.all())

    def collect(self, in_use: Collection[str], *, grace_s: float = 3600.0) -> Collected:
        """Remove images and environments whose digests are not in `in_use`.

        What a kept image needs, what is being built, and what was made or asked for less than
        `grace_s` ago stays.
        """
        before = time.time() - grace_s
        building = self._installing.keys()
        kept = set(in_use) | building
        images = 0
        for digest, needed in list(self._store.environments()):
            if digest in in_use or _touched_after(self._store.folder / digest, before):
                kept.add(needed)
            else:
                self._store.remove(digest)
                images += 1
        removed = [
            item
            for item in self._environments.all()
            if item.digest not in kept and not _touched_after(item.path, before)
        ]
        for item in removed:
            self._environments.remove(item.digest)
        self._locks.trim()
        return Collected(images, len(removed), sum(item.size_bytes for item in removed))

    def index_policy(self, declared: Declared | None = None) -> EgressPolicy:
        """The hosts of the configured package indexes and of their files."""
        names: list[str] = []
        if declared is not None:
            conda, pip, _ = declared.requirements()
            names = [Requirement(item).name for item in (*conda, *pip)]
        default = default_index(self._uv().program)
        return EgressPolicy(index_hosts(self._indexes, default_index=default, names=names))

    def _job(
        self,
        declared: Declared,
        log: BuildLog,
        cancel: threading.Event,
        egress: EgressPolicy | None,
    ) -> _Job:
        indexes, unused = self._with_extra(declared, egress)
        for address in unused:
            log.line(f"note: index {address} of the model is not used: no integration allows it")
        interpreter = find_python(declared.python, uv=self._uv().program)
        bounds = BuildBounds(cancel, time.monotonic() + self._limits.build_s)
        return _Job(declared, interpreter, indexes, egress, log, bounds)

    def _environment(self, job: _Job, *, force: bool) -> tuple[Lock, Environment]:
        lock = None if force else self._locks.find(job.key)
        if lock is None:
            lock = self._locking.run(
                job.key, lambda: self._lock(job), log=job.log, bounds=job.bounds
            )
        else:
            job.log.line(f"lock {lock.digest[:12]} was made before: {len(lock.packages)} packages")
        return lock, self._installed(job, lock)

    def _installed(self, job: _Job, lock: Lock) -> Environment:
        environment = self._environments.find(lock.digest)
        if environment is not None:
            os.utime(environment.path)
            job.log.line(f"environment {lock.digest[:12]} is there already")
            return environment
        return self._installing.run(
            lock.digest, lambda: self._install(job, lock), log=job.log, bounds=job.bounds
        )

    def _lock(self, job: _Job) -> Lock:
        with self._workshop(job) as shop:
            lock = resolve(shop, job.declared)
        self._locks.keep(job.key, lock)
        return lock

    def _install(self, job: _Job, lock: Lock) -> Environment:
        found = self._environments.find(lock.digest)
        if found is not None:  # made between our look and our turn
            return found
        self._free_space(job.log)
        with self._workshop(job) as shop:
            return self._environments.install(shop, lock)

    def _workshop(self, job: _Job) -> AbstractContextManager[Workshop]:
        policy = job.egress
        if policy is None:
            policy = self.index_policy(job.declared)
            job.log.line(f"egress: only the package indexes ({_listed(policy)}) may be reached")
        return workshop(
            self._environments.folder,
            uv=self._uv(),
            indexes=job.indexes,
            interpreter=job.interpreter,
            policy=policy,
            log=job.log,
            bounds=job.bounds,
            terms=self._limits.terms,
            allow_unconfined=self._limits.allow_unconfined,
        )

    def _known(
        self, declared: Declared, egress: EgressPolicy | None
    ) -> tuple[Lock, Environment] | None:
        """Lock and environment made before for `declared`, without the network."""
        interpreter = find_python(declared.python, uv=self._uv().program)
        indexes, _ = self._with_extra(declared, egress)
        lock = self._locks.find(declaration_digest(declared, interpreter, indexes))
        environment = self._environments.find(lock.digest) if lock else None
        return (lock, environment) if lock and environment else None

    def _parts(self, request: BuildRequest, lock: Lock, environment: Environment) -> Parts:
        return Parts(
            lock=lock,
            environment=environment,
            model_digest=request.model_digest or tree_digest(request.version_root),
            target=_target(request),
            inference_version=self._server_version,
        )

    def _with_extra(
        self, declared: Declared, egress: EgressPolicy | None
    ) -> tuple[Indexes, tuple[str, ...]]:
        """The configured indexes with those of the version that `egress` allows, and the rest."""
        hosts = {item: host_of(item) for item in declared.extra_indexes}
        allowed = [item for item, host in hosts.items() if host and egress and egress.allows(host)]
        refused = tuple(without_credentials(item) for item in hosts if item not in allowed)
        return replace(self._indexes, extra=(*self._indexes.extra, *allowed)), refused

    def _free_space(self, log: BuildLog) -> None:
        quota = self._limits.quota_bytes
        if quota is None or self.usage_bytes() < quota:
            return
        if self._in_use is not None:
            done = self.collect(self._in_use())
            log.line(f"made room: {done.environments} unused environments removed")
        used = self.usage_bytes()
        if used >= quota:
            raise QuotaExceeded(
                f"Environments take {used / 1e9:.1f} GB of a quota of {quota / 1e9:.1f} GB: drop"
                " services or model versions that are not needed, or raise environments_bytes in"
                " limits.yaml."
            )

    def _uv(self) -> Uv:
        if self._given_uv is None:
            self._given_uv = Uv(find_uv(), default_cache(self._home))
        return self._given_uv


def _target(request: BuildRequest) -> TargetPlatform:
    return TargetPlatform.GPU if request.gpu_requested else request.target


def _declared(request: BuildRequest) -> Declared:
    declared = read_declared(request.version_root, _target(request))
    in_warehouse = declared.target is TargetPlatform.WAREHOUSE
    return declared.in_the_warehouse() if in_warehouse else declared


def _touched_after(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime > moment
    except OSError:
        return False


def _listed(policy: EgressPolicy) -> str:
    return ", ".join(map(str, sorted(policy.allowed))) or "no host"
