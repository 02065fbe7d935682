"""TAG objects, and what is asked about tags.

    CREATE [OR REPLACE] TAG [IF NOT EXISTS] t [ALLOWED_VALUES 'a', …] [COMMENT = 'text']
    ALTER TAG [IF EXISTS] t { RENAME TO t2 | SET COMMENT = 'text' | UNSET COMMENT, ALLOWED_VALUES
                            | { ADD | DROP } ALLOWED_VALUES 'a', … }
    DROP TAG [IF EXISTS] t
    SHOW TAGS

Tags are put on models with ALTER MODEL (`alter`), on compute pools and services when they
are created or altered (`family.tags`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nunatak.access.privileges.declared import Needs, NeedsInHolder
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.kinds import TagSpec
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Record
from nunatak.catalog.tags import ALLOWED_VALUES_LIMIT, TAG, VALUE_LIMIT_CHARS
from nunatak.errors import InvalidArgument
from nunatak.objects.tags import ALLOWED_VALUES, Tags
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import COMMENT, Action, Altered, PropertyFamily
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import moment
from nunatak.sql.language.statement import Context, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.session import Session

_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("database_name"),
    Field("schema_name"),
    Field("owner"),
    Field("comment"),
    Field("allowed_values"),
    Field("owner_role_type"),
)


def _values(cursor: TokenCursor) -> tuple[str, ...]:
    values = [cursor.string()]
    while cursor.accept(","):
        values.append(cursor.string())
    if len(values) > ALLOWED_VALUES_LIMIT or max(map(len, values)) > VALUE_LIMIT_CHARS:
        raise InvalidArgument(
            f"A tag has at most {ALLOWED_VALUES_LIMIT} allowed values of at most "
            f"{VALUE_LIMIT_CHARS} characters."
        )
    return tuple(dict.fromkeys(values))


def _new(cursor: TokenCursor) -> dict[str, Any]:
    return properties(cursor, {ALLOWED_VALUES: _values, COMMENT: TokenCursor.string})


def _rename(context: Context, altered: Altered, tags: Tags) -> None:
    to = key_of(TAG, altered.values, context.session)
    tags.rename(altered.key, to, if_exists=altered.if_exists)


def _allow(_: Context, altered: Altered, tags: Tags) -> None:
    tags.allow(altered.key, altered.values, if_exists=altered.if_exists)


def _disallow(_: Context, altered: Altered, tags: Tags) -> None:
    tags.disallow(altered.key, altered.values, if_exists=altered.if_exists)


def _row(record: Record, _: Session) -> Sequence[Any]:
    values = TagSpec.read(record.spec).allowed_values or None
    return [
        moment(record.created_on),
        record.name,
        record.key.database,
        record.key.schema,
        record.owner,
        record.comment,
        json.dumps(values) if values else None,
        "ROLE",
    ]


_OWNS = (Needs(OWNERSHIP, TAG),)
_ALLOWS = "to change the allowed values"
TAGS = PropertyFamily(
    kind=TAG,
    words="TAG",
    plural=("TAGS",),
    title="Tag",
    service=Tags,
    readers={},
    reads_new=_new,
    unset={ALLOWED_VALUES: ()},
    actions=(
        Action(
            words="RENAME TO",
            does="to rename it",
            needs=(*_OWNS, NeedsInHolder("CREATE TAG", TAG, of="values")),
            act=_rename,
            reads=TokenCursor.name,
        ),
        Action(words="ADD ALLOWED_VALUES", does=_ALLOWS, needs=_OWNS, act=_allow, reads=_values),
        Action(
            words="DROP ALLOWED_VALUES", does=_ALLOWS, needs=_OWNS, act=_disallow, reads=_values
        ),
    ),
    show_fields=_FIELDS,
    show_row=_row,
    has_describe=False,
)
register(TAGS)
