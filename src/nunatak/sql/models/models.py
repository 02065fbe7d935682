"""Models: what they have of every kind of object.

CREATE MODEL is in `create`; what SHOW and DESCRIBE tell of a version and its functions, in
`versions`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.models.objects import ModelObjects
from nunatak.models.versions import MODEL, Model
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import ObjectFamily
from nunatak.sql.language.show import moment
from nunatak.sql.models.alter import ACTIONS
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.session import Session

_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("model_type"),
    Field("database_name"),
    Field("schema_name"),
    Field("comment"),
    Field("owner"),
    Field("default_version_name"),
    Field("versions"),
    Field("aliases"),
)


def _row(model: Model, _: Session) -> Sequence[Any]:
    record = model.record
    return [
        moment(record.created_on),
        record.name,
        "USER_MODEL",
        record.key.database,
        record.key.schema,
        record.comment,
        record.owner,
        model.default.name,
        json.dumps([version.name for version in model.versions]),
        json.dumps(model.aliases()),
    ]


MODELS = ObjectFamily(
    kind=MODEL,
    words="MODEL",
    plural=("MODELS",),
    service=ModelObjects,
    actions=ACTIONS,
    looks_first=True,
    show_fields=_FIELDS,
    show_row=_row,
    has_describe=False,
)
register(MODELS)
