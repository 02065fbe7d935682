"""A session: who is connected, where unqualified names point, and what lives as long as it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from nunatak.catalog.names import QualifiedName


@dataclass(eq=False, kw_only=True)
class Session:
    """One client session. Statements of one session may run at the same time; `lock` guards
    changes of the fields."""

    id: int
    user: str
    role: str
    account: str = "NUNATAK"
    warehouse: str | None = None
    database: str | None = None
    schema: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    """Session parameters that differ from their defaults, by upper-case name."""
    variables: dict[str, Any] = field(default_factory=dict)
    """SQL variables (`SET x = …`), by upper-case name."""
    queries: list[str] = field(default_factory=list)
    """Ids of the newest queries of the session, oldest first, bounded."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def qualify(self, parts: tuple[str, ...]) -> QualifiedName:
        """Complete stored name parts; raises NoCurrentContext when a part is missing."""
        return QualifiedName.of(parts, database=self.database, schema=self.schema)
