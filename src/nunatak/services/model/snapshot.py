"""Pools, services, builds and instances as they are in the catalog at one moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.store import Catalog, Record, Transaction
from nunatak.compute import pools
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine, node_capacity
from nunatak.compute.placement import Node, Request, place
from nunatak.compute.pools import Demand, PoolSpec, PoolStatus
from nunatak.compute.resources import Resources
from nunatak.models.versions import MODEL
from nunatak.services.model import functions
from nunatak.services.model.instances import DesiredInstance, InstanceStatus
from nunatak.services.model.spec import (
    INSTANCE_KIND,
    KIND,
    WAREHOUSE_KIND,
    WAREHOUSE_POOL_KIND,
    BuildSpec,
    BuildStatus,
    ImageRef,
    ServiceSpec,
    ServiceStatus,
    ServiceType,
    is_build,
)
from nunatak.services.model.states import BUILDS, SERVICES, BuildState, InstanceState, ServiceState

_SETTLED = frozenset({ServiceState.RUNNING, ServiceState.FAILED, ServiceState.SUSPENDED})


@dataclass(frozen=True)
class Pool:
    """A compute pool; `capacity` is what one of its nodes has on this machine."""

    record: Record
    capacity: Resources

    @cached_property
    def spec(self) -> PoolSpec:
        """Specification: what is wanted."""
        return PoolSpec.read(self.record.spec)

    @cached_property
    def status(self) -> PoolStatus:
        """Status: what is."""
        return PoolStatus.read(self.record.status)


@dataclass(frozen=True)
class Service:
    """A service that answers requests."""

    record: Record

    @cached_property
    def spec(self) -> ServiceSpec:
        """Specification: what is wanted."""
        return ServiceSpec.read(self.record.spec)

    @cached_property
    def status(self) -> ServiceStatus:
        """Status: what is."""
        return ServiceStatus.read(self.record.status)

    @property
    def state(self) -> ServiceState:
        """Its state."""
        return SERVICES.of(self.record)

    @property
    def message(self) -> str:
        """Reason for its state."""
        return self.status.message

    @property
    def is_settled(self) -> bool:
        """Whether it neither starts nor stops."""
        return self.state in _SETTLED

    @property
    def has_ended(self) -> bool:
        """Whether it does not become anything else by itself."""
        return self.state is ServiceState.FAILED

    @property
    def image(self) -> ImageRef | None:
        """The image that it runs; None until it is known."""
        return self.status.image

    @property
    def digest(self) -> str:
        """The digest of its image; empty until it is known."""
        return _digest(self.image)

    @property
    def in_warehouse(self) -> bool:
        """Whether it is a model version that the warehouse runs."""
        return self.spec.type is ServiceType.WAREHOUSE

    @property
    def title(self) -> str:
        """Its name for people: the service's, or the model's with its version."""
        if not self.in_warehouse:
            return self.record.key.title
        return f"{self.spec.model.model} version {self.spec.model.version}"

    @property
    def monitored_by(self) -> Requirement:
        """Requirement to watch it."""
        if self.in_warehouse:
            return Requirement("MONITOR", MODEL, str(self.spec.model.model))
        return Requirement("MONITOR", KIND, self.record.key.title)


@dataclass(frozen=True)
class Build:
    """A build job."""

    record: Record

    @property
    def for_warehouse(self) -> bool:
        """Whether it makes the image of a model version that the warehouse runs."""
        return self.record.key.kind == WAREHOUSE_KIND

    @cached_property
    def spec(self) -> BuildSpec:
        """Specification: what is wanted."""
        return BuildSpec.read(self.record.spec)

    @cached_property
    def status(self) -> BuildStatus:
        """Status: what is."""
        return BuildStatus.read(self.record.status)

    @property
    def state(self) -> BuildState:
        """Its state."""
        return BUILDS.of(self.record)

    @property
    def message(self) -> str:
        """Reason for its state."""
        return self.status.message

    @property
    def is_settled(self) -> bool:
        """Whether it has come to its end."""
        return BUILDS.is_final(self.state)

    has_ended = is_settled

    @property
    def digest(self) -> str:
        """The digest of the image that it made; empty until then."""
        return _digest(self.status.image)


def read_service(record: Record) -> Service | Build:
    """A service or a build job, whichever a record is of."""
    return Build(record) if is_build(record.spec) else Service(record)


def _digest(image: ImageRef | None) -> str:
    return "" if image is None else image.digest


@dataclass(frozen=True)
class Instance:
    """An instance of a service."""

    record: Record

    @cached_property
    def spec(self) -> DesiredInstance:
        """Specification that it was created for."""
        return DesiredInstance.read(self.record.spec)

    @cached_property
    def status(self) -> InstanceStatus:
        """Status: what it is."""
        return InstanceStatus.read(self.record.status)

    @property
    def service_id(self) -> int:
        """Whose it is."""
        return self.record.key.parent_id

    @property
    def runtime_id(self) -> str:
        """Its name for the runtime: that of the parked instance that it took, or one of its own,
        which no other instance ever has."""
        return self.status.runtime_id or runtime_id(self.record)

    @property
    def alive(self) -> bool:
        """It is not being stopped."""
        return self.status.state is not InstanceState.TERMINATING


def runtime_id(record: Record) -> str:
    """The runtime's name of an instance."""
    return f"{record.key.parent_id}-{record.id}"


@dataclass(frozen=True)
class Snapshot:
    """The state that the reconcilers decide on, read in one transaction. What the warehouse runs is
    among it, with its pool; see `shown_pools` and `shown_services`."""

    pools: Mapping[str, Pool]
    services: tuple[Service, ...]
    builds: tuple[Build, ...]
    instances: tuple[Instance, ...]
    functions: tuple[Record, ...] = ()
    """Functions that users made on services."""

    @classmethod
    def read(cls, tx: Transaction, families: Families, machine: Machine) -> Snapshot:
        """From the catalog."""
        found = [
            Pool(record, capacity_of(record, families, machine))
            for kind in (pools.KIND, WAREHOUSE_POOL_KIND)
            for record in tx.list_kind(kind)
        ]
        records = [*tx.list_kind(KIND), *tx.list_kind(WAREHOUSE_KIND)]
        return cls(
            {pool.record.name: pool for pool in found},
            tuple(Service(record) for record in records if not is_build(record.spec)),
            tuple(Build(record) for record in records if is_build(record.spec)),
            tuple(Instance(record) for record in tx.list_kind(INSTANCE_KIND)),
            tuple(tx.list_kind(functions.KIND)),
        )

    @property
    def shown_pools(self) -> dict[str, Pool]:
        """The compute pools, by name."""
        return {
            name: pool for name, pool in self.pools.items() if pool.record.key.kind == pools.KIND
        }

    @property
    def shown_services(self) -> list[Record]:
        """The services and jobs that statements know."""
        records = [item.record for item in self.services]
        records += [item.record for item in self.builds]
        return [record for record in records if record.key.kind == KIND]

    def instances_of(self, service: Service) -> list[Instance]:
        """The instances of a service, in the order of their numbers."""
        mine = [item for item in self.instances if item.service_id == service.record.id]
        return sorted(mine, key=lambda item: int(item.record.name))

    def build_of(self, service: Service) -> Build | None:
        """The build that a service waits for."""
        if service.spec.build is None:
            return None
        name = service.record.qualified.sibling(service.spec.build)
        return next((build for build in self.builds if build.record.qualified == name), None)

    def service_of(self, instance: Instance) -> Service | None:
        """The service of an instance."""
        wanted = instance.service_id
        return next((item for item in self.services if item.record.id == wanted), None)

    def request_of(self, instance: Instance) -> Request:
        """Request of an instance to a node."""
        service, pool = self.service_of(instance), self.pools.get(instance.spec.pool)
        resources = (
            service.spec.requested.on(pool.capacity)
            if service is not None and pool is not None
            else None
        )
        return Request(instance.runtime_id, resources)

    def nodes_of(self, pool: Pool) -> list[Node]:
        """The pool's nodes with what their instances leave free; stopping ones hold theirs."""
        return [
            Node(node.id, pool.capacity, pool.capacity - self._used(pool, node.id))
            for node in pool.status.nodes
        ]

    def _used(self, pool: Pool, node: str) -> Resources:
        used = Resources()
        for item in self.instances:
            if item.spec.pool == pool.record.name and item.status.node == node:
                used = used + self.request_of(item).on(pool.capacity)
        return used

    def demand(self, pool: str) -> Demand:
        """Demand on a pool now; instances for which its nodes have room do not wait."""
        here = [item for item in self.instances if item.spec.pool == pool]
        homeless = [item for item in here if item.status.node is None and item.alive]
        found = self.pools.get(pool)
        nodes = self.nodes_of(found) if found is not None else []
        waiting = place([self.request_of(item) for item in homeless], nodes).waiting
        wanting = (ServiceState.PENDING, ServiceState.RUNNING, ServiceState.SUSPENDING)
        return Demand(
            waiting=waiting,
            used_nodes=frozenset(item.status.node for item in here if item.status.node),
            jobs=sum(
                build.spec.pool == pool and not BUILDS.is_final(build.state)
                for build in self.builds
            ),
            services=sum(
                service.spec.pool == pool
                and not service.spec.suspended
                and service.state in wanting
                for service in self.services
            ),
        )


class Snapshots:
    """The newest snapshot, read anew only when the catalog has changed; from any thread.

    Most looks of the reconcilers find nothing new, and each would take the interpreter from
    requests for as long as it reads.
    """

    def __init__(self, catalog: Catalog, families: Families, machine: Machine) -> None:
        self.catalog = catalog
        self.families = families
        self.machine = machine
        self._lock = threading.Lock()
        self._read: tuple[int, Snapshot] | None = None

    def newest(self) -> tuple[Snapshot, float]:
        """Everything as it is now, and the catalog's time."""
        with self._lock:
            commits = self.catalog.database.commits
            if self._read is None or self._read[0] != commits:
                with self.catalog.read() as tx:
                    self._read = (commits, Snapshot.read(tx, self.families, self.machine))
            return self._read[1], self.catalog.clock()

    def pool(self, record: Record) -> Pool:
        """A pool by its record."""
        return Pool(record, capacity_of(record, self.families, self.machine))


def capacity_of(record: Record, families: Families, machine: Machine) -> Resources:
    """Resources of one node of a pool on this machine; where the warehouse's models run, all that
    the machine has but its GPUs."""
    if record.key.kind == WAREHOUSE_POOL_KIND:
        return Resources(machine.cpus, machine.memory_bytes)
    return node_capacity(families.get(PoolSpec.read(record.spec).instance_family), machine)
