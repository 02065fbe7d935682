"""Events that are recorded, and their form in a line of JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nunatak.audit.redaction import KEPT_CHARS, LEFT_OUT, names_secrets, redacted

LOGIN, STATEMENT, GRANT, REFUSAL = "LOGIN", "STATEMENT", "GRANT", "REFUSAL"
START, DROPPED = "START", "DROPPED"
REFUSED_CODES = frozenset({"003001", "003013", "002003", "002043"})
"""A privilege is missing; a role is not held; what was named is not there, or may not be seen."""
_GRANTING = frozenset({"GRANT", "REVOKE"})
_MESSAGE_CHARS = 1_000
_NAME_CHARS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login that was tried. `error` is a code and a text; None for one that succeeded."""

    time: float
    user: str
    address: str
    factor: str
    client: Mapping[str, Any] = field(default_factory=dict)
    session_id: int | None = None
    error: tuple[str, str] | None = None

    def lines(self) -> tuple[dict[str, Any], ...]:
        """Lines that are written of it."""
        code, message = self.error or (None, None)
        return (
            {
                "event": LOGIN,
                "time": iso(self.time),
                "user": self.user[:_NAME_CHARS],
                "address": self.address,
                "client": self.client.get("CLIENT_APP_ID", ""),
                "client_version": self.client.get("CLIENT_APP_VERSION", ""),
                "factor": self.factor,
                "success": self.error is None,
                "code": code,
                "message": None if message is None else message[:_MESSAGE_CHARS],
                "session": self.session_id,
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEnded:
    """A statement that has ended. `accessed` are privileges that it used, with the kind and the
    name of what each is on."""

    id: str
    session_id: int
    user: str
    role: str
    warehouse: str | None
    database: str | None
    schema: str | None
    text: str
    started_on: float
    ended_on: float
    status: str
    error: tuple[str, str] | None = None
    accessed: tuple[tuple[str, str, str], ...] = ()

    def lines(self) -> tuple[dict[str, Any], ...]:
        """Lines that are written of it; of a grant or a refusal twice, in the record of statements
        and in that of access, where the multitude of the others cannot push it out."""
        code, message = self.error or (None, None)
        text = self.text[:KEPT_CHARS]
        if message is not None and names_secrets(text):
            message = LEFT_OUT
        line = {
            "event": STATEMENT,
            "time": iso(self.ended_on),
            "started": iso(self.started_on),
            "query": self.id,
            "session": self.session_id,
            "user": self.user,
            "role": self.role,
            "warehouse": self.warehouse,
            "database": self.database,
            "schema": self.schema,
            "text": redacted(text),
            "status": self.status,
            "code": code,
            "message": None if message is None else message[:_MESSAGE_CHARS],
            "accessed": self.accessed,
        }
        if code in REFUSED_CODES:
            return line, {**line, "event": REFUSAL}
        if self.error is None and verb(text) in _GRANTING:
            return line, {**line, "event": GRANT}
        return (line,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStarted:
    """The start of a server, with what it confines and what not."""

    time: float
    version: str
    confinement: str

    def lines(self) -> tuple[dict[str, Any], ...]:
        """Lines that are written of it."""
        told = {"version": self.version, "confinement": self.confinement}
        return ({"event": START, "time": iso(self.time), **told},)


Event = Login | StatementEnded | ServerStarted


def verb(text: str) -> str:
    """The first word of a statement, behind comments."""
    rest = text.lstrip()
    while rest.startswith(("--", "//", "/*")):
        end = "*/" if rest.startswith("/*") else "\n"
        rest = rest.partition(end)[2].lstrip()
    return rest[:40].split(maxsplit=1)[0].upper() if rest else ""


def iso(seconds: float) -> str:
    """A moment as text, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")


def moment(text: str) -> dt.datetime:
    """The moment of such a text."""
    return dt.datetime.fromisoformat(text)
