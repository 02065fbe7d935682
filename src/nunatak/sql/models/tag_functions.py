"""Functions about tags: SYSTEM$GET_TAG and TAG_REFERENCES. The domain of a model is MODULE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import OnTargets, Target
from nunatak.catalog.names import split_name
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Key
from nunatak.catalog.tags import TAG
from nunatak.compute.pools import KIND as POOL
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.models.versions import MODEL
from nunatak.objects.tags import Tags
from nunatak.services.model.spec import KIND as SERVICE
from nunatak.sql.language.functions import system_function, table_function
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.results import Field, Result, rows_result

REFERENCE_FIELDS = (
    Field("TAG_DATABASE"),
    Field("TAG_SCHEMA"),
    Field("TAG_NAME"),
    Field("TAG_VALUE"),
    Field("LEVEL"),
    Field("OBJECT_DATABASE"),
    Field("OBJECT_SCHEMA"),
    Field("OBJECT_NAME"),
    Field("DOMAIN"),
    Field("COLUMN_NAME"),
)
"""The columns of INFORMATION_SCHEMA.TAG_REFERENCES."""
_KINDS = {"MODULE": MODEL, "MODEL": MODEL, "COMPUTE POOL": POOL, "SERVICE": SERVICE}
"""Kinds of objects by their domain."""
_TAGGED = "the object whose tags are asked for"


def _key(name: str, domain: str, context: Context) -> Key:
    kind = _KINDS.get(domain.upper().replace("_", " "))
    if kind is None:
        raise Unsupported(
            f"Tags of domain '{domain}' are not offered: only MODULE (models), COMPUTE POOL and "
            "SERVICE are."
        )
    return key_of(kind, split_name(name), context.session)


def _of_get_tag(arguments: Sequence[Any], context: Context) -> list[Target]:
    if len(arguments) != 3 or not all(isinstance(item, str) for item in arguments):
        raise InvalidArgument("SYSTEM$GET_TAG takes three texts: tag, object, domain.")
    key = _key(arguments[1], arguments[2], context)
    return [Target(key.kind, key.title)]


def _of_references(arguments: Sequence[Any], context: Context) -> list[Target]:
    if len(arguments) != 2 or not all(isinstance(item, str) for item in arguments):
        raise InvalidArgument("TAG_REFERENCES takes two texts: object, domain.")
    key = _key(arguments[0], arguments[1], context)
    return [Target(key.kind, key.title)]


@system_function("SYSTEM$GET_TAG", needs=(OnTargets(ANY, _of_get_tag, _TAGGED),))
def get_tag(context: Context, arguments: Sequence[Any], objects: Objects, tags: Tags) -> str | None:
    """SYSTEM$GET_TAG('tag', 'object', 'domain'): the tag's value, None when it has none.

    Raises ObjectNotFound.
    """
    tag, name, domain = arguments
    wanted = context.session.qualify(split_name(tag))
    objects.get(Key.of(TAG, wanted))
    found = tags.references(_key(name, domain, context))
    return next((item.value for item in found if item.tag == wanted), None)


@table_function("TAG_REFERENCES", needs=(OnTargets(ANY, _of_references, _TAGGED),))
def tag_references(context: Context, arguments: Sequence[Any], tags: Tags) -> Result:
    """The rows of INFORMATION_SCHEMA.TAG_REFERENCES('object', 'domain'); raises ObjectNotFound."""
    key = _key(arguments[0], arguments[1], context)
    domain = "MODULE" if key.kind == MODEL else key.kind.replace("_", " ")
    place = [key.database or None, key.schema or None, key.name, domain]
    return rows_result(
        REFERENCE_FIELDS,
        [
            [
                reference.tag.database,
                reference.tag.schema,
                reference.tag.name,
                reference.value,
                domain,
                *place,
                None,
            ]
            for reference in tags.references(key)
        ],
    )
