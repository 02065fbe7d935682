"""USE, ALTER SESSION, SHOW PARAMETERS: what a session points at and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import CheckedInside, Nothing
from nunatak.access.service import Access
from nunatak.catalog.store import Key
from nunatak.errors import NoCurrentContext, PlaceNotFound, RoleNotHeld
from nunatak.objects.places import Place, Places
from nunatak.sql.language.show import (
    ShowClauses,
    check_place,
    show_clauses,
    show_result,
)
from nunatak.sql.language.statement import STATUS_FIELDS, Context, Modifiers, Statement, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer
from nunatak.warehouse.core.parameters import set_parameter, shown_parameters, unset_parameter
from nunatak.warehouse.core.results import Field, Result, status_result
from nunatak.warehouse.core.session import Session

_DONE = "Statement executed successfully."
_PARAMETER_FIELDS = tuple(
    Field(name) for name in ("key", "value", "default", "level", "description", "type")
)


@dataclass(frozen=True, kw_only=True)
class UseObject:
    """USE [DATABASE | SCHEMA | WAREHOUSE] name."""

    kind: str
    parts: tuple[str, ...]
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, places: Places) -> Result:
        """Point the session there; raises PlaceNotFound."""
        session = context.session
        if self.kind == "WAREHOUSE":
            places.require(Key("WAREHOUSE", self.parts[-1]), role=session.in_force)
            session.warehouse = self.parts[-1]
        elif self.kind == "DATABASE":
            check_place(context, places, self.parts[0])
            found = places.known(Place(database=self.parts[0]), role=session.in_force)
            session.database, session.schema = self.parts[0], found.schema
        else:
            database = self.parts[0] if len(self.parts) == 2 else session.database
            if database is None:
                raise NoCurrentContext(
                    f"Cannot use schema '{self.parts[-1]}': the session has no current database. "
                    "Call USE DATABASE first, or write database.schema."
                )
            check_place(context, places, database, self.parts[-1])
            session.database, session.schema = database, self.parts[-1]
        return status_result(_DONE)


@grammar(
    "USE",
    needs=(
        CheckedInside(
            why="its words tell the kind",
            privileges=("any privilege on the database, schema or warehouse",),
        ),
    ),
)
def use_object(cursor: TokenCursor, _: Modifiers) -> Statement:
    """Parse USE; without a word for the kind, one part is a database and two are a schema."""
    kind = cursor.accept_any("DATABASE", "SCHEMA", "WAREHOUSE")
    parts = cursor.name()
    if len(parts) > (2 if kind in (None, "SCHEMA") else 1):
        cursor.fail("too many parts in the name")
    return UseObject(kind=kind or ("DATABASE" if len(parts) == 1 else "SCHEMA"), parts=parts)


def require_held(access: Access, session: Session, role: str) -> str:
    """The identity of a role that the session's user holds; raises PlaceNotFound, RoleNotHeld."""
    identity = access.roles.identity(role)
    if identity is None:
        raise PlaceNotFound("Role", role)
    if role not in access.roles_of(session):
        raise RoleNotHeld(
            f"SQL access control error:\nRequested role '{role}' is not assigned to the "
            "executing user. Specify another role to activate."
        )
    return identity


@dataclass(frozen=True, kw_only=True)
class UseRole:
    """USE ROLE name: raises PlaceNotFound, and RoleNotHeld unless the user holds it."""

    role: str
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, access: Access) -> Result:
        """Make the role the session's current one."""
        session = context.session
        identity = require_held(access, session, self.role)
        with session.lock:
            session.role, session.role_identity = self.role, identity
        return status_result(_DONE)


@grammar(
    "USE ROLE",
    needs=(Nothing(why="the user must hold the role, which is checked when it is taken"),),
)
def use_role(cursor: TokenCursor, _: Modifiers) -> UseRole:
    """Parse USE ROLE."""
    return UseRole(role=cursor.identifier())


@dataclass(frozen=True, kw_only=True)
class UseSecondaryRoles:
    """USE SECONDARY ROLES ALL | NONE | r, …: `roles` is None for all. Raises PlaceNotFound, and
    RoleNotHeld unless the user holds each."""

    roles: tuple[str, ...] | None
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, access: Access) -> Result:
        """Let the session act with them beside its current role."""
        session = context.session
        if self.roles is not None:
            for role in self.roles:
                require_held(access, session, role)
        elif session.restricted_to is not None:
            raise RoleNotHeld(
                "SQL access control error:\nThe session's token is restricted to role "
                f"'{session.restricted_to}'. It has no secondary roles."
            )
        with session.lock:
            session.more_roles = None if self.roles is None else list(self.roles)
        return status_result(_DONE)


@grammar(
    "USE SECONDARY ROLES",
    needs=(Nothing(why="the user must hold the roles, which is checked at each statement"),),
)
def use_secondary_roles(cursor: TokenCursor, _: Modifiers) -> UseSecondaryRoles:
    """Parse USE SECONDARY ROLES."""
    word = cursor.accept_any("ALL", "NONE")
    if word is not None:
        return UseSecondaryRoles(roles=None if word == "ALL" else ())
    roles = [cursor.identifier()]
    while cursor.accept(","):
        roles.append(cursor.identifier())
    return UseSecondaryRoles(roles=tuple(dict.fromkeys(roles)))


@dataclass(frozen=True, kw_only=True)
class AlterSession:
    """ALTER SESSION SET name = value … | UNSET name, …"""

    settings: tuple[tuple[str, Any], ...] = ()
    unset: tuple[str, ...] = ()
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Change the parameters, all or none; raises InvalidArgument for an unknown one."""
        with context.session.lock:
            parameters = dict(context.session.parameters)
            for name, value in self.settings:
                set_parameter(parameters, name, value)
            for name in self.unset:
                unset_parameter(parameters, name)
            context.session.parameters = parameters
        return status_result(_DONE)


@grammar("ALTER SESSION SET", needs=(Nothing(why="a session belongs to its user"),))
def alter_session_set(cursor: TokenCursor, _: Modifiers) -> AlterSession:
    """Parse ALTER SESSION SET."""
    settings: list[tuple[str, Any]] = []
    while not cursor.done:
        name = cursor.identifier()
        cursor.expect("=")
        settings.append((name, literal(cursor)))
        cursor.accept(",")
    return AlterSession(settings=tuple(settings))


@grammar("ALTER SESSION UNSET", needs=(Nothing(why="a session belongs to its user"),))
def alter_session_unset(cursor: TokenCursor, _: Modifiers) -> AlterSession:
    """Parse ALTER SESSION UNSET."""
    names = [cursor.identifier()]
    while cursor.accept(","):
        names.append(cursor.identifier())
    return AlterSession(unset=tuple(names))


def literal(cursor: TokenCursor) -> str | int | bool:
    """A string, TRUE, FALSE, a whole number, or a bare word as text."""
    if cursor.at_string():
        return cursor.string()
    if cursor.peek() in ("TRUE", "FALSE"):
        return boolean(cursor)
    if cursor.peek().isdigit() or cursor.at("-"):
        return integer(cursor)
    return cursor.identifier()


@dataclass(frozen=True, kw_only=True)
class ShowParameters:
    """SHOW PARAMETERS [LIKE …] [IN SESSION | ACCOUNT | …]."""

    clauses: ShowClauses
    of_session: bool
    fields: tuple[Field, ...] = _PARAMETER_FIELDS

    def run(self, context: Context) -> Result:
        """One row for each; outside the session the defaults are shown."""
        overrides = context.session.parameters if self.of_session else {}
        rows = self.clauses.select(shown_parameters(overrides), lambda row: row.key)
        shown = [[r.key, r.value, r.default, r.level, r.description, r.type] for r in rows]
        return show_result(_PARAMETER_FIELDS, shown)


@grammar("SHOW PARAMETERS", needs=(Nothing(why="the parameters are those of the session"),))
def show_parameters(cursor: TokenCursor, _: Modifiers) -> ShowParameters:
    """Parse SHOW PARAMETERS."""
    scopes = ("SESSION", "ACCOUNT", "USER", "WAREHOUSE", "DATABASE", "SCHEMA", "TABLE")
    like = cursor.string() if cursor.accept("LIKE") else None
    scope = "SESSION"
    if cursor.accept("IN") or cursor.accept("FOR"):
        scope = cursor.accept_any(*scopes) or cursor.fail(f"expected one of {', '.join(scopes)}")
        if not cursor.done and cursor.peek() != "LIKE":
            cursor.name()
    clauses = show_clauses(cursor) if like is None else ShowClauses(like=like)
    return ShowParameters(clauses=clauses, of_session=scope == "SESSION")


@dataclass(frozen=True, kw_only=True)
class ShowVariables:
    """SHOW VARIABLES [LIKE …]."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = (Field("name"), Field("value"), Field("type"))

    def run(self, context: Context) -> Result:
        """One row for each variable of the session."""
        names = self.clauses.select(sorted(context.session.variables), str)
        values = [(name, context.session.variables[name]) for name in names]
        rows = [[name, str(value), _variable_type(value)] for name, value in values]
        return show_result(self.fields, rows)


@grammar("SHOW VARIABLES", needs=(Nothing(why="the variables are those of the session"),))
def show_variables(cursor: TokenCursor, _: Modifiers) -> ShowVariables:
    """Parse SHOW VARIABLES."""
    return ShowVariables(clauses=show_clauses(cursor, scopes=()))


def _variable_type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "fixed" if isinstance(value, int) else "real" if isinstance(value, float) else "text"
