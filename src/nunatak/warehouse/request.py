"""One statement as the warehouse is asked to run it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from nunatak.warehouse.bindings import Binding
from nunatak.warehouse.results import Result
from nunatak.warehouse.session import Session


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
