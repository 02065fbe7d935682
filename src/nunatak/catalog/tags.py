"""Values that objects carry for tags.

An object keeps them by the id of the TAG object, so that renaming a tag changes nothing, and
dropping it takes it off everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nunatak.catalog.kinds import TagSpec
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import InvalidArgument, LimitExceeded

TAG = "TAG"
VALUE_LIMIT_CHARS = 256
ALLOWED_VALUES_LIMIT = 300
TAGS_PER_OBJECT = 50
TagChanges = Sequence[tuple[QualifiedName, str | None]]
"""Names of tags with their values; None takes a tag off."""


@dataclass(frozen=True, slots=True)
class TagReference:
    """A tag and the value that an object has for it."""

    tag: QualifiedName
    value: str


def check_value(tag: Record, value: str) -> None:
    """Raises InvalidArgument for a value that the tag does not take."""
    if len(value) > VALUE_LIMIT_CHARS:
        raise InvalidArgument(f"A tag value has at most {VALUE_LIMIT_CHARS} characters.")
    choices = TagSpec.read(tag.spec).allowed_values
    if choices and value not in choices:
        raise InvalidArgument(
            f"'{value}' is not an allowed value of tag {tag.qualified}: use one of "
            f"{', '.join(repr(choice) for choice in choices)}."
        )


def with_changes(old: Mapping[str, str], changes: TagChanges, tx: Transaction) -> dict[str, str]:
    """The tags of an object after a change, by the ids of TAG objects, without those that have been
    dropped.

    Raises ObjectNotFound, InvalidArgument for a value that is not allowed, LimitExceeded.
    """
    found = {tag: value for tag, value in old.items() if tx.by_id(int(tag)) is not None}
    for name, value in changes:
        tag = tx.get(Key.of(TAG, name))
        if value is None:
            found.pop(str(tag.id), None)
        else:
            check_value(tag, value)
            found[str(tag.id)] = value
    if len(found) > TAGS_PER_OBJECT:
        raise LimitExceeded(f"An object has at most {TAGS_PER_OBJECT} tags.")
    return found
