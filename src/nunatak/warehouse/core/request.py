"""One statement as the warehouse is asked to run it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.parameters import Value
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session


@dataclass(frozen=True, kw_only=True)
class QueryRequest:
    """A statement's text with everything that it may refer to."""

    session: Session
    text: str
    query_id: str = ""
    bindings: Sequence[Binding] = ()
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set to stop the statement; it then ends with QueryCancelled."""
    flow: Result | None = None
    """The rows of the statement before `->>`; read as `$1`."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters for this statement alone, by upper-case name; they go before the session's."""

    def parameter(self, name: str) -> Value:
        """The value in force; raises InvalidArgument for an unknown parameter."""
        value: Value | None = self.parameters.get(name)
        return self.session.parameter(name) if value is None else value
