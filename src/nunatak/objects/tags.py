"""TAG objects, and the tags that compute pools, services and models carry."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from nunatak.catalog.kinds import TagSpec
from nunatak.catalog.objects import Change, Created, Existing
from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.catalog.tags import (
    ALLOWED_VALUES_LIMIT,
    TAG,
    TagChanges,
    TagReference,
    with_changes,
)
from nunatak.compute.pools import KIND as POOL
from nunatak.compute.pools import PoolSpec
from nunatak.errors import InvalidArgument
from nunatak.models.versions import MODEL, ModelSpec
from nunatak.objects.ruled import KeptRecords, Values
from nunatak.services.model.snapshot import read_service
from nunatak.services.model.spec import BuildSpec, ServiceSpec

ALLOWED_VALUES = "ALLOWED_VALUES"


class Tags(KeptRecords):
    """The tags of the account. Who may is decided before. Safe to use from many threads."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog, TAG)

    def create(
        self,
        key: Key,
        owner: str,
        values: Values,
        *,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add a tag with its ALLOWED_VALUES; a replaced one is taken off everything that carried
        it. Raises ObjectExists, or ObjectNotFound when the schema is missing."""
        spec = TagSpec(allowed_values=tuple(values.get(ALLOWED_VALUES, ())))
        return self._objects.create(key, owner, existing=existing, spec=spec, comment=comment)

    def alter(
        self, key: Key, values: Values, *, comment: str | None = None, if_exists: bool = False
    ) -> None:
        """Keep a comment and ALLOWED_VALUES; raises ObjectNotFound."""
        given = values.get(ALLOWED_VALUES)
        spec = None if given is None else TagSpec(allowed_values=tuple(given))
        change = Change(spec=spec, comment=comment)
        self._objects.change(key, lambda *_: change, if_exists=if_exists)

    def allow(self, key: Key, values: Sequence[str], *, if_exists: bool = False) -> None:
        """Add allowed values; raises ObjectNotFound, InvalidArgument for too many."""

        def changed(_: Transaction, record: Record) -> Change:
            found = list(dict.fromkeys([*_allowed(record), *values]))
            if len(found) > ALLOWED_VALUES_LIMIT:
                raise InvalidArgument(f"A tag has at most {ALLOWED_VALUES_LIMIT} allowed values.")
            return Change(spec=TagSpec(allowed_values=tuple(found)))

        self._objects.change(key, changed, if_exists=if_exists)

    def disallow(self, key: Key, values: Sequence[str], *, if_exists: bool = False) -> None:
        """Drop allowed values; raises ObjectNotFound."""

        def changed(_: Transaction, record: Record) -> Change:
            kept = [value for value in _allowed(record) if value not in values]
            return Change(spec=TagSpec(allowed_values=tuple(kept)))

        self._objects.change(key, changed, if_exists=if_exists)

    def rename(self, key: Key, to: Key, *, if_exists: bool = False) -> None:
        """Give a tag another name or schema; raises ObjectNotFound, ObjectExists."""
        self._objects.rename(key, to, if_exists=if_exists)

    def carried(self, changes: TagChanges) -> dict[str, str]:
        """The tags of a new object, as its specification keeps them; raises as `with_changes`."""
        with self._catalog.read() as tx:
            return with_changes({}, changes, tx)

    def put(self, key: Key, changes: TagChanges, *, if_exists: bool = False) -> None:
        """Change the tags of a pool, a service or a model; raises as `carried`."""

        def changed(tx: Transaction, record: Record) -> Change:
            spec = _carrier(record)
            if isinstance(spec, BuildSpec):
                raise InvalidArgument(f"Service {key.title} is a job: it carries no tags.")
            return Change(spec=replace(spec, tags=with_changes(spec.tags, changes, tx)))

        self._objects.change(key, changed, if_exists=if_exists)

    def references(self, key: Key) -> list[TagReference]:
        """The tags that a pool, a service or a model carries and that are still there, by name;
        raises ObjectNotFound."""
        with self._catalog.read() as tx:
            spec = _carrier(tx.get(key))
            carried = {} if isinstance(spec, BuildSpec) else spec.tags
            found = [(tx.by_id(int(tag)), value) for tag, value in carried.items()]
        listed = [TagReference(tag.qualified, value) for tag, value in found if tag is not None]
        return sorted(listed, key=lambda reference: reference.tag)


def _allowed(tag: Record) -> Sequence[str]:
    return TagSpec.read(tag.spec).allowed_values


def _carrier(record: Record) -> PoolSpec | ModelSpec | ServiceSpec | BuildSpec:
    """The specification of a pool, a model, a service or a job."""
    if record.key.kind == POOL:
        return PoolSpec.read(record.spec)
    if record.key.kind == MODEL:
        return ModelSpec.read(record.spec)
    return read_service(record).spec
