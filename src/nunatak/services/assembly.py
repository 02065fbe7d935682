"""The parts of this package put together, once, for the composition root to hand out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nunatak.access.privileges.requirement import Requirement
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine, free_memory_bytes
from nunatak.compute.runtime import Runtime
from nunatak.config import Settings
from nunatak.services.calling.addresses import Addresses
from nunatak.services.calling.route_builder import RoutePublisher
from nunatak.services.calling.routes import Routes
from nunatak.services.calling.warehouse_instances import WarehouseCalls
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.commands.create import Creator
from nunatak.services.commands.creation import ServiceCreation
from nunatak.services.commands.deploy import Deployments
from nunatak.services.commands.warehouse import WarehouseModels
from nunatak.services.control import ControlPlane, Reconcilers, Work
from nunatak.services.model.changes import Changes
from nunatak.services.model.instance_spec import InstanceSpecs
from nunatak.services.model.operations import Operations
from nunatak.services.model.owner_rights import OwnerRights
from nunatak.services.model.ports import Builder, LoadSource, ModelSource
from nunatak.services.model.runtime_config import LiveSource
from nunatak.services.model.secret_uses import SecretReader
from nunatak.services.model.snapshot import Snapshots
from nunatak.services.reconcile.builds import BuildReconciler
from nunatak.services.reconcile.instance_loads import InstanceLoads
from nunatak.services.reconcile.launch import InstanceLauncher
from nunatak.services.reconcile.loads import LoadBook
from nunatak.services.reconcile.parking import parking_policy
from nunatak.services.reconcile.parking_lot import ParkingLot
from nunatak.services.reconcile.pools import PoolReconciler
from nunatak.services.reconcile.services import ServiceReconciler
from nunatak.services.reconcile.warehouse import LOAD_LIMIT_S, ModelCache
from nunatak.services.watching.logs import Logs
from nunatak.services.watching.metrics import InstanceMetricsClient, MetricsBook, MetricSource
from nunatak.services.watching.monitor import Monitor, ShownServices

BUILD_THREADS = 4
LAUNCH_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The backends of instances: a runtime, a builder of images, model versions, and the secrets
    that they are handed."""

    runtime: Runtime
    builder: Builder
    models: ModelSource
    secrets: SecretReader
    allows: Callable[[str, Requirement], bool]
    """Whether a role meets a requirement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The probes: what asks instances for their load and their counters, and the machine for its
    memory."""

    loads: LoadSource = field(default_factory=InstanceLoads)
    metrics: MetricSource = field(default_factory=InstanceMetricsClient)
    free_memory: Callable[[], int] = free_memory_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The faces of this package, one for each kind of caller."""

    control: ControlPlane
    commands: ServiceCommands
    creator: Creator
    deployments: Deployments
    monitor: Monitor
    shown: ShownServices
    logs: Logs
    inputs: LiveSource
    owners: OwnerRights
    changes: Changes
    routes: Routes
    addresses: Addresses
    warehouse: WarehouseCalls
    families: Families
    machine: Machine


@dataclass(frozen=True, slots=True)
class _Ground:
    """The common parts that nearly every other is made of."""

    settings: Settings
    snapshots: Snapshots
    backends: Backends
    probes: Probes
    changes: Changes
    work: Work


def assemble_services(
    settings: Settings, snapshots: Snapshots, backends: Backends, probes: Probes
) -> Services:
    """Put everything together; nothing runs before `ControlPlane.start`."""
    changes = Changes()
    building = Operations("build", threads=BUILD_THREADS, changes=changes)
    launching = Operations("launch", threads=LAUNCH_THREADS, changes=changes)
    ground = _Ground(settings, snapshots, backends, probes, changes, Work(building, launching))
    creation = ServiceCreation(snapshots, check_confinement=backends.runtime.check_confinement)
    commands = ServiceCommands(snapshots.catalog, changes)
    routes = Routes(changes=changes, wake=commands.wake)
    addresses = Addresses(settings)
    inputs, owners, monitor = _inputs(ground), _owners(ground), _monitor(ground)
    launcher = _launcher(ground, inputs, owners, addresses=addresses, monitor=monitor)
    control = ControlPlane(
        _reconcilers(ground, launcher, routes),
        work=ground.work,
        runtime=backends.runtime,
        monitor=monitor,
        changes=changes,
    )
    return Services(
        control=control,
        commands=commands,
        creator=Creator(snapshots.catalog, creation, changes=changes, secrets=backends.secrets),
        deployments=Deployments(
            snapshots.catalog,
            creation,
            builder=backends.builder,
            models=backends.models,
            changes=changes,
        ),
        monitor=monitor,
        shown=ShownServices(snapshots.catalog, monitor),
        logs=Logs(snapshots.catalog, runtime=backends.runtime, builds=settings.folder("builds")),
        inputs=inputs,
        owners=owners,
        changes=changes,
        routes=routes,
        addresses=addresses,
        warehouse=_warehouse_calls(ground, creation, routes),
        families=snapshots.families,
        machine=snapshots.machine,
    )


def _inputs(ground: _Ground) -> LiveSource:
    backends = ground.backends
    return LiveSource(
        catalog=ground.snapshots.catalog, runtime=backends.runtime, secrets=backends.secrets
    )


def _owners(ground: _Ground) -> OwnerRights:
    backends = ground.backends
    return OwnerRights(
        ground.snapshots.catalog,
        backends.models,
        secrets=backends.secrets,
        allows=backends.allows,
    )


def _monitor(ground: _Ground) -> Monitor:
    return Monitor(
        ground.snapshots,
        ground.backends.runtime,
        metrics=MetricsBook(ground.probes.metrics, clock=ground.snapshots.catalog.clock),
        changes=ground.changes,
    )


def _launcher(
    ground: _Ground,
    inputs: LiveSource,
    owners: OwnerRights,
    *,
    addresses: Addresses,
    monitor: Monitor,
) -> InstanceLauncher:
    settings, backends = ground.settings, ground.backends
    specs = InstanceSpecs(
        backends.models,
        inputs,
        owners,
        platform=addresses.environment,
        environments=settings.home / "environments",
    )
    parking = ParkingLot(
        policy=parking_policy(settings.limits),
        machine=ground.snapshots.machine,
        free_memory=ground.probes.free_memory,
        runtime=backends.runtime,
        operations=ground.work.launching,
    )
    return InstanceLauncher(
        ground.snapshots,
        backends.runtime,
        operations=ground.work.launching,
        specs=specs,
        parking=parking,
        count_last=monitor.count_last,
    )


def _reconcilers(ground: _Ground, launcher: InstanceLauncher, routes: Routes) -> Reconcilers:
    snapshots, backends = ground.snapshots, ground.backends
    loads, bound = LoadBook(ground.probes.loads), ground.settings.limits.warehouse_models
    builds = BuildReconciler(
        catalog=snapshots.catalog,
        snapshots=snapshots,
        builder=backends.builder,
        models=backends.models,
        operations=ground.work.building,
        folder=ground.settings.folder("builds"),
    )
    services = ServiceReconciler(
        snapshots,
        launcher,
        builder=backends.builder,
        loads=loads,
        publisher=RoutePublisher(backends.models, routes),
        model_cache=ModelCache(models=backends.models, loads=loads, routes=routes, bound=bound),
    )
    pools = PoolReconciler(catalog=snapshots.catalog, snapshots=snapshots)
    return Reconcilers(pools, builds, services)


def _warehouse_calls(ground: _Ground, creation: ServiceCreation, routes: Routes) -> WarehouseCalls:
    limits = ground.settings.limits
    models = WarehouseModels(
        ground.snapshots,
        creation=creation,
        builder=ground.backends.builder,
        changes=ground.changes,
        limits=limits,
    )
    wait_limit_s = limits.build_s + LOAD_LIMIT_S
    return WarehouseCalls(routes, ground.changes, models.want, wait_limit_s=wait_limit_s)
