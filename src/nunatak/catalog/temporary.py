"""Objects that only one session sees: the catalog does not list them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nunatak.catalog.names import QualifiedName


@dataclass(frozen=True, slots=True)
class TemporaryObject:
    """An object that only one session sees, and that shadows a permanent one of its name."""

    kind: str
    """TABLE, VIEW, STAGE or FILE_FORMAT."""
    name: QualifiedName
    spec: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of this object, whatever takes its name later."""
