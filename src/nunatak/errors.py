"""The error tree of the server.

    NunatakError
    ├── StatementError            a statement cannot run as it was written
    │   ├── SyntaxInvalid
    │   ├── Unsupported
    │   ├── InvalidIdentifier
    │   ├── InvalidArgument
    │   ├── NoCurrentContext
    │   ├── StatementCountDiffers
    │   ├── ObjectNotFound
    │   │   └── PlaceNotFound
    │   ├── RoleNotHeld
    │   ├── ObjectExists
    │   │   └── VersionExists
    │   ├── ObjectInUse
    │   ├── PrivilegeMissing
    │   ├── StageUnreadable
    │   └── QueryFailed
    │       └── NullRefused
    ├── ExecutionError            a statement was started and did not end well
    │   ├── QueryCancelled
    │   ├── QueryForgotten
    │   └── DeadlineExceeded
    ├── AccessError               who calls could not be established
    │   ├── LoginRefused
    │   │   └── RoleRefused
    │   ├── JwtRefused
    │   ├── TokenExpired
    │   └── TokenInvalid
    ├── ModelCallFailed           the model's own code raised, or could not be loaded
    ├── BuildFailed               an environment or image could not be made
    ├── ServiceUnavailable        no instance can answer now
    ├── ConfinementMissing        foreign code would run unconfined, and nobody asked for that
    └── LimitExceeded             a stated bound was reached
        └── DiskFull

Nothing here knows of HTTP or of SQL states: the edge maps classes to the wire in one table.
"""

from __future__ import annotations

MESSAGE_LIMIT_CHARS = 8_000
"""Longest message kept; a longer one is cut in the middle, because both ends tell most."""


class NunatakError(Exception):
    """Something the server refuses or could not do; the text says what to do next."""

    def __init__(self, message: str) -> None:
        super().__init__(_bounded(message))

    @property
    def message(self) -> str:
        """The text for the user."""
        return str(self.args[0])


class StatementError(NunatakError):
    """The statement cannot run as it was written."""


class SyntaxInvalid(StatementError):
    """The text is not a statement: check the place that the message names."""

    def __init__(self, message: str, *, line: int = -1, position: int = -1) -> None:
        super().__init__(message)
        self.line = line
        self.position = position


class Unsupported(StatementError):
    """The statement or a part of it is not offered by this server; the text names it."""


class InvalidIdentifier(StatementError):
    """A column or name in the statement refers to nothing."""


class InvalidArgument(StatementError):
    """A value in the statement is outside what is allowed; the text says what is."""


class NoCurrentContext(StatementError):
    """The name is not qualified and the session has no current database or schema."""


class StatementCountDiffers(StatementError):
    """A request holds more or fewer statements than it says."""


class ObjectNotFound(StatementError):
    """No such object, or it may not be seen with the current role."""

    def __init__(self, kind: str, name: str, *, hint: str = "") -> None:
        text = f"{kind} '{name}' does not exist or not authorized."
        super().__init__(f"{text} {hint}" if hint else text)
        self.kind = kind
        self.name = name


class PlaceNotFound(ObjectNotFound):
    """The place that a USE, or a SHOW … IN, points at is not there, or may not be seen."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            kind, name, hint="Object does not exist, or operation cannot be performed."
        )


class DatabaseDamaged(StatementError):
    """A database whose file cannot be read, or is gone: restore it from a backup, or drop it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"Database '{name}' is damaged: {reason}. Stop the server and put its file back from a "
            "backup, or remove it with DROP DATABASE."
        )


class RoleNotHeld(StatementError):
    """USE ROLE names a role that is not the user's: choose one that is."""


class ObjectExists(StatementError):
    """An object of that name is there already: choose another name, or OR REPLACE."""

    def __init__(self, kind: str, name: str, *, hint: str = "") -> None:
        text = f"{kind} '{name}' already exists."
        super().__init__(f"{text} {hint}" if hint else text)
        self.kind = kind
        self.name = name


class VersionExists(ObjectExists):
    """A service or a model version of that name is there already."""


class ObjectInUse(StatementError):
    """The object is used by others, which the text names; remove those first."""


class DependentGrants(StatementError):
    """Grants on an object whose owner is to change: end them or let them stay, in words."""


class PrivilegeMissing(StatementError):
    """The current role lacks the privilege that the text names."""


class StageUnreadable(StatementError):
    """A file of a stage could not be read: upload it again, then repeat the statement."""


class QueryFailed(StatementError):
    """The query engine refused the query or failed while it ran it."""


class NullRefused(QueryFailed):
    """A NULL for a column that takes none; the text names the column."""


class ExecutionError(NunatakError):
    """A statement was started and did not end well."""


class QueryCancelled(ExecutionError):
    """The query was cancelled, by its user or because its session ended."""


class QueryForgotten(ExecutionError):
    """The server does not know a query of that id (any more)."""


class DeadlineExceeded(ExecutionError):
    """The time that the request was given ran out; the text says in which stage."""


class AccessError(NunatakError):
    """The caller's identity could not be established."""


class LoginRefused(AccessError):
    """Incorrect username or password was specified."""


class RoleRefused(LoginRefused):
    """The role that a login names does not exist, or is not the user's."""


class DefaultRefused(LoginRefused):
    """A place that a login names does not exist, and the login asked to be told."""


class JwtRefused(AccessError):
    """The key-pair token was refused; `reason` is one of `REASONS`."""

    REASONS = ("invalid", "expired", "not_yet_valid", "fingerprint", "algorithm", "format")

    def __init__(self, message: str, *, reason: str = "invalid") -> None:
        super().__init__(message)
        self.reason = reason


class TokenExpired(AccessError):
    """The session token is past its time: renew it or log in again."""


class TokenInvalid(AccessError):
    """The token is unknown here, was revoked, or belongs to a closed session."""


class ModelCallFailed(NunatakError):
    """The model's own code raised an error, or the model could not be loaded."""


class BuildFailed(NunatakError):
    """An environment or image could not be made; the text names the package or the host."""


class ServiceUnavailable(NunatakError):
    """No instance can answer now; try again after `retry_after_s`."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConfinementMissing(NunatakError):
    """Models or builds would run unconfined and the operator has not asked for that: install
    bubblewrap, or start the server so."""


class LimitExceeded(NunatakError):
    """A stated bound was reached; the text names the bound and the setting that moves it."""


class DiskFull(LimitExceeded):
    """The disk of the server is full, so that nothing can be added."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The server's disk is full: {what} was refused and nothing of it was kept. Reading, "
            "DROP, TRUNCATE, DELETE and REMOVE go on; remove what is not needed, or ask the "
            "operator for room."
        )


def _bounded(message: str) -> str:
    if len(message) <= MESSAGE_LIMIT_CHARS:
        return message
    half = MESSAGE_LIMIT_CHARS // 2
    return f"{message[:half]}\n… {len(message) - 2 * half} characters left out …\n{message[-half:]}"
