"""Hooks of the warehouse into packages that know more: one frozen object, handed in at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nunatak.access.privileges.requirement import Requirement
from nunatak.access.privileges.sight import Sight
from nunatak.catalog.names import QualifiedName
from nunatak.stages.places import StagePlace
from nunatak.warehouse.core.call_markers import ModelCallPlanner
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session

VirtualTable = Callable[[Session, str], Result]
"""Rows of an INFORMATION_SCHEMA table for a session and a database."""
TableFunction = Callable[[Session, Sequence[Any]], Result]
"""Rows of an INFORMATION_SCHEMA table function for constant arguments; those that are given by name
are one mapping, the last of them."""
ServiceTable = Callable[[Session, Sequence[str], Mapping[str, Any]], Result]
"""Rows of a function of a service, `TABLE(s!F(name => value, …))`: the parts of the service's name
as written, and START_TIME and END_TIME where they are given: moments, or None for NULL."""
SystemFunction = Callable[[Session, Sequence[Any]], Any]
"""A function of literal arguments; answers text, a number, a boolean or None."""


class KeptResults(Protocol):
    """Results of earlier statements, for RESULT_SCAN."""

    def result(self, session: Session, query_id: str) -> Result:
        """The rows again; raises QueryForgotten."""


class StageResolver(Protocol):
    """Finds stages and file formats for a session, and checks that it may use them."""

    def place(self, session: Session, location: str, *, write: bool) -> StagePlace:
        """Place that `@stage/path`, `@~/path` or `@%table/path` leads to; raises ObjectNotFound,
        PrivilegeMissing, InvalidArgument."""

    def file_format(self, session: Session, name: str) -> Mapping[str, Any]:
        """The options of a named file format; raises ObjectNotFound, PrivilegeMissing."""


class TableGuard(Protocol):
    """The guard of tables, views and sequences: who may do what with them, and who owns them."""

    def require(self, session: Session, requirement: Requirement) -> None:
        """Raises PrivilegeMissing or ObjectNotFound unless the session's role may."""

    def sees(self, session: Session, kind: str, name: QualifiedName) -> bool:
        """Whether the session's role may see an object."""

    def sight(self, session: Session) -> Sight:
        """Sight of the objects that are shown to the session's role."""

    def allows(self, role: str, requirement: Requirement) -> bool:
        """Whether a role may, whoever asks."""

    def owner(self, kind: str, name: QualifiedName) -> str | None:
        """The role that owns an object."""

    def knows(self, kind: str, name: QualifiedName) -> bool:
        """Whether an object of that kind and name has an owner."""

    def created(
        self, session: Session, kind: str, name: QualifiedName, *, comment: str = ""
    ) -> None:
        """A TABLE, VIEW or SEQUENCE was made, in place of any of that name. The comment is that of
        a sequence: the engine keeps those of tables and views."""

    def dropped(self, kind: str, name: QualifiedName) -> None:
        """It is gone."""

    def renamed(self, kind: str, old: QualifiedName, new: QualifiedName) -> None:
        """It has another name."""

    def swapped(self, kind: str, one: QualifiedName, other: QualifiedName) -> None:
        """Each has the other's name."""


@dataclass(frozen=True, kw_only=True)
class ServerFunctions:
    """Functions and tables that the server writes itself, by upper-case name."""

    virtual_tables: Mapping[str, VirtualTable] = field(default_factory=dict)
    """Tables of INFORMATION_SCHEMA."""
    table_functions: Mapping[str, TableFunction] = field(default_factory=dict)
    """Table functions of INFORMATION_SCHEMA."""
    account_usage: Mapping[str, VirtualTable] = field(default_factory=dict)
    """Views of SNOWFLAKE.ACCOUNT_USAGE."""
    service_tables: Mapping[str, ServiceTable] = field(default_factory=dict)
    """Table functions of services."""
    system_functions: Mapping[str, SystemFunction] = field(default_factory=dict)
    """Functions such as SYSTEM$TYPEOF, for use inside queries."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Extensions of the warehouse by other rooms; all may be left out."""

    planner: ModelCallPlanner | None = None
    results: KeptResults | None = None
    stages: StageResolver | None = None
    guard: TableGuard | None = None
    """None allows everything."""
    functions: ServerFunctions = field(default_factory=ServerFunctions)
