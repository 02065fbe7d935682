"""Errors inside an instance. The HTTP edge maps these to status codes.

InferenceError
├── ModelError          the model itself raised; the caller's input or the model is at fault
├── WorkerLost          the process that computed the answer is gone, and so is its replacement
├── DeadlineExceeded    time ran out, in a named stage
├── LoadFailed          the model could not be loaded into any worker
├── PoolStopped         the pool is stopping or was never started
├── CannotPark          no process can keep the model in memory without workers
├── LayoutError         a batch does not fit a frame, or a frame holds no batch
├── ConfigError         the instance's configuration cannot be used
├── BadInput            a request's body or header does not say what the method needs
└── Refused             admission control turned the request away
"""


class InferenceError(Exception):
    """Base of every error of the inference server; its text is fit to be shown to a caller."""


class ModelError(InferenceError):
    """The model's own code raised.

    ``message`` is ``Type: text`` of the model's exception, ``traceback`` its bounded traceback
    from inside the model's process (may be empty; meant for logs, not for strangers).
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.traceback = traceback


class WorkerLost(InferenceError):
    """Two workers died in turn while they computed this batch; it may be what killed them."""


class RequestExpired(InferenceError):
    """The request's time ran out. ``stage`` says where: ``queued``, ``batched`` or ``running``."""

    def __init__(self, message: str, *, stage: str) -> None:
        super().__init__(message)
        self.stage = stage


class LoadFailed(InferenceError):
    """The model could not be loaded; the text carries the reason its process gave."""


class PoolStopped(InferenceError):
    """The pool takes no work: it has not been started, or it is being stopped."""


class CannotPark(InferenceError):
    """No process can keep the model in memory while there are no workers; the text says why."""


class LayoutError(InferenceError):
    """A batch does not fit into a frame, or the columns in a frame cannot be read."""


class ConfigError(InferenceError):
    """The instance's configuration cannot be used; the text names the entry."""


class BadInput(InferenceError):
    """The caller's input does not fit the method: the text says which row, column and type."""


class Refused(InferenceError):
    """Admission control turned the request away before anything was computed.

    ``caller`` is true when the caller holds more than its share while others wait, false when
    the instance is at its capacity. ``retry_after_s`` is when trying again makes sense.
    """

    def __init__(self, message: str, *, caller: bool, retry_after_s: int) -> None:
        super().__init__(message)
        self.caller = caller
        self.retry_after_s = retry_after_s
