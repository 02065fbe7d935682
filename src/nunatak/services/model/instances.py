"""Instances: what the catalog keeps of one, and what its next state is. Pure functions."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.documents import Document, declare
from nunatak.catalog.states import StatusDocument
from nunatak.compute.placement import UNSCHEDULABLE
from nunatak.compute.runtime import Observed, Phase
from nunatak.moments import elapsed_s
from nunatak.services.model.spec import INSTANCE_KIND, PORT
from nunatak.services.model.states import InstanceState

BACKOFF_FIRST_S = 2.0
BACKOFF_LIMIT_S = 300.0
CALM_S = 600.0
"""An instance that was ready for so long has its failures forgiven."""
UNREADY_AFTER_S = 10.0
"""A ready instance may fail its probe for so long, as a busy machine makes it, and stays ready."""
UNHEALTHY_LIMIT_S = 300.0
"""An instance that stays unready for so long after it was ready is started anew."""
LOAD_FAILURE_S = 20.0
"""Workers go on trying to load a model; after so long without success it counts as failed."""
CRASH_LOOP = 3
"""Failures in a row after which a service without a ready instance counts as failed."""
DRAIN_S = 30.0
MOMENTS = ("asked", "placed", "started", "listening", "loaded", "ready", "first_answer")
"""What a start goes through: the service was asked to run, a node was found, the runtime was asked,
the inference server listened, the model was in memory, every worker had it, a call was answered."""
_AGAIN = "\nIt is started again after"
_UNLOADABLE = "The model cannot be loaded: "
LOOK_S = 1.0
"""Instances are looked at so often, at least."""
_STARTING_LOOK_S = 0.05
_WAKING_LOOK_S = 0.02
_STARTING_LOOK_SHARE = 0.025


class DesiredInstance(Document, frozen=True, kw_only=True):
    """The desired state of an instance. `image` is a digest; `revision` its service's."""

    pool: str
    image: str
    revision: int


class InstanceStatus(StatusDocument, frozen=True, kw_only=True):
    """The actual state of an instance. Times are seconds since the epoch."""

    state: InstanceState = InstanceState.PENDING
    node: str | None = None
    gpus: tuple[int, ...] = ()
    started: bool = False
    """The runtime was asked to start it and was not asked to stop it."""
    started_at: float | None = None
    ready_at: float | None = None
    unhealthy_at: float | None = None
    load_failed_at: float | None = None
    """Since when the workers say that they cannot load the model."""
    failed_at: float | None = None
    failures: int = 0
    """Failures since it was last well for long."""
    restarts: int = 0
    last_exit_code: int | None = None
    restarted_at: float | None = None
    runtime_id: str | None = None
    """The parked instance that it took; None when it was started as one of its own."""
    moments: Mapping[str, float] = {}
    """When its latest start came to each of `MOMENTS`."""
    parked: bool = False
    """Its model was in memory before it was asked for."""


declare(INSTANCE_KIND, spec=DesiredInstance, status=InstanceStatus)


def backoff_s(failures: int) -> float:
    """The pause before another start: it doubles with every failure, up to a limit."""
    doublings = min(max(failures - 1, 0), 32)
    return float(min(BACKOFF_FIRST_S * 2**doublings, BACKOFF_LIMIT_S))


def next_status(
    status: InstanceStatus, observed: Observed | None, *, log_tail: str, now: float
) -> InstanceStatus:
    """Status to be written about an instance after a look at it.

    `log_tail` are the last lines of its log, shown when it failed.
    """
    if status.state is InstanceState.TERMINATING:
        return status
    if status.state is InstanceState.FAILED:
        return _again(status, now=now)
    if status.node is None:
        return replace(status, message=UNSCHEDULABLE)
    if not status.started:
        return replace(status, message="Waiting to start")
    if observed is None:
        return _failed(status, "The instance is gone.", None, now=now)
    match observed.phase:
        case Phase.EXITED:
            text = exit_text(observed, log_tail=log_tail)
            return _failed(status, text, observed.exit_code, now=now)
        case Phase.READY:
            return _ready(status, observed, now=now)
        case Phase.PARKED:
            return _asleep(status)
        case _ if observed.failure:
            return _unloadable(status, observed, log_tail=log_tail, now=now)
        case _:
            return _unready(status, observed, now=now)


def restart_due(status: InstanceStatus, *, now: float) -> bool:
    """Whether the pause after a failure is over."""
    if status.failed_at is None:
        return False
    return elapsed_s(status.failed_at, now=now) >= backoff_s(status.failures)


def look_again_s(status: InstanceStatus, *, now: float) -> float:
    """Seconds until an instance is looked at again.

    One that starts is looked at often, since a request may wait for it, but the longer it takes
    the less often: what the looks add to its start stays a small share of it.
    """
    if not status.started or status.started_at is None or status.ready_at is not None:
        return LOOK_S
    share = _STARTING_LOOK_SHARE * elapsed_s(status.started_at, now=now)
    return min(LOOK_S, max(_WAKING_LOOK_S if status.runtime_id else _STARTING_LOOK_S, share))


def start_failure(status: InstanceStatus, *, limit_s: float, now: float) -> str:
    """Reason why the start of an instance that was not ready yet has failed, for those who would
    wait for no second one; empty while it may succeed. After `limit_s` it has."""
    if status.failures or status.load_failed_at is not None:
        return status.message.partition(_AGAIN)[0].removeprefix(_UNLOADABLE)
    if (
        status.started_at is None
        or status.ready_at is not None
        or now - status.started_at < limit_s
    ):
        return ""
    return f"It was not loaded within {limit_s:g} s."


def placed(status: InstanceStatus, before: InstanceStatus, *, now: float) -> InstanceStatus:
    """The status with the moment at which the instance was given a node, if that was just now."""
    if status.node is None or before.node is not None:
        return status
    return replace(status, moments={**status.moments, "placed": now})


def answered(status: InstanceStatus, first_answer_at: float) -> InstanceStatus:
    """The status with the moment of the first answer since the latest start; 0.0: none yet."""
    started_at = status.moments.get("started")
    if started_at is None or first_answer_at < started_at or "first_answer" in status.moments:
        return status
    return replace(status, moments={**status.moments, "first_answer": first_answer_at})


def starting(status: InstanceStatus, *, parked_id: str | None, now: float) -> InstanceStatus:
    """Status to be written before the runtime is asked to start an instance, or to wake the parked
    one of that id in its place."""
    before = {name: status.moments[name] for name in ("asked", "placed") if name in status.moments}
    return replace(
        status,
        started=True,
        started_at=now,
        runtime_id=parked_id or status.runtime_id,
        moments={**before, "started": now},
        parked=False,
    )


def not_woken(status: InstanceStatus, text: str) -> InstanceStatus:
    """Status to be written about an instance whose parked one is of no use: it starts anew."""
    return replace(
        status,
        started=False,
        runtime_id=None,
        message=f"The parked instance is of no use, so another one is started. {text}",
    )


def start_failed(status: InstanceStatus, text: str, *, now: float) -> InstanceStatus:
    """Status to be written about an instance that the runtime could not start."""
    return _failed(status, text, None, now=now)


def exit_text(observed: Observed, *, log_tail: str) -> str:
    """Reason why an instance ended, what to do, and the last lines of its log."""
    if observed.out_of_memory:
        text = (
            "The instance ran out of memory. Every worker holds a copy of the model: lower "
            "num_workers, or ask for more memory (memory_requests, or a larger instance family)."
        )
    elif observed.exit_code is None:
        text = "The instance ended while nobody watched it."
    elif observed.exit_code < 0:
        text = f"The instance was ended by {_signal_name(-observed.exit_code)}."
    else:
        text = f"The instance ended with exit code {observed.exit_code}."
    detail = f" {observed.detail}" if observed.detail and not observed.out_of_memory else ""
    return f"{text}{detail}{_tail(log_tail)}"


def _tail(log_tail: str) -> str:
    return f"\nLast lines of its log:\n{log_tail.strip()}" if log_tail.strip() else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _failed(status: InstanceStatus, text: str, code: int | None, *, now: float) -> InstanceStatus:
    failures = status.failures + 1
    return replace(
        status,
        state=InstanceState.FAILED,
        message=f"{text}{_AGAIN} {backoff_s(failures):g} s.",
        started=False,
        ready_at=None,
        unhealthy_at=None,
        load_failed_at=None,
        failed_at=now,
        failures=failures,
        last_exit_code=code,
        moments={},
    )


def _again(status: InstanceStatus, *, now: float) -> InstanceStatus:
    if not restart_due(status, now=now):
        return status
    return replace(
        status,
        state=InstanceState.PENDING,
        message="Waiting to start",
        restarts=status.restarts + 1,
        restarted_at=now,
        moments={"asked": now, "placed": now},
    )


def _asleep(status: InstanceStatus) -> InstanceStatus:
    """It is parked though it is wanted, as when the server died before it could wake it."""
    return replace(
        status,
        state=InstanceState.PENDING,
        message="The instance is parked; it is woken.",
        started=False,
        ready_at=None,
    )


def _ready(status: InstanceStatus, observed: Observed, *, now: float) -> InstanceStatus:
    ready_at = status.ready_at or observed.ready_at or now
    calm = elapsed_s(ready_at, now=now) >= CALM_S
    return replace(
        status,
        state=InstanceState.READY,
        message="Running",
        started_at=observed.started_at or status.started_at,
        ready_at=ready_at,
        unhealthy_at=None,
        load_failed_at=None,
        failures=0 if calm else status.failures,
        **_told(status, observed),
    )


def _told(status: InstanceStatus, observed: Observed) -> dict[str, Any]:
    """Parts of a status that a ready instance tells of its start."""
    told = observed.milestones
    if told is None:
        return {}
    found = {"listening": told.listening, "loaded": told.loaded, "ready": told.ready}
    moments = {**status.moments, **{name: at for name, at in found.items() if at is not None}}
    return {"moments": moments, "parked": told.parked}


def _unready(status: InstanceStatus, observed: Observed, *, now: float) -> InstanceStatus:
    since = status.unhealthy_at
    if observed.phase is Phase.UNHEALTHY and since is None:
        since = now
    unhealthy_s = None if since is None else elapsed_s(since, now=now)
    if unhealthy_s is not None and unhealthy_s >= UNHEALTHY_LIMIT_S:
        text = f"The instance did not become ready again within {UNHEALTHY_LIMIT_S:g} s."
        return _failed(status, f"{text} {observed.detail}", None, now=now)
    is_ready = status.state is InstanceState.READY
    if is_ready and unhealthy_s is not None and unhealthy_s < UNREADY_AFTER_S:
        return replace(status, unhealthy_at=since)
    probe = f"Readiness probe is failing at path: /healthz, port: {PORT}"
    return replace(
        status,
        state=InstanceState.PENDING,
        message=f"{probe}. {observed.detail}" if observed.detail else probe,
        ready_at=None,
        unhealthy_at=since,
    )


def _unloadable(
    status: InstanceStatus, observed: Observed, *, log_tail: str, now: float
) -> InstanceStatus:
    """Its workers end while they load the model; they are started again and again by itself."""
    since = now if status.load_failed_at is None else status.load_failed_at
    lasting = elapsed_s(since, now=now) >= LOAD_FAILURE_S
    return replace(
        status,
        state=InstanceState.PENDING,
        message=f"{_UNLOADABLE}{observed.failure}{_tail(log_tail)}",
        ready_at=None,
        load_failed_at=since,
        failures=max(status.failures, CRASH_LOOP) if lasting else status.failures,
    )
