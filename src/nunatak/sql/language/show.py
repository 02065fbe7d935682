"""The clauses that SHOW commands share: LIKE, IN, STARTS WITH, LIMIT … FROM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nunatak.access.privileges.declared import Nothing
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument, NoCurrentContext
from nunatak.objects.places import Places
from nunatak.patterns import like
from nunatak.sql.language.statement import Context
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer
from nunatak.warehouse.core.results import Field, Result, StatementKind, rows_result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.query.information_schema import NAME as INFORMATION_SCHEMA

SHOW_ROWS_LIMIT = 10_000
_SCOPES = ("ACCOUNT", "DATABASE", "SCHEMA")
_CURRENT = ("DATABASE", "SCHEMA")
"""Scopes that mean the session's own where no name follows."""
SHOWN_WHERE_ALLOWED = (Nothing(why="only objects are shown on which the role has a privilege"),)
"""What SHOW needs: it chooses."""


@dataclass(frozen=True, slots=True)
class ShowScope:
    """The scope of SHOW; an empty part is open."""

    database: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class ShowClauses:
    """The parsed clauses. `within` is the written scope: ("SCHEMA", ("DB", "S")), None if absent;
    a kind of its own such as COMPUTE POOL is allowed where the command says so."""

    like: str | None = None
    within: tuple[str, tuple[str, ...]] | None = None
    starts_with: str | None = None
    limit: int | None = None
    after: str | None = None

    def scope(self, session: Session) -> ShowScope:
        """The databases and schemas to look in, with the session's current ones as default."""
        kind, parts = self.within or ("", ())
        match kind:
            case "ACCOUNT":
                return ShowScope()
            case "DATABASE":
                return ShowScope((parts or (_needed(session.database, "database"),))[-1])
            case "SCHEMA":
                return _schema_scope(parts, session)
            case _:
                return ShowScope(session.database, session.schema)

    def select(self, rows: Iterable[Any], name: Callable[[Any], str]) -> list[Any]:
        """The rows that LIKE, STARTS WITH, LIMIT and FROM leave, in the given order.

        When LIKE holds a name that exists exactly as written, only that row is answered, although
        `_` is a wildcard: clients put bare names there and count the rows.
        """
        found = list(rows)
        if self.like is not None:
            names = [name(row) for row in found]
            exact = [row for row, written in zip(found, names, strict=True) if written == self.like]
            alike = zip(found, like(names, self.like), strict=True)
            found = exact or [row for row, is_alike in alike if is_alike]
        if self.starts_with is not None:
            found = [row for row in found if name(row).startswith(self.starts_with)]
        if self.after is not None:
            found = [row for row in found if name(row) > self.after]
        return found[: min(self.limit or SHOW_ROWS_LIMIT, SHOW_ROWS_LIMIT)]


def scope_in(context: Context, clauses: ShowClauses, places: Places) -> ShowScope:
    """The scope of a SHOW command; raises PlaceNotFound where IN names what is not there, or what
    the role may not see."""
    scope = clauses.scope(context.session)
    if clauses.within is not None and scope.database is not None:
        check_place(context, places, scope.database, scope.schema)
    return scope


_EMPTY_HERE = frozenset({("SNOWFLAKE", "IMAGES")})
"""Schemas of the vendor that clients look into before they look elsewhere."""


def check_place(context: Context, places: Places, database: str, schema: str | None = None) -> None:
    """Raises PlaceNotFound unless the database, and the schema in it, are there and the role may
    see them."""
    if (database, schema) in _EMPTY_HERE:
        return
    role = context.session.in_force
    places.require(Key("DATABASE", database), role=role)
    if schema is not None and schema != INFORMATION_SCHEMA:
        places.require(Key("SCHEMA", schema, database), role=role)


def show_clauses(
    cursor: TokenCursor,
    *,
    scopes: Sequence[str] = _SCOPES,
    needs_scope: bool = False,
    bare: str = "SCHEMA",
) -> ShowClauses:
    """Read the clauses of a SHOW command, in the vendor's order.

    `scopes` are the kinds that may follow IN, none where it may not stand; `bare` is what a name
    alone after IN means, if it is one of them, else it is the first.
    """
    cursor.accept("TERSE")
    like = cursor.string() if cursor.accept("LIKE") else None
    within = _within(cursor, scopes, bare) if scopes and cursor.accept("IN") else None
    if within is None and needs_scope:
        cursor.fail(f"expected IN {scopes[0]} <name>")
    if like is None and cursor.accept("LIKE"):
        like = cursor.string()
    starts_with = cursor.string() if cursor.accept("STARTS", "WITH") else None
    limit = integer(cursor) if cursor.accept("LIMIT") else None
    after = cursor.string() if limit is not None and cursor.accept("FROM") else None
    if limit is not None and limit < 0:
        raise InvalidArgument("LIMIT must not be negative.")
    return ShowClauses(like, within, starts_with, limit, after)


def _within(cursor: TokenCursor, scopes: Sequence[str], bare: str) -> tuple[str, tuple[str, ...]]:
    for scope in scopes:
        if cursor.accept(*scope.split()):
            is_bare = scope == "ACCOUNT" or (scope in _CURRENT and _clause_ends(cursor))
            return (scope, () if is_bare else cursor.name())
    if scopes == ("ACCOUNT",):
        cursor.fail("expected ACCOUNT")
    return (bare if bare in scopes else scopes[0], cursor.name())


def _clause_ends(cursor: TokenCursor) -> bool:
    return cursor.done or cursor.peek() in ("STARTS", "LIMIT", "LIKE", "->>")


def _schema_scope(parts: tuple[str, ...], session: Session) -> ShowScope:
    if len(parts) == 2:
        return ShowScope(parts[0], parts[1])
    database = _needed(session.database, "database")
    return ShowScope(database, parts[0] if parts else _needed(session.schema, "schema"))


def _needed(value: str | None, what: str) -> str:
    if value is None:
        raise NoCurrentContext(
            f"The session has no current {what}. Call USE {what.upper()}, or name one after IN."
        )
    return value


def show_result(fields: Sequence[Field], rows: Sequence[Sequence[Any]]) -> Result:
    """The answer of a SHOW or DESCRIBE command."""
    return rows_result(fields, rows, kind=StatementKind.SHOW)


def moment(seconds: float | None) -> datetime | None:
    """A catalog time as a timestamp value in UTC; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def flag(value: object) -> str:
    """A boolean as SHOW commands print it."""
    return "true" if value else "false"
