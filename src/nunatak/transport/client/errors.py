"""Errors between a caller and an instance, whoever the caller is.

CallError
├── InstanceLost     it cannot be reached, or went away before it had answered
│   └── NobodyListens    nothing has its address: it is starting, or has ended
├── CallTimedOut     it did not answer in time
└── CallCancelled    the caller did not want the answer any more
"""


class CallError(Exception):
    """A request has no answer; the text says why, for people, without a full stop."""


class InstanceLost(CallError):
    """The instance cannot be reached, or went away before it had answered."""


class NobodyListens(InstanceLost):
    """The instance's address has nobody who listens."""


class CallTimedOut(CallError):
    """The instance did not answer in time."""


class CallCancelled(CallError):
    """The caller broke the request off."""
