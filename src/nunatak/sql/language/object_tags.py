"""Tags on compute pools and services: TAG (…) of CREATE, SET TAG and UNSET TAG of ALTER.

An object keeps its tags by the id of the TAG object, as models do, so that renaming a tag changes
nothing and dropping it takes it off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import LimitExceeded, ObjectNotFound
from nunatak.models.tags import TAG, TAGS_PER_OBJECT, TagReference, check_value
from nunatak.sql.language.object_family import DONE, Readers
from nunatak.sql.language.objects import schema_key
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.statement import STATUS_FIELDS, Context, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result, status_result

TagValues = tuple[tuple[tuple[str, ...], str | None], ...]
"""Names of tags as written, with their values; None takes a tag off."""


def properties_and_tags(cursor: TokenCursor, readers: Readers) -> tuple[dict[str, Any], TagValues]:
    """The properties of CREATE, with `[WITH] TAG (t = 'value', …)` among them."""
    values, tags = properties(cursor, readers), _tags(cursor)
    later = properties(cursor, readers)
    if twice := sorted(set(values) & set(later)):
        cursor.fail(f"{twice[0]} is given twice")
    return {**values, **later}, tags


def tag_change(cursor: TokenCursor) -> TagValues | None:
    """`SET TAG t = 'value', …` or `UNSET TAG t, …` of ALTER; None when neither comes next."""
    if cursor.accept("SET", "TAG"):
        return _values(cursor)
    return _names(cursor) if cursor.accept("UNSET", "TAG") else None


def _tags(cursor: TokenCursor) -> TagValues:
    if cursor.at("WITH", "TAG"):
        cursor.position += 1
    if not cursor.accept("TAG"):
        return ()
    cursor.expect("(")
    found = _values(cursor)
    cursor.expect(")")
    return found


def _values(cursor: TokenCursor) -> TagValues:
    """`t = 'value', …`."""
    tags = []
    while True:
        name = cursor.name()
        cursor.expect("=")
        tags.append((name, cursor.string()))
        if not cursor.accept(","):
            return tuple(tags)


def _names(cursor: TokenCursor) -> TagValues:
    """`t, …`, to be taken off."""
    names = [cursor.name()]
    while cursor.accept(","):
        names.append(cursor.name())
    return tuple((name, None) for name in names)


def with_tags(
    context: Context, tx: Transaction, old: Mapping[str, str], tags: TagValues
) -> dict[str, str]:
    """The tags of an object after a change, by the ids of TAG objects.

    Raises ObjectNotFound, InvalidArgument for a value that is not allowed, LimitExceeded.
    """
    found = dict(old)
    for name, value in tags:
        tag = tx.get(_key(context, name))
        if value is None:
            found.pop(str(tag.id), None)
        else:
            check_value(tag, value)
            found[str(tag.id)] = value
    if len(found) > TAGS_PER_OBJECT:
        raise LimitExceeded(f"An object has at most {TAGS_PER_OBJECT} tags.")
    return found


def references(tx: Transaction, record: Record) -> list[TagReference]:
    """The tags that an object carries and that are still there, by name."""
    carried = dict(record.spec.get("tags") or {})
    found = [(tx.by_id(int(tag)), value) for tag, value in carried.items()]
    listed = [TagReference(tag.qualified, value) for tag, value in found if tag is not None]
    return sorted(listed, key=lambda reference: reference.tag)


@dataclass(frozen=True, kw_only=True)
class AlterTags:
    """ALTER … SET TAG t = 'value' | UNSET TAG t of a pool or a service."""

    kind: str
    name: tuple[str, ...]
    if_exists: bool
    tags: TagValues
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Change the record."""
        key = key_of(self.kind, self.name, context.session)
        with context.rooms.catalog.write() as tx:
            record = tx.find(key)
            if record is None and not self.if_exists:
                raise ObjectNotFound(key.label, key.title)
            if record is not None:
                tags = with_tags(context, tx, record.spec.get("tags") or {}, self.tags)
                tx.update(record, spec={**record.spec, "tags": tags})
        return status_result(DONE)


def _key(context: Context, parts: tuple[str, ...]) -> Key:
    return schema_key(context, TAG, parts)
