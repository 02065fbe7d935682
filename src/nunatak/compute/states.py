"""The states of a compute pool."""

from __future__ import annotations

from enum import StrEnum

from nunatak.catalog.states import StateMachine


class PoolState(StrEnum):
    """The vendor's words for the state of a compute pool."""

    STARTING = "STARTING"
    IDLE = "IDLE"
    ACTIVE = "ACTIVE"
    RESIZING = "RESIZING"
    STOPPING = "STOPPING"
    SUSPENDED = "SUSPENDED"


_STOP = "it is suspended by its owner, or by itself after its idle time"
POOLS = StateMachine(
    states=PoolState,
    initial=frozenset({PoolState.STARTING, PoolState.SUSPENDED}),
    transitions={
        PoolState.STARTING: {
            PoolState.IDLE: "its nodes are there and nothing runs on them",
            PoolState.ACTIVE: "its nodes are there and work waits or runs",
            PoolState.STOPPING: _STOP,
        },
        PoolState.IDLE: {
            PoolState.ACTIVE: "work was placed on it",
            PoolState.RESIZING: "demand or its limits ask for another number of nodes",
            PoolState.STOPPING: _STOP,
        },
        PoolState.ACTIVE: {
            PoolState.IDLE: "the last work ended",
            PoolState.RESIZING: "demand or its limits ask for another number of nodes",
            PoolState.STOPPING: _STOP,
        },
        PoolState.RESIZING: {
            PoolState.IDLE: "its nodes are there and nothing runs on them",
            PoolState.ACTIVE: "its nodes are there and work waits or runs",
            PoolState.STOPPING: _STOP,
        },
        PoolState.STOPPING: {
            PoolState.SUSPENDED: "the last work on it ended and its nodes are released",
            PoolState.STARTING: "it is resumed before its work ended",
        },
        PoolState.SUSPENDED: {
            PoolState.STARTING: "it is resumed, by its owner or by work that needs it",
        },
    },
)

RUNNING = frozenset({PoolState.IDLE, PoolState.ACTIVE, PoolState.RESIZING})
"""States in which a pool has nodes that take work."""
