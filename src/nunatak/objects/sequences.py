"""Sequences: who owns them and what they are for, beside the numbers that the engine holds.

The catalog does not know the sequences of AUTOINCREMENT columns, so those are not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from nunatak.catalog.kinds import SEQUENCE
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import Change, Objects
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.errors import ObjectNotFound
from nunatak.warehouse.tables.listing import SequenceState


class Numbers(Protocol):
    """The sequences of the query engine."""

    def list_sequences(self, database: str, *, schema: str | None = None) -> list[SequenceState]:
        """Those of a database or schema, with what they answer next."""


@dataclass(frozen=True, slots=True)
class NumberedSequence:
    """A sequence with what it answers next."""

    record: Record
    state: SequenceState

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def key(self) -> Key:
        """Its key."""
        return self.record.key


class Sequences:
    """The sequences of the account, which statements of the query engine make and drop. Who may is
    decided before. Safe to use from many threads."""

    def __init__(self, catalog: Catalog, numbers: Numbers) -> None:
        self._objects = Objects(catalog)
        self._numbers = numbers

    def get(self, key: Key) -> NumberedSequence:
        """A sequence; raises ObjectNotFound."""
        for found in self._numbered([self._objects.get(key)]):
            return found
        raise ObjectNotFound(key.label, key.title)

    def listed(
        self, *, database: str | None = None, schema: str | None = None
    ) -> Sequence[NumberedSequence]:
        """The sequences in a place, by name."""
        return self._numbered(self._objects.listed(SEQUENCE, database=database, schema=schema))

    def comment(self, key: Key, comment: str | None, *, if_exists: bool = False) -> None:
        """Give a sequence a comment; None keeps the one that it has. Raises ObjectNotFound."""
        self._objects.change(key, lambda *_: Change(comment=comment), if_exists=if_exists)

    def _numbered(self, records: Iterable[Record]) -> Sequence[NumberedSequence]:
        """Each with its state, unless it has just been dropped."""
        states: dict[str, dict[QualifiedName, SequenceState]] = {}
        found = []
        for record in records:
            database = record.key.database
            if database not in states:
                listed = self._numbers.list_sequences(database)
                states[database] = {state.name: state for state in listed}
            state = states[database].get(record.qualified)
            if state is not None:
                found.append(NumberedSequence(record, state))
        return found
