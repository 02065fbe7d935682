"""A whole control plane on doubles: a runtime, a builder and models that do as they are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import FLOAT
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.compute import pools
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine
from nunatak.compute.pools import PoolSpec, PoolStatus
from nunatak.compute.resources import GIB
from nunatak.compute.spec import MethodSpec
from nunatak.compute.states import POOLS, PoolState
from nunatak.config import Limits, Settings
from nunatak.disk import Disk
from nunatak.errors import NunatakError, ObjectNotFound
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.image import BuildRequest
from nunatak.images.requirements.declared import TargetPlatform
from nunatak.images.store import Image
from nunatak.objects.databases import Databases, Schemas
from nunatak.objects.sequences import Sequences
from nunatak.services.assembly import Backends, Probes, Services, assemble_services
from nunatak.services.control import ControlPlane
from nunatak.services.documents.deployment import DeploymentOrder
from nunatak.services.model.ports import InstanceLoad, ServedMethod, ServedModel
from nunatak.services.model.secret_uses import SecretReader
from nunatak.services.model.snapshot import Snapshot, Snapshots
from nunatak.services.model.spec import ModelRef, service_key
from nunatak.services.model.vault import Vault
from nunatak.sql.access import grants, network, secrets
from nunatak.sql.language import system_functions
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, parse_registered
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.services import (
    deploy,
    functions,
    repositories,
    service_parts,
    services,
)
from nunatak.sql.services import pools as pool_statements
from nunatak.sql.services import (
    system as service_functions,
)
from nunatak.stages.service import Stages
from nunatak.transport.address import Address
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.model_calls.arguments import MethodParameter, MethodSignature
from support.parts import Parts, account_parts, injector_of
from support.places import let_use
from support.runtime import FakeRuntime

MACHINE = Machine(2.0, 8 * GIB)
FAMILIES_HERE = Families.load(Path("/nonexistent"))
MODEL = QualifiedName("DB", "S", "M")
SERVICE = QualifiedName("DB", "S", "SVC")
T = TypeVar("T")
SIGNATURE = MethodSignature(inputs=(MethodParameter("A", FLOAT),), outputs=(Field("y", FLOAT),))
QUERY_ID = "01b2c3d4-0000-4000-8000-0000000000aa"


FAMILIES = (
    deploy,
    functions,
    grants,
    network,
    pool_statements,
    repositories,
    secrets,
    service_parts,
    service_functions,
    services,
    system_functions,
)
"""Imported, so that their statements are registered."""


class FakeBuilder:
    """Builds at once, unless `gate` holds it or `failure` is raised."""

    def __init__(self) -> None:
        self.known: Image | None = None
        self.image = IMAGE
        self.problems: dict[str, str] = {}
        self.failure: NunatakError | None = None
        self.builds = 0
        self.targets: list[TargetPlatform] = []
        self.gate: threading.Event | None = None

    def find(self, request: BuildRequest) -> Image | None:
        return self.known

    def assemble(self, request: BuildRequest) -> Image | None:
        return self.known

    def problem(self, digest: str) -> str:
        return self.problems.get(digest, "")

    def build(self, request: BuildRequest, log: BuildLog, cancel: threading.Event) -> Image:
        self.builds += 1
        self.targets.append(request.target)
        log.line("installing everything")
        while self.gate is not None and not self.gate.wait(0.01):
            if cancel.is_set():
                raise NunatakError("cancelled")
        if self.failure is not None:
            raise self.failure
        self.problems.pop(self.image.digest, None)
        return self.image


DIGEST = "d1" * 32
IMAGE = Image(DIGEST, Path("/env"), Path("/env/bin/python"), "l1", 1)


class FakeModels:
    """One model with one version."""

    def __init__(self, folder: Path) -> None:
        self.dropped: set[str] = set()
        method = MethodSpec(name="PREDICT", handler="functions.predict.infer", path="predict")
        self.model = ServedModel(
            ref=ModelRef("DB", "S", "M", "V1", "v-1"),
            folder=folder,
            digest="m1",
            methods=(ServedMethod(spec=method, signature=SIGNATURE),),
        )

    def resolve(self, model: QualifiedName, version: str) -> ServedModel:
        if model != MODEL or version != "V1":
            raise ObjectNotFound("Model", str(model))
        return self.model

    def resolve_for_warehouse(self, model: QualifiedName, version: str) -> ServedModel:
        return self.resolve(model, version)

    def name_of(self, ref: ModelRef) -> QualifiedName:
        return ref.model

    def load(self, ref: ModelRef) -> ServedModel:
        if ref.version_id in self.dropped:
            raise ObjectNotFound("Version", f"{ref.model} {ref.version}")
        return replace(self.model, ref=ref)


class FakeLoads:
    """What instances say when they are asked."""

    def __init__(self) -> None:
        self.current: InstanceLoad | None = InstanceLoad(1, 0.0, 0, 0.0)

    def load(self, address: Address) -> InstanceLoad | None:
        return self.current


def told(*samples: tuple[str, str, Mapping[str, str], float]) -> str:
    """What an instance tells of its counters: name, kind, labels and value of each."""
    return json.dumps(
        [
            {"name": name, "kind": kind, "text": "Some.", "samples": [[name, labels, value]]}
            for name, kind, labels, value in samples
        ]
    )


class FakeMetrics:
    """What instances count; `texts` are by the name of the socket, None is no answer."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def metrics(self, address: Address) -> str | None:
        return self.texts.get(Path(str(address)).name)


@dataclass
class World:
    """Everything of one test. `now` is the clock of the catalog."""

    catalog: Catalog
    runtime: FakeRuntime
    builder: FakeBuilder
    models: FakeModels
    loads: FakeLoads
    settings: Settings
    parts: Parts
    session: Session
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    query_id: str = QUERY_ID
    """Of the statements that run next."""
    time: list[float] = field(default_factory=lambda: [1_000_000.0])
    free_memory: list[int] = field(default_factory=lambda: [4 * GIB])
    services: Services = field(init=False)
    plane: ControlPlane = field(init=False)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time[0] += seconds

    def is_busy(self) -> bool:
        """Whether slow work of the control plane waits or is under way."""
        work = self.plane._work
        return bool(work.building.busy() or work.launching.busy())

    def settle(self) -> None:
        """Look until nothing changes any more and no work is under way."""
        for _ in range(500):
            was_busy = self.is_busy()
            if not self.plane.iterate() and not was_busy:
                return
            if was_busy:
                threading.Event().wait(0.001)
        raise AssertionError("the control plane does not come to rest")

    def restart(self) -> None:
        """Let another server take over, as after the death of the one so far."""
        self.plane.close(stop_instances=False)
        self.connect()
        self.plane.recover()

    @property
    def vault(self) -> Vault:
        """Where secrets are kept."""
        return Vault(self.settings.folder("keys"))

    def connect(self) -> None:
        """Make the parts of a server, and hand them to the parts."""
        self.services = make_services(self)
        self.plane = self.services.control
        shared = {field.name for field in fields(Parts)} & {
            field.name for field in fields(Services)
        }
        for name in shared:
            setattr(self.parts, name, getattr(self.services, name))
        self.parts.services = self.services.commands  # type: ignore[misc]  # a stand-in
        self.parts.objects = account_parts(  # type: ignore[misc]  # a stand-in
            self.settings,
            self.catalog,
            access=self.parts.access,
            databases=cast("Databases", None),  # there are none in this world
            schemas=cast("Schemas", None),
            sequences=cast("Sequences", None),
            services=self.services,
            vault=self.vault,
        )

    def pool(self, name: str = "POOL", **changes: object) -> None:
        """Create a pool."""
        wanted = {"min_nodes": 1, "max_nodes": 1, "instance_family": "CPU_X64_XS", **changes}
        spec = PoolSpec(**wanted)  # type: ignore[arg-type]
        with self.catalog.write() as tx:
            POOLS.begin(
                tx,
                Key(pools.KIND, name),
                PoolStatus(state=PoolState.STARTING, target_nodes=spec.min_nodes),
                owner="ACCOUNTADMIN",
                spec=spec,
            )

    def order(self, **changes: object) -> DeploymentOrder:
        """A deployment of the model."""
        return replace(
            DeploymentOrder(
                model=MODEL, version="V1", service=SERVICE, pool="POOL", build_pool="POOL"
            ),
            **changes,  # type: ignore[arg-type]
        )

    def deploy(self, order: DeploymentOrder | None = None) -> str:
        """Deploy and look until it has ended."""
        return self.finish(self.begin_deploy(order))

    def while_looking(self, work: Callable[[], T]) -> T:
        """Do something that waits for the control plane, which looks again and again meanwhile."""
        return self.finish(self.begin(work))

    def begin(self, work: Callable[[], T]) -> Future[T]:
        """Do something in a thread of its own."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  handed to the caller
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def finish(self, future: Future[T]) -> T:
        """Look until something has ended; its outcome."""
        while True:
            self.plane.iterate()
            try:
                return future.result(timeout=0.002)
            except FutureTimeout:
                if future.done():
                    raise

    def iterate_until(self, holds: Callable[[], bool]) -> None:
        """Look until something holds."""
        for _ in range(5000):
            self.plane.iterate()
            if holds():
                return
            threading.Event().wait(0.001)
        raise AssertionError("it never comes about")

    def begin_deploy(self, order: DeploymentOrder | None = None) -> Future[str]:
        """Begin to deploy, without looking."""
        return self.begin(
            lambda: self.services.deployments.deploy(
                order or self.order(),
                query_id=self.query_id,
                owner="ACCOUNTADMIN",
                cancelled=threading.Event(),
            )
        )

    def service(self, name: QualifiedName = SERVICE) -> Record:
        """The service's record."""
        with self.catalog.read() as tx:
            return tx.get(service_key(name))

    def state(self) -> str:
        """The service's state."""
        return str(self.service().status["state"])

    def snapshot(self) -> Snapshot:
        """Everything in the catalog."""
        with self.catalog.read() as tx:
            return Snapshot.read(tx, FAMILIES_HERE, MACHINE)

    @property
    def injector(self) -> Injector:
        """What calls handlers with the services that they ask for."""
        return injector_of(self.parts)

    def context(self, text: str = "") -> Context:
        """What a handler is given."""
        request = StatementRequest(
            session=self.session, statement=StatementText(text), query_id=self.query_id
        )
        return Context(request=request)

    def rows(self, text: str) -> list[dict[str, Any]]:
        """Run a statement with its privileges checked; the rows by column name."""
        context = self.context(text)
        cursor = TokenCursor(StatementText(text))
        prepared = parse_registered(cursor)
        assert prepared is not None, f"not registered: {text}"
        result = prepared.run(context, self.injector)
        assert isinstance(result, Result)
        return [row for batch in result.batches for row in batch.to_pylist()]

    def row(self, text: str) -> dict[str, Any]:
        """The only row."""
        (row,) = self.rows(text)
        return row

    def value(self, text: str) -> Any:
        """The only value of the only row."""
        (value,) = self.row(text).values()
        return value


@contextmanager
def open_world(folder: Path, *, limits: Limits | None = None) -> Iterator[World]:
    """A control plane that does nothing until it is told to look."""
    moments = [1_000_000.0]
    catalog = Catalog(Database.open(folder / "catalog.sqlite"), clock=lambda: moments[0])
    with catalog.write() as tx:
        tx.create(Key("DATABASE", "DB"), "ACCOUNTADMIN")
        tx.create(Key("SCHEMA", "S", "DB"), "ACCOUNTADMIN")
    runtime, builder, loads = FakeRuntime(folder), FakeBuilder(), FakeLoads()
    runtime.clock = lambda: moments[0]
    models, settings = FakeModels(folder), Settings(home=folder, limits=limits or Limits())
    access = Access(catalog.database, settings, clock=catalog.clock)
    for role in ("ACCOUNTADMIN", "ANALYST", "PUBLIC"):
        access.roles.create(role, owner="ACCOUNTADMIN")
    let_use(access, "DB", "DB.S")
    access.users.create("U", owner="ACCOUNTADMIN")
    access.roles.grant("ACCOUNTADMIN", grantee_kind="USER", grantee="U", by="")
    parts = SimpleNamespace(
        settings=settings,
        disk=Disk(folder, reserve_bytes=0),
        catalog=catalog,
        access=access,
        stages=Stages(catalog, access, settings),
        models=models,
    )
    session = Session(id=1, user="U", role="ACCOUNTADMIN", database="DB", schema="S")
    world = World(
        catalog=catalog,
        runtime=runtime,
        builder=builder,
        models=models,
        loads=loads,
        settings=settings,
        parts=cast("Parts", parts),  # the parts that these statements use
        session=session,
        time=moments,
    )
    world.connect()
    yield world
    world.plane.close(stop_instances=False)
    catalog.close()


def make_services(world: World) -> Services:
    """The parts of a server on the doubles of a world."""
    backends = Backends(
        runtime=world.runtime,
        builder=world.builder,
        models=world.models,
        secrets=SecretReader(world.vault, allows=world.parts.access.allows),
        allows=world.parts.access.allows,
    )
    probes = Probes(
        loads=world.loads, metrics=world.metrics, free_memory=lambda: world.free_memory[0]
    )
    snapshots = Snapshots(world.catalog, FAMILIES_HERE, MACHINE)
    return assemble_services(world.settings, snapshots, backends, probes)
