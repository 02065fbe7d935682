"""A session: who is connected, where unqualified names point, and what lives as long as it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from nunatak.access.privileges.requirement import RolesInForce
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.temporary import TemporaryObject
from nunatak.errors import ObjectNotFound
from nunatak.warehouse.core.accessed import AccessNotes
from nunatak.warehouse.core.parameters import Value, known

QUERIES_KEPT = 100
"""Ids of queries that a session remembers."""
_TOGETHER = (
    ("role", "role_identity"),
    ("more_roles",),
    ("warehouse",),
    ("database", "schema"),
)
"""What a statement may change of its session, in parts that belong together."""


@dataclass(eq=False, kw_only=True)
class Session:
    """A client session. Statements of one session may run at the same time, each in its own
    `statement()`; `lock` guards changes of the fields."""

    id: int
    user: str
    role: str
    account: str = "NUNATAK"
    restricted_to: str | None = None
    """The only role, with what it inherits, that the credential may act with."""
    opened_by: str | None = None
    """The hash of the token that the session was opened with; None for a password or a key."""
    user_since: float = 0.0
    """When the user was made, in seconds since 1970: another one may have had the name before."""
    role_identity: str | None = None
    """What the current role was when it was taken; another role of its name is not meant."""
    more_roles: list[str] | None = field(default_factory=list)
    """The secondary roles that are wanted; None is all that the user holds."""
    secondary: frozenset[str] = frozenset()
    """The secondary roles that a statement acts with, as the user held them when it began."""
    warehouse: str | None = None
    database: str | None = None
    schema: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    """Session parameters that differ from their defaults, by upper-case name."""
    variables: dict[str, Any] = field(default_factory=dict)
    """SQL variables (`SET x = …`), by upper-case name, as Python values."""
    queries: list[str] = field(default_factory=list)
    """Ids of the newest queries of the session, oldest first, bounded."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    accessed: AccessNotes = field(default_factory=AccessNotes, repr=False)
    """What the statement that this is a view for uses."""
    _temporary: dict[tuple[str, QualifiedName], TemporaryObject] = field(
        default_factory=dict, repr=False
    )
    _whole: Session | None = field(default=None, repr=False)
    """The session that this is one statement's view of."""

    @contextmanager
    def statement(self) -> Iterator[Session]:
        """The session as it is now, for one statement: names, role and temporary objects stay what
        they were when its privileges were checked, whatever others of the session change. What the
        statement itself changes is the session's at the end, temporary objects at once."""
        with self.lock:
            mine = replace(self, _temporary=dict(self._temporary), _whole=self)
        before = replace(mine)
        try:
            yield mine
        finally:
            with self.lock:
                self._adopt(mine, before)

    def _adopt(self, mine: Session, before: Session) -> None:
        for names in _TOGETHER:
            if any(getattr(mine, name) != getattr(before, name) for name in names):
                for name in names:
                    setattr(self, name, getattr(mine, name))
        if mine.parameters is not before.parameters:
            gone = before.parameters.keys() - mine.parameters.keys()
            new = mine.parameters.items() - before.parameters.items()
            kept = {name: value for name, value in self.parameters.items() if name not in gone}
            self.parameters = {**kept, **dict(new)}

    def is_of_user(self, user: str, moment: float) -> bool:
        """Whether what a user of that name did at a moment was done by the user of the session."""
        return user == self.user and moment >= self.user_since

    def qualify(self, parts: tuple[str, ...]) -> QualifiedName:
        """Complete stored name parts; raises NoCurrentContext when a part is missing."""
        return QualifiedName.of(parts, database=self.database, schema=self.schema)

    @property
    def in_force(self) -> RolesInForce:
        """The roles that a statement acts with."""
        return RolesInForce(self.role, self.secondary)

    def parameter(self, name: str) -> Value:
        """The value in force; raises InvalidArgument for an unknown parameter."""
        found = known(name)
        value: Value = self.parameters.get(found.name, found.default)
        return value

    def remember(self, query_id: str) -> None:
        """Note the id of a statement, and forget the oldest beyond the bound."""
        with self.lock:
            self.queries.append(query_id)
            del self.queries[:-QUERIES_KEPT]

    def query_at(self, place: int, *, but: str) -> str:
        """The id of the statement that LAST_QUERY_ID(place) means: from the newest back when it is
        negative, else from the oldest on; `but` is the one that asks.

        Raises ObjectNotFound.
        """
        known = [query for query in self.queries if query != but]
        at = place if place < 0 else place - 1
        if place == 0 or not -len(known) <= at < len(known):
            raise ObjectNotFound("Query", f"LAST_QUERY_ID({place})")
        return known[at]

    def temporary(self, kind: str, name: QualifiedName) -> TemporaryObject | None:
        """The session's temporary object of that kind and name."""
        return self._temporary.get((kind, name))

    def temporaries(self, kind: str) -> tuple[TemporaryObject, ...]:
        """All temporary objects of one kind."""
        with self.lock:
            return tuple(made for (of, _), made in self._temporary.items() if of == kind)

    def add_temporary(self, made: TemporaryObject) -> None:
        """Make a temporary object visible, in place of one of the same kind and name."""
        with self.lock:
            if self._whole is not None:
                self._whole.add_temporary(made)
            self._temporary[made.kind, made.name] = made

    def drop_temporary(self, kind: str, name: QualifiedName) -> TemporaryObject | None:
        """Forget a temporary object; answers it if it was there."""
        with self.lock:
            if self._whole is not None:
                self._whole.drop_temporary(kind, name)
            return self._temporary.pop((kind, name), None)
