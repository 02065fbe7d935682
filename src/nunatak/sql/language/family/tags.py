"""Tags on objects: TAG (…) of CREATE, SET TAG and UNSET TAG of ALTER."""

from __future__ import annotations

from typing import Any

from nunatak.access.privileges.declared import AppliesTags, Rule
from nunatak.catalog.tags import TagChanges
from nunatak.objects.tags import Tags
from nunatak.sql.language.family.table import Action, Altered, Readers
from nunatak.sql.language.statement import Context, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.session import Session

TagValues = tuple[tuple[tuple[str, ...], str | None], ...]
"""Names of tags as written, with their values; None takes a tag off."""


def properties_and_tags(cursor: TokenCursor, readers: Readers) -> tuple[dict[str, Any], TagValues]:
    """The properties of CREATE, with `[WITH] TAG (t = 'value', …)` among them."""
    values, tags = properties(cursor, readers), _tags(cursor)
    later = properties(cursor, readers)
    if twice := sorted(set(values) & set(later)):
        cursor.fail(f"{twice[0]} is given twice")
    return {**values, **later}, tags


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


def tag_changes(session: Session, tags: TagValues) -> TagChanges:
    """The full names of tags, with their values."""
    return [(session.qualify(name), value) for name, value in tags]


def tag_actions(needed: Rule) -> tuple[Action, Action]:
    """SET TAG and UNSET TAG of a family, which need `needed` beside APPLY on each tag."""
    needs, does = (needed, AppliesTags(of="values")), "to set and unset tags"
    return (
        Action(words="SET TAG", does=does, needs=needs, act=_put, reads=_values),
        Action(words="UNSET TAG", does=does, needs=needs, act=_put, reads=_names),
    )


def _put(context: Context, altered: Altered, tags: Tags) -> None:
    changes = tag_changes(context.session, altered.values)
    tags.put(altered.key, changes, if_exists=altered.if_exists)
