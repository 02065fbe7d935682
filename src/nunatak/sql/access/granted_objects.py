"""Objects of GRANT and REVOKE: what is written behind ON."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import ACCOUNT
from nunatak.access.privileges.future import Future
from nunatak.access.privileges.grantable import check_privileges
from nunatak.access.privileges.owners import SERVICE_ROLE
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.objects.roles import RoleAccounts, service_role_title
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.statement import Context, require_seen
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.services.functions import argument_types

DATABASE_ROLES = (
    "Unsupported: database roles: CREATE ROLE makes a role of the account, which is granted "
    "privileges on the objects of a database likewise."
)
_KINDS = (
    "EXTERNAL ACCESS INTEGRATION",
    "IMAGE REPOSITORY",
    "COMPUTE POOL",
    "NETWORK RULE",
    "FILE FORMAT",
    "INTEGRATION",
    "DATABASE",
    "WAREHOUSE",
    "FUNCTION",
    "SEQUENCE",
    "SERVICE",
    "ACCOUNT",
    "SCHEMA",
    "SECRET",
    "MODEL",
    "STAGE",
    "TABLE",
    "VIEW",
    "USER",
    "ROLE",
    "TAG",
)
_COUNTED = (
    "TABLE",
    "VIEW",
    "SEQUENCE",
    "STAGE",
    "FILE FORMAT",
    "SCHEMA",
    "MODEL",
    "SERVICE",
    "FUNCTION",
    "SECRET",
    "TAG",
    "NETWORK RULE",
    "IMAGE REPOSITORY",
)
"""Kinds that ON ALL and ON FUTURE take."""
_ALIASES = {"EXTERNAL_ACCESS_INTEGRATION": "INTEGRATION"}


@dataclass(frozen=True, slots=True)
class On:
    """The objects of a GRANT: one by its name, or with `within`, SCHEMA or DATABASE, all of the
    kind that there are in the one that `parts` name, or that are yet to be made there."""

    kind: str
    parts: tuple[str, ...]
    within: str = ""
    is_future: bool = False

    def titles(
        self, context: Context, access: Access, objects: Objects, roles: RoleAccounts
    ) -> list[str]:
        """The catalog's titles of them; raises ObjectNotFound for one that is not there, or may not
        be seen."""
        session = context.session
        if self.within:
            place = key_of(self.within, self.parts, session)
            require_seen(place, context, access, objects)
            return roles.titles_within(self.kind, place)
        if self.kind == SERVICE_ROLE:
            return [roles.service_role(session.qualify(self.parts[:-1]), self.parts[-1])]
        if self.kind != ACCOUNT:
            key = key_of(self.kind, self.parts, session)
            manager = access.grants.securable(self.kind, key.title).manager
            manages = manager in access.roles.effective(session.in_force)
            if not (manages and objects.find(key)):  # who manages access need have none
                require_seen(key, context, access, objects)
        return [object_title(context, self.kind, self.parts)]

    def future(self, context: Context, access: Access, objects: Objects) -> Future:
        """Those that are yet to be made; raises ObjectNotFound for a place that is not there, or
        may not be seen."""
        place = key_of(self.within, self.parts, context.session)
        require_seen(place, context, access, objects)
        return Future(self.kind, place)


def object_title(context: Context, kind: str, parts: tuple[str, ...]) -> str:
    """The catalog's title of an object written in a GRANT; raises NoCurrentContext, and
    InvalidArgument for a name of too many parts."""
    if kind == ACCOUNT:
        return context.session.account
    if kind == SERVICE_ROLE:
        service = context.session.qualify(parts[:-1])
        return service_role_title(service, parts[-1])
    return key_of(kind, parts, context.session).title


def privileges_on(cursor: TokenCursor) -> tuple[tuple[str, ...], On]:
    """The privileges with their objects: of a service role it is USAGE."""
    if cursor.accept("SERVICE", "ROLE"):
        parts = cursor.name()
        cursor.expect("!")
        return ("USAGE",), On(SERVICE_ROLE, (*parts, cursor.identifier()))
    privileges = _privileges(cursor)
    if (word := cursor.accept_any("ALL", "FUTURE")) is not None:
        kind = _plural_kind(cursor)
        cursor.expect("IN")
        within = cursor.accept_any("SCHEMA", "DATABASE") or cursor.fail("expected SCHEMA")
        if (kind, within) == ("SCHEMA", "SCHEMA"):
            cursor.fail("schemas are in a database")
        on = On(kind, cursor.name(), within, is_future=word == "FUTURE")
    else:
        on = On(*object_of(cursor))
    check_privileges(on.kind, privileges)
    return privileges, on


def _plural_kind(cursor: TokenCursor) -> str:
    for kind in _COUNTED:
        if cursor.accept(*f"{kind}S".split()):
            return kind.replace(" ", "_")
    return cursor.fail(f"expected one of {', '.join(f'{kind}S' for kind in _COUNTED)}")


def _privileges(cursor: TokenCursor) -> tuple[str, ...]:
    privileges: list[str] = []
    words: list[str] = []
    while not cursor.accept("ON"):
        if cursor.done:
            cursor.fail("expected ON")
        if cursor.accept(","):
            privileges.append(" ".join(words))
            words = []
        else:
            words.append(cursor.peek())
            cursor.position += 1
    privileges.append(" ".join(words))
    if not all(privileges):
        cursor.fail("expected a privilege")
    return tuple("ALL" if name == "ALL PRIVILEGES" else name for name in privileges)


def object_of(cursor: TokenCursor) -> tuple[str, tuple[str, ...]]:
    """The kind and the name of an object written in a GRANT."""
    for words in _KINDS:
        if cursor.accept(*words.split()):
            kind = words.replace(" ", "_")
            parts = () if kind == "ACCOUNT" else cursor.name()
            if kind == "FUNCTION" and cursor.at("("):
                argument_types(cursor)
            return _ALIASES.get(kind, kind), parts
    return cursor.fail("expected a kind of object")
