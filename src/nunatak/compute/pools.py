"""Compute pools: what is wanted of one, how it is kept, and the decision of its next step.

A pool starts with MIN_NODES nodes, takes more up to MAX_NODES while work waits for room, releases
those that stood empty for a while, and suspends itself when nothing used it for long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from nunatak.catalog.documents import Document, DocumentPart, declare
from nunatak.catalog.states import StatusDocument
from nunatak.catalog.store import Key
from nunatak.compute.placement import Request, nodes_needed
from nunatak.compute.resources import Resources
from nunatak.compute.states import PoolState
from nunatak.errors import InvalidArgument
from nunatak.moments import elapsed_s

KIND = "COMPUTE_POOL"
NODE_IDLE_S = 300.0
"""A node beyond MIN_NODES is released after it stood empty for so long."""
USE_NOTED_S = 60.0
"""How often the use of a node is written down."""
AUTO_SUSPEND_S = 3600
NODES_LIMIT = 1000
NO_CAPACITY = 392507
NODE_LIMIT_REACHED = 392508
"""The vendor's numbers in DESCRIBE: no capacity; the node limit is reached and work waits."""


class PoolSpec(Document, frozen=True, kw_only=True):
    """The desired state of a pool; `auto_suspend_s` 0 means never."""

    min_nodes: int
    max_nodes: int
    instance_family: str
    auto_resume: bool = True
    auto_suspend_s: int = AUTO_SUSPEND_S
    suspended: bool = False
    placement_group: str | None = None
    backup_instance_families: tuple[str, ...] = ()
    application: str | None = None
    tags: Mapping[str, str] = {}
    """Values by the ids of TAG objects."""
    changed_by: str = ""
    """Who suspended or resumed it last, in words; empty before anybody did."""

    def __post_init__(self) -> None:
        if self.min_nodes < 1:
            raise InvalidArgument("MIN_NODES must be above 0.")
        if not self.min_nodes <= self.max_nodes <= NODES_LIMIT:
            raise InvalidArgument(
                f"MAX_NODES must be at least MIN_NODES ({self.min_nodes}) and at most "
                f"{NODES_LIMIT}."
            )
        if self.auto_suspend_s < 0:
            raise InvalidArgument("AUTO_SUSPEND_SECS must be 0 (never) or a number of seconds.")


class PoolNode(DocumentPart, frozen=True, kw_only=True):
    """A node. `used_at` is when something last ran on it. Times are seconds since the epoch."""

    id: str
    started_at: float
    used_at: float


class PoolStatus(StatusDocument, frozen=True, kw_only=True):
    """The actual state of a pool. `idle_since` is None while it is used or has no nodes."""

    state: PoolState
    nodes: tuple[PoolNode, ...] = ()
    target_nodes: int = 0
    next_node: int = 0
    idle_since: float | None = None
    resumed_on: float | None = None
    error_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The demand on a pool now."""

    waiting: Sequence[Request] = ()
    """Instances without a node."""
    used_nodes: frozenset[str] = frozenset()
    """Nodes with an instance, one that is being stopped included."""
    jobs: int = 0
    """Jobs that wait or run."""
    services: int = 0
    """Services that want at least one instance now."""

    @property
    def any(self) -> bool:
        """Whether something needs the pool."""
        return bool(self.waiting or self.used_nodes or self.jobs or self.services)


declare(KIND, spec=PoolSpec, status=PoolStatus)


def pool_key(name: str) -> Key:
    """Key of a pool in the catalog."""
    return Key(KIND, name)


def next_status(
    spec: PoolSpec, status: PoolStatus, demand: Demand, *, capacity: Resources, now: float
) -> PoolStatus:
    """One step of a pool. `capacity` is what one of its nodes has."""
    if spec.suspended and status.state is not PoolState.SUSPENDED:
        return _stopping(spec, status, demand)
    match status.state:
        case PoolState.SUSPENDED | PoolState.STOPPING:
            return status if spec.suspended else _starting(spec, status)
        case PoolState.STARTING | PoolState.RESIZING:
            return _with_nodes(spec, status, demand, capacity=capacity, now=now)
        case _:
            return _running(spec, status, demand, capacity=capacity, now=now)


def should_suspend(spec: PoolSpec, status: PoolStatus, *, now: float) -> bool:
    """Whether the pool's own idle time has come."""
    return (
        spec.auto_suspend_s > 0
        and not spec.suspended
        and status.state is PoolState.IDLE
        and status.idle_since is not None
        and elapsed_s(status.idle_since, now=now) >= spec.auto_suspend_s
    )


def _stopping(spec: PoolSpec, status: PoolStatus, demand: Demand) -> PoolStatus:
    if status.state is not PoolState.STOPPING:
        text = f"It is being suspended {spec.changed_by}".rstrip()
        text += ", and waits for the work on it to end."
        return replace(status, state=PoolState.STOPPING, message=text, target_nodes=0)
    if demand.used_nodes or demand.jobs:
        return status
    return replace(
        status,
        state=PoolState.SUSPENDED,
        message=_asleep(spec),
        nodes=(),
        idle_since=None,
        error_code=None,
    )


def _asleep(spec: PoolSpec) -> str:
    suspended = f"The compute pool was suspended {spec.changed_by}".rstrip()
    ways = "ALTER COMPUTE POOL … RESUME starts it"
    ways += ", and so does work that needs it." if spec.auto_resume else ": AUTO_RESUME is off."
    return f"{suspended}. {ways}"


def _starting(spec: PoolSpec, status: PoolStatus) -> PoolStatus:
    return replace(
        status,
        state=PoolState.STARTING,
        message="Compute pool node(s) are being provisioned.",
        target_nodes=spec.min_nodes,
    )


def _with_nodes(
    spec: PoolSpec, status: PoolStatus, demand: Demand, *, capacity: Resources, now: float
) -> PoolStatus:
    """Bring the number of nodes to the target."""
    keep = sorted(
        status.nodes, key=lambda node: (node.id not in demand.used_nodes, node.started_at)
    )
    target = max(status.target_nodes, len(demand.used_nodes))
    missing = max(0, target - len(keep))
    new = tuple(
        PoolNode(id=f"node-{status.next_node + index}", started_at=now, used_at=now)
        for index in range(missing)
    )
    resumed_on = now if status.state is PoolState.STARTING else status.resumed_on
    changed = replace(
        status,
        nodes=(*keep[:target], *new),
        next_node=status.next_node + missing,
        resumed_on=resumed_on,
    )
    return _settled(spec, changed, demand, capacity=capacity, now=now)


def _running(
    spec: PoolSpec, status: PoolStatus, demand: Demand, *, capacity: Resources, now: float
) -> PoolStatus:
    used = replace(
        status,
        nodes=tuple(
            replace(node, used_at=now)
            if node.id in demand.used_nodes and now - node.used_at >= USE_NOTED_S
            else node
            for node in status.nodes
        ),
    )
    target = _target(spec, used, demand, capacity=capacity, now=now)
    if target != len(status.nodes):
        text = f"Resizing from {len(status.nodes)} to {target} node(s)."
        return replace(used, state=PoolState.RESIZING, message=text, target_nodes=target)
    return _settled(spec, used, demand, capacity=capacity, now=now)


def _target(
    spec: PoolSpec, status: PoolStatus, demand: Demand, *, capacity: Resources, now: float
) -> int:
    """Number of nodes that the pool shall have."""
    present = len(status.nodes)
    free = max(0, spec.max_nodes - present)
    wanted = present + nodes_needed(demand.waiting, capacity, limit=free)
    if not demand.waiting:
        removable = [
            node
            for node in status.nodes
            if node.id not in demand.used_nodes and now - node.used_at >= NODE_IDLE_S
        ]
        surplus = max(0, present - spec.max_nodes)
        wanted -= max(surplus, min(len(removable), max(0, present - spec.min_nodes)))
    return min(max(wanted, spec.min_nodes, len(demand.used_nodes)), max(spec.max_nodes, 1))


def _settled(
    spec: PoolSpec, status: PoolStatus, demand: Demand, *, capacity: Resources, now: float
) -> PoolStatus:
    """IDLE or ACTIVE, and what there is to say about work that still waits."""
    code, text = _shortage(spec, status, demand, capacity=capacity)
    if demand.any:
        return replace(
            status,
            state=PoolState.ACTIVE,
            message=text or "The compute pool is in use.",
            target_nodes=len(status.nodes),
            idle_since=None,
            error_code=code,
        )
    return replace(
        status,
        state=PoolState.IDLE,
        message="The compute pool is idle.",
        target_nodes=len(status.nodes),
        idle_since=now if status.idle_since is None else status.idle_since,
        error_code=None,
    )


def _shortage(
    spec: PoolSpec, status: PoolStatus, demand: Demand, *, capacity: Resources
) -> tuple[int | None, str]:
    impossible = [request for request in demand.waiting if not request.on(capacity).fits(capacity)]
    if impossible:
        text = f"An instance needs {impossible[0].resources}; a node has {capacity}: ask for less,"
        return NO_CAPACITY, f"{text} or use a pool of a larger INSTANCE_FAMILY."
    if demand.waiting and len(status.nodes) >= spec.max_nodes:
        text = f"{len(demand.waiting)} instance(s) wait for room: MAX_NODES is {spec.max_nodes}."
        text += " Raise it, or suspend or drop what is not needed."
        return NODE_LIMIT_REACHED, text
    return None, ""
