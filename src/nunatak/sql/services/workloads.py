"""Kinds of work on a compute pool, as OF TYPE names them."""

from __future__ import annotations

from nunatak.errors import InvalidArgument
from nunatak.services.model.spec import ServiceType
from nunatak.sql.language.tokens import TokenCursor

_TYPES = {
    "MODEL_SERVING": ServiceType.INFERENCE,
    "INFERENCE": ServiceType.INFERENCE,
    "SERVICE": ServiceType.CONTAINER,
    "USER": ServiceType.CONTAINER,
    "CONTAINER": ServiceType.CONTAINER,
    "JOB": ServiceType.BUILD,
    "ML_JOB": ServiceType.BUILD,
    "BUILD": ServiceType.BUILD,
}


def workload_type(cursor: TokenCursor) -> ServiceType:
    """Read a type; that of services and jobs which it means. Raises InvalidArgument."""
    word = cursor.string().upper() if cursor.at_string() else cursor.identifier()
    if word not in _TYPES:
        raise InvalidArgument(f"'{word}' is no type of work: use one of {', '.join(_TYPES)}.")
    return _TYPES[word]
