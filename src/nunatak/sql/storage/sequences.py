"""SHOW, DESCRIBE and ALTER SEQUENCE, and comments on sequences. CREATE and DROP are the query
engine's, which holds the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nunatak.access.privileges.declared import Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.kinds import SEQUENCE
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.objects.sequences import NumberedSequence, Sequences
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import (
    COMMENT,
    SET,
    Action,
    Altered,
    KindFamily,
    unset_values,
)
from nunatak.sql.language.show import moment
from nunatak.sql.language.statement import Context, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.session import Session

_FIELDS = (
    *map(Field, ("name", "database_name", "schema_name")),
    Field("next_value", NUMBER),
    Field("interval", NUMBER),
    Field("created_on", TIMESTAMP_LTZ),
    *map(Field, ("owner", "comment", "owner_role_type", "ordered")),
)


def _row(sequence: NumberedSequence, _: Session) -> Sequence[Any]:
    record, state = sequence.record, sequence.state
    key = record.key
    numbers = [state.next_value, state.step]
    shown = [key.name, key.database, key.schema, *numbers, moment(record.created_on)]
    return [*shown, record.owner, record.comment, "ROLE", "Y"]


def _given(cursor: TokenCursor) -> dict[str, Any]:
    """`[ORDER | NOORDER] [COMMENT = '…']`: all sequences are ordered, which NOORDER allows."""
    is_ordered = cursor.accept_any("ORDER", "NOORDER")
    values = properties(cursor, {COMMENT: TokenCursor.string})
    if not values and not is_ordered:
        cursor.fail("expected ORDER, NOORDER or COMMENT")
    return values


def _set(_: Context, altered: Altered, sequences: Sequences) -> None:
    comment = altered.values.get(COMMENT)
    sequences.comment(altered.key, comment, if_exists=altered.if_exists)


_ALTERS, _OWNS = "to give it a comment", (Needs(OWNERSHIP, SEQUENCE),)
SEQUENCES = KindFamily(
    kind=SEQUENCE,
    words="SEQUENCE",
    plural=("SEQUENCES",),
    service=Sequences,
    actions=(
        Action(words=SET, does=_ALTERS, needs=_OWNS, act=_set, reads=_given),
        Action(
            words="UNSET",
            does=_ALTERS,
            needs=_OWNS,
            act=_set,
            reads=lambda cursor: unset_values(cursor, {}),
        ),
    ),
    show_fields=_FIELDS,
    show_row=_row,
)
register(SEQUENCES)
