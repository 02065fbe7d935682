"""The states of builds, services and instances, in the vendor's words."""

from __future__ import annotations

from enum import StrEnum

from nunatak.catalog.states import StateMachine


class BuildState(StrEnum):
    """A job service that builds an image, or any other job."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class ServiceState(StrEnum):
    """A service that answers requests."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    SUSPENDING = "SUSPENDING"
    SUSPENDED = "SUSPENDED"
    DELETING = "DELETING"


class InstanceState(StrEnum):
    """The state of a running copy of a service."""

    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"
    TERMINATING = "TERMINATING"


BUILDS = StateMachine(
    states=BuildState,
    initial=frozenset({BuildState.PENDING}),
    transitions={
        BuildState.PENDING: {
            BuildState.RUNNING: "its pool has nodes and a place to build is free",
            BuildState.FAILED: "it cannot begin, for example because its model is gone",
            BuildState.CANCELLED: "it is cancelled or dropped before it began",
        },
        BuildState.RUNNING: {
            BuildState.DONE: "the image is stored under its digest",
            BuildState.FAILED: "the environment could not be made; the message says why",
            BuildState.CANCELLING: "it is cancelled or dropped while it runs",
            BuildState.PENDING: "the server stopped meanwhile; it begins again",
        },
        BuildState.CANCELLING: {
            BuildState.CANCELLED: "the build has stopped",
            BuildState.DONE: "it ended well before it could be stopped",
        },
    },
)

_SUSPEND = "ALTER SERVICE … SUSPEND, its idle time, or its pool is suspended"
_DROP = "DROP SERVICE"
SERVICES = StateMachine(
    states=ServiceState,
    initial=frozenset({ServiceState.PENDING}),
    transitions={
        ServiceState.PENDING: {
            ServiceState.RUNNING: "enough instances are ready",
            ServiceState.FAILED: "its build failed, or its instances fail again and again",
            ServiceState.SUSPENDING: _SUSPEND,
            ServiceState.DELETING: _DROP,
        },
        ServiceState.RUNNING: {
            ServiceState.PENDING: "too few instances are ready",
            ServiceState.FAILED: "its instances fail again and again",
            ServiceState.SUSPENDING: _SUSPEND,
            ServiceState.DELETING: _DROP,
        },
        ServiceState.FAILED: {
            ServiceState.PENDING: "a new build, or another start is tried",
            ServiceState.RUNNING: "enough instances are ready after all",
            ServiceState.SUSPENDING: _SUSPEND,
            ServiceState.DELETING: _DROP,
        },
        ServiceState.SUSPENDING: {
            ServiceState.SUSPENDED: "the last instance has stopped or is parked",
            ServiceState.PENDING: "it is resumed before it was suspended",
            ServiceState.DELETING: _DROP,
        },
        ServiceState.SUSPENDED: {
            ServiceState.PENDING: "ALTER SERVICE … RESUME, or a call wakes it",
            ServiceState.DELETING: _DROP,
        },
    },
)

INSTANCES = StateMachine(
    states=InstanceState,
    initial=frozenset({InstanceState.PENDING}),
    transitions={
        InstanceState.PENDING: {
            InstanceState.READY: "every worker has loaded the model",
            InstanceState.FAILED: "it ended, or could not be started",
            InstanceState.TERMINATING: "it is not wanted any more",
        },
        InstanceState.READY: {
            InstanceState.PENDING: "its readiness probe fails",
            InstanceState.FAILED: "it ended",
            InstanceState.TERMINATING: "it is not wanted any more",
        },
        InstanceState.FAILED: {
            InstanceState.PENDING: "it is started again, after a pause that doubles",
            InstanceState.TERMINATING: "it is not wanted any more",
        },
    },
)
"""A terminating instance has nothing after it: its record goes when its process is gone."""
