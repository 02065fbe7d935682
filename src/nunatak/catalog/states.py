"""States of objects: one table of legal transitions for each kind, written with their events.

A change of state and its event are written in one transaction. A transition that is not in the
table raises, so a table that is shown to people is what the server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from nunatak.catalog.documents import Document
from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import NunatakError

State = TypeVar("State", bound=StrEnum)


class StatusDocument(Document, frozen=True, kw_only=True):
    """The status of an object that has states; each kind says which."""

    state: StrEnum
    message: str = ""
    """Why it is in its state, in words for people."""


class _Stated(Document, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The state alone, of whatever kind."""

    state: str


class IllegalTransition(NunatakError):
    """A change of state that the table of its kind does not have: a mistake of the server."""


@dataclass(frozen=True)
class StateMachine(Generic[State]):
    """The states of one kind of object. `transitions` tells for every state which states may
    follow, each with the reason why it would. `initial` are the states that it may begin in."""

    states: type[State]
    initial: frozenset[State]
    transitions: Mapping[State, Mapping[State, str]]

    def allows(self, old: State, new: State) -> bool:
        """Whether `new` may follow `old`; staying is always allowed."""
        return old is new or new in self.transitions.get(old, {})

    def is_final(self, state: State) -> bool:
        """Whether nothing follows."""
        return not self.transitions.get(state)

    def of(self, record: Record) -> State:
        """The state that a record is in."""
        return self.states(_Stated.read(record.status).state)

    def begin(
        self,
        transaction: Transaction,
        key: Key,
        status: StatusDocument,
        *,
        owner: str,
        spec: Document,
        comment: str = "",
    ) -> Record:
        """Create an object in its first state, for which the message of its status is the reason;
        raises ObjectExists, IllegalTransition."""
        if status.state not in self.initial:
            raise IllegalTransition(f"{key.label} {key.title} cannot begin as {status.state}.")
        record = transaction.create(key, owner, spec=spec, status=status, comment=comment)
        transaction.note(record, "", str(status.state), reason=status.message, actor=owner)
        return record

    def move(
        self,
        transaction: Transaction,
        record: Record,
        status: StatusDocument,
        *,
        actor: str,
    ) -> Record | None:
        """Write another status, the message of which is the reason for its state.

        None means that the object was changed by somebody else since `record` was read: look
        again. Nothing is written when nothing changes. Raises IllegalTransition.
        """
        old, new = self.of(record), self.states(status.state)
        if not self.allows(old, new):
            raise IllegalTransition(
                f"{record.key.label} {record.key.title} is {old} and cannot become {new}."
            )
        if status == type(status).read(record.status):
            return record
        updated = transaction.update(record, status=status)
        if updated is not None and old is not new:
            transaction.note(updated, str(old), str(new), reason=status.message, actor=actor)
        return updated

    def table(self) -> str:
        """The transitions as a Markdown table."""
        begins = ", ".join(sorted(str(state) for state in self.initial))
        lines = [f"Begins as {begins}.", "", "| from | to | when |", "| --- | --- | --- |"]
        for old in self.states:
            lines += [f"| {old} | {new} | {why} |" for new, why in self._after(old)]
        return "\n".join(lines)

    def _after(self, old: State) -> list[tuple[str, str]]:
        found = self.transitions.get(old, {})
        return [(str(new), why) for new, why in found.items()] or [("—", "the end")]
