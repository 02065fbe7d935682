"""States of objects: one table of legal transitions for each kind, written with their events.

A change of state and its event are written in one transaction. A transition that is not in the
table raises, so a table that is shown to people is what the server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import NunatakError

State = TypeVar("State", bound=StrEnum)


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
        return self.states(str(record.status["state"]))

    def begin(
        self,
        transaction: Transaction,
        key: Key,
        state: State,
        *,
        owner: str,
        reason: str,
        spec: Mapping[str, Any],
        comment: str = "",
        status: Mapping[str, Any] | None = None,
    ) -> Record:
        """Create an object in its first state; raises ObjectExists, IllegalTransition."""
        if state not in self.initial:
            raise IllegalTransition(f"{key.label} {key.title} cannot begin as {state}.")
        found = {**(status or {}), "state": str(state), "message": reason}
        record = transaction.create(key, owner, spec=spec, status=found, comment=comment)
        transaction.note(record, "", str(state), reason=reason, actor=owner)
        return record

    def move(
        self,
        transaction: Transaction,
        record: Record,
        new: State,
        *,
        reason: str,
        actor: str,
        changes: Mapping[str, Any] | None = None,
    ) -> Record | None:
        """Change the state, the message and other parts of the status together.

        None means that the object was changed by somebody else since `record` was read: look
        again. Nothing is written when nothing changes. Raises IllegalTransition.
        """
        old = self.of(record)
        if not self.allows(old, new):
            raise IllegalTransition(
                f"{record.key.label} {record.key.title} is {old} and cannot become {new}."
            )
        status = {**record.status, **(changes or {}), "state": str(new), "message": reason}
        if status == record.status:
            return record
        updated = transaction.update(record, status=status)
        if updated is not None and old is not new:
            transaction.note(updated, str(old), str(new), reason=reason, actor=actor)
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
