"""Objects of one kind: what every service that keeps some gives, lists and drops, and kinds with
rules of their own about properties, kept with one set of methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from nunatak.catalog.documents import Document
from nunatak.catalog.objects import Change, Created, Existing, KindRecords, make_way, present
from nunatak.catalog.store import Catalog, Key, Record, Transaction

Values = Mapping[str, Any]
"""Properties that were given, by upper-case name."""
SpecT = TypeVar("SpecT", bound=Document)
T_co = TypeVar("T_co", covariant=True)


class Listable(Protocol[T_co]):
    """Service that finds the objects of a kind."""

    def get(self, key: Key) -> T_co:
        """An object; raises ObjectNotFound."""

    def listed(self, *, database: str | None = None, schema: str | None = None) -> Sequence[T_co]:
        """The objects in a place, by name."""


class Kept(Listable[T_co], Protocol[T_co]):
    """Service that keeps the objects of a kind."""

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove an object; whether it was there. Raises ObjectNotFound."""


class Ruled(Kept[T_co], Protocol[T_co]):
    """Service that keeps a kind of objects that are made of properties."""

    def create(
        self,
        key: Key,
        owner: str,
        values: Values,
        *,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add an object; raises ObjectExists, ObjectNotFound without its schema, and what the
        rules about properties raise."""

    def alter(
        self, key: Key, values: Values, *, comment: str | None = None, if_exists: bool = False
    ) -> None:
        """Change properties; raises ObjectNotFound, and what the rules about them raise."""


class KeptRecords(KindRecords):
    """The records of one kind, which can be dropped. Safe to use from many threads."""

    def __init__(self, catalog: Catalog, kind: str) -> None:
        super().__init__(catalog, kind)
        self._catalog = catalog

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove a record; whether it was there. Raises ObjectNotFound."""
        return self._objects.drop(key, if_exists=if_exists) is not None


class Rules(Protocol[SpecT]):
    """Rules of one kind of objects."""

    kind: str
    structure: type[SpecT]
    """What is kept of their properties."""

    def spec(self, tx: Transaction, values: Values, old: SpecT | None) -> SpecT:
        """The specification that follows from given properties and the one so far, None for a new
        object. Raises InvalidArgument, Unsupported, ObjectNotFound."""

    def check(self, tx: Transaction, key: Key, spec: SpecT | None) -> None:
        """Raises when other objects forbid that an object becomes so; None: that it is dropped."""


class RuledObjects(KeptRecords):
    """The objects of one kind. Who may create, alter or drop is decided before. Safe to use from
    many threads."""

    def __init__(
        self, catalog: Catalog, rules: Rules[Any], *, announce: Callable[[], None] = lambda: None
    ) -> None:
        """`announce` is called after every change, for those who follow it."""
        super().__init__(catalog, rules.kind)
        self._rules = rules
        self._announce = announce

    def create(
        self,
        key: Key,
        owner: str,
        values: Values,
        *,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add an object; raises ObjectExists, ObjectNotFound when its schema is missing, and what
        the rules raise."""
        with self._catalog.write() as tx:
            spec = self._rules.spec(tx, values, None)
            self._rules.check(tx, key, spec)
            made = make_way(tx, key, existing)
            if not made.is_kept:
                tx.create(key, owner, spec=spec, comment=comment)
        self._announce()
        return made

    def alter(
        self,
        key: Key,
        values: Values,
        *,
        comment: str | None = None,
        if_exists: bool = False,
    ) -> None:
        """Change properties; raises ObjectNotFound, and what the rules raise."""

        def changed(tx: Transaction, record: Record) -> Change:
            before = self._rules.structure.read(record.spec)
            spec = self._rules.spec(tx, values, before)
            self._rules.check(tx, key, spec)
            return Change(spec=spec, comment=comment)

        if self._objects.change(key, changed, if_exists=if_exists) is not None:
            self._announce()

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove an object; whether it was there. Raises ObjectNotFound, and what the rules
        raise."""
        with self._catalog.write() as tx:
            self._rules.check(tx, key, None)
            record = present(tx, key, if_exists=if_exists)
            if record is not None:
                tx.delete(record)
        self._announce()
        return record is not None
