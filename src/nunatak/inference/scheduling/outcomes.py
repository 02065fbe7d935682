"""Outcomes of requests, as they show on the wire and in the metrics."""

from collections.abc import Mapping

from nunatak.inference.core.errors import (
    BadInput,
    InferenceError,
    LoadFailed,
    ModelError,
    PoolStopped,
    Refused,
    RequestExpired,
    WorkerLost,
)
from nunatak.inference.scheduling.calls import Call, State

STATUS: Mapping[type[InferenceError], tuple[int, str]] = {
    BadInput: (400, "BAD_INPUT"),
    ModelError: (500, "MODEL_FAILED"),
    WorkerLost: (502, "WORKER_LOST"),
    RequestExpired: (504, "DEADLINE_EXCEEDED"),
    LoadFailed: (503, "LOAD_FAILED"),
    PoolStopped: (503, "STOPPING"),
    Refused: (503, "AT_CAPACITY"),
    InferenceError: (500, "INTERNAL"),
}
"""How each error shows on the wire; a subclass that is not listed shows as its base does."""


def outcome(call: Call) -> str:
    """The label of a call's end: its final state, or what kind of error it was answered with."""
    if call.state is not State.ANSWERED or call.error is None:
        return call.state
    return shown(call.error)[1].lower()


def shown(error: Exception | None) -> tuple[int, str, bytes]:
    """Status, code and further headers for an error."""
    if isinstance(error, Refused):
        extra = b"retry-after: %d\r\n" % error.retry_after_s
        return (429, "CALLER_SHARE", extra) if error.caller else (503, "AT_CAPACITY", extra)
    for base in type(error).__mro__:
        found = STATUS.get(base)
        if found is not None:
            extra = b"retry-after: 1\r\n" if found[0] == 503 else b""
            return (*found, extra)
    return (500, "INTERNAL", b"")
