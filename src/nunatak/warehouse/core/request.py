"""The request of a statement: made by the protocol, and handed down to the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nunatak.errors import QueryCancelled
from nunatak.warehouse.core.accessed import AccessNotes
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.cancel import Cancellation
from nunatak.warehouse.core.parameters import PARAMETERS, Value, in_force
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText


@dataclass(frozen=True, kw_only=True)
class StatementRequest:
    """A statement with everything that it may refer to."""

    session: Session
    statement: StatementText
    query_id: str = ""
    """A UUID in hexadecimal text."""
    bindings: Sequence[Binding] = ()
    """Values for its markers."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters for this statement alone, by upper-case name; they go before the session's.
    Those that the server knows have their type."""
    cancelled: Cancellation = field(default_factory=Cancellation)
    """Set to stop the statement; it then ends with QueryCancelled."""
    accessed: AccessNotes = field(default_factory=AccessNotes, compare=False)
    """What it used, noted while it runs."""
    flow: Result | None = None
    """The rows of the statement before `->>`; read as `$1`."""

    @property
    def text(self) -> str:
        """The statement as it was written."""
        return self.statement.text

    def check_cancelled(self) -> None:
        """Raises QueryCancelled when the statement shall stop; cheap, for long loops to ask."""
        if self.cancelled.is_set():
            raise QueryCancelled("SQL execution canceled")

    def parameter(self, name: str) -> Value:
        """The value in force; raises InvalidArgument for an unknown parameter."""
        value: Value | None = self.parameters.get(name)
        return self.session.parameter(name) if value is None else value

    def parameters_in_force(self) -> dict[str, Any]:
        """Every parameter with the value in force now."""
        own = {
            name: value
            for name, value in self.parameters.items()
            if value is not None and name in PARAMETERS
        }
        return in_force(self.session.parameters, own)
