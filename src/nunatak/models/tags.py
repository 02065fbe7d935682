"""TAG objects, and the tags that models carry.

A model keeps its tags by the id of the TAG object, so that renaming either changes nothing, and
dropping a tag takes it off every model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nunatak.catalog.kinds import TagSpec
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import InvalidArgument, LimitExceeded
from nunatak.models.registry import Models

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


class ModelTags:
    """Tags of models. The TAG objects themselves are plain objects of the catalog."""

    def __init__(self, models: Models) -> None:
        self.catalog = models.catalog
        self.models = models

    def change(self, model: QualifiedName, values: TagChanges) -> None:
        """Give a model tags, or take off those without a value; raises ObjectNotFound,
        InvalidArgument, LimitExceeded."""
        changes: dict[int, str | None] = {}
        for name, value in values:
            record = self._get(name)
            if value is not None:
                check_value(record, value)
            changes[record.id] = value
        given = {tag for tag, value in changes.items() if value is not None}
        if len({record.id for record, _ in self._carried(model)} | given) > TAGS_PER_OBJECT:
            raise LimitExceeded(f"An object has at most {TAGS_PER_OBJECT} tags.")
        self.models.editor.set_tags(model, changes)

    def references(self, model: QualifiedName) -> list[TagReference]:
        """All tags of a model, by name; raises ObjectNotFound."""
        found = [TagReference(record.qualified, value) for record, value in self._carried(model)]
        return sorted(found, key=lambda reference: reference.tag)

    def _carried(self, model: QualifiedName) -> list[tuple[Record, str]]:
        """The tags that are still there, with the model's values."""
        values = self.models.get(model).tags
        with self.catalog.read() as transaction:
            records = [(transaction.by_id(int(tag)), value) for tag, value in values.items()]
        return [(record, value) for record, value in records if record is not None]

    def _get(self, name: QualifiedName) -> Record:
        with self.catalog.read() as transaction:
            return transaction.get(Key.of(TAG, name))


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
    """The tags of an object after a change, by the ids of TAG objects.

    Raises ObjectNotFound, InvalidArgument for a value that is not allowed, LimitExceeded.
    """
    found = dict(old)
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
