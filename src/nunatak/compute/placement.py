"""Placement of instances: packing requests on nodes. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nunatak.compute.resources import Resources

UNSCHEDULABLE = "Unschedulable due to insufficient resources"


@dataclass(frozen=True, slots=True)
class Request:
    """The need of one instance. Without `resources` it takes a node for itself."""

    id: str
    resources: Resources | None

    def on(self, capacity: Resources) -> Resources:
        """Resources that it takes of a node of that capacity."""
        return capacity if self.resources is None else self.resources


@dataclass(frozen=True, slots=True)
class Node:
    """A node and what is free on it."""

    id: str
    capacity: Resources
    free: Resources


@dataclass(frozen=True, slots=True)
class Placement:
    """The node of each request, and the requests that must wait for capacity."""

    assigned: Mapping[str, str]
    waiting: tuple[Request, ...]


def place(requests: Sequence[Request], nodes: Iterable[Node]) -> Placement:
    """Give each request, in the given order, the node where the least is left over.

    Full nodes are filled before empty ones, so that empty ones can be released. A request that
    does not fit waits and does not hold up those behind it.
    """
    free = {node.id: node for node in nodes}
    assigned: dict[str, str] = {}
    waiting: list[Request] = []
    for request in requests:
        fitting = [node for node in free.values() if request.on(node.capacity).fits(node.free)]
        if not fitting:
            waiting.append(request)
            continue
        node = min(fitting, key=lambda node: (node.free.gpus, node.free.cpus, node.id))
        taken = request.on(node.capacity)
        free[node.id] = Node(node.id, node.capacity, node.free - taken)
        assigned[request.id] = node.id
    return Placement(assigned, tuple(waiting))


def nodes_needed(waiting: Sequence[Request], capacity: Resources, *, limit: int) -> int:
    """Number of further nodes that the waiting requests would fill, at most `limit`; requests that
    fit on no node of that capacity ask for none."""
    possible = [request for request in waiting if request.on(capacity).fits(capacity)]
    for count in range(limit + 1):
        nodes = [Node(f"new-{index}", capacity, capacity) for index in range(count)]
        if not place(possible, nodes).waiting:
            return count
    return limit


def pick_gpus(count: int, *, all_gpus: Iterable[int], taken: Iterable[int]) -> tuple[int, ...]:
    """The lowest free GPU numbers; fewer than `count` when there are not enough."""
    used = set(taken)
    return tuple(sorted(index for index in all_gpus if index not in used))[:count]
