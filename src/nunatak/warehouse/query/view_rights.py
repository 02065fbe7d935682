"""Rights of views: a view reads what its owner may read at the moment when it is read.

A view names what it reads. Privileges belong to objects, so an object that has taken such a name
meanwhile is read only where the view's owner has a privilege on it, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.names import QualifiedName
from nunatak.errors import LimitExceeded, ObjectNotFound, Unsupported
from nunatak.warehouse.core.hooks import TableGuard
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.engine.engine import EngineConnection
from nunatak.warehouse.tables.tables import Location, Table, Tables

EXPANSIONS_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A statement that reads views: whose it is, and where it finds tables."""

    session: Session
    tables: Tables
    connection: EngineConnection
    guard: TableGuard


def check_view(reader: Reader, view: Table) -> int:
    """Check everything that a view reads, also through other views, each with the rights of its
    own owner; a temporary one has those of the session. Answers how many tables and views stand
    for the view once those that it reads are written out.

    Raises ObjectNotFound, Unsupported for a view of which is not known what it reads, and
    LimitExceeded.
    """
    waiting, allowed, count = [view], set[tuple[Location, Location]](), 0
    while waiting:
        outer = waiting.pop()
        owner = reader.session.role if outer.temporary else reader.guard.owner("VIEW", outer.name)
        for name in _reads(outer):
            inner = _found(reader, outer, name)
            if inner is None:
                raise _refusal(outer, name, owner)
            read = (outer.location, inner.location)
            if read not in allowed:
                if not (inner.temporary or _allowed(reader.guard, owner, inner)):
                    raise _refusal(outer, name, owner)
                allowed.add(read)
            count += 1
            check_expansions(count)
            if inner.is_view:
                waiting.append(inner)
    return count


def check_expansions(count: int) -> None:
    """Raises LimitExceeded where views stand for too many tables and views: the engine writes each
    out wherever it is named."""
    if count > EXPANSIONS_LIMIT:
        raise LimitExceeded(
            f"SQL compilation error:\nA statement's views stand for at most {EXPANSIONS_LIMIT} "
            "tables and views, each counted wherever it is named: keep the rows of one of them "
            "with CREATE TABLE … AS SELECT."
        )


def _reads(view: Table) -> tuple[QualifiedName, ...]:
    if view.reads is None:
        raise Unsupported(
            f"Unsupported: view {view.name}, because an earlier version made it and it reads what "
            "ended with the statement that made it. Make it again with CREATE OR REPLACE VIEW."
        )
    return view.reads


def _found(reader: Reader, view: Table, name: QualifiedName) -> Table | None:
    if view.temporary:
        return reader.tables.find(name, reader.session, connection=reader.connection)
    return reader.tables.permanent(name, connection=reader.connection)


def _allowed(guard: TableGuard, owner: str | None, table: Table) -> bool:
    needed = Requirement("SELECT", table.object_kind, str(table.name))
    return owner is not None and guard.allows(owner, needed)


def _refusal(view: Table, name: QualifiedName, owner: str | None) -> ObjectNotFound:
    hint = (
        f"(Failure during expansion of view '{view.name}', which reads it with the rights of its "
        f"owner {owner}.)"
    )
    return ObjectNotFound("Object", str(name), hint=hint)
