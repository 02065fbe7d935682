"""Users and their credentials: passwords and public keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nunatak.access.privileges.declared import Creates, Needs, Nothing
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.privileges.roles import USER
from nunatak.access.service import Access
from nunatak.access.users import ALL_ROLES, PROPERTIES, SECONDARY_ROLES, User
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.objects.users import UserAccounts
from nunatak.sql.access.user_tokens import NOT_BY_TOKEN, TOKEN_ACTIONS
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import SET, Action, Altered, KindFamily, Name
from nunatak.sql.language.queries import QueryControl
from nunatak.sql.language.show import flag, moment
from nunatak.sql.language.statement import Context, Modifiers, accept_if_not_exists, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean
from nunatak.sql.session.parameters import literal
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session


def _text(cursor: TokenCursor) -> str:
    return str(literal(cursor))


def _namespace(cursor: TokenCursor) -> str:
    return cursor.string() if cursor.at_string() else ".".join(cursor.name())


def _secondary(cursor: TokenCursor) -> str:
    """('ALL') or ()."""
    cursor.expect("(")
    if cursor.accept(")"):
        return ""
    if cursor.string().upper() != "ALL":
        cursor.fail("expected 'ALL': users have all of their roles as secondary roles, or none")
    cursor.expect(")")
    return ALL_ROLES


_READERS: dict[str, Any] = {
    **dict.fromkeys(PROPERTIES, _text),
    "DEFAULT_NAMESPACE": _namespace,
    SECONDARY_ROLES: _secondary,
    "PASSWORD": TokenCursor.string,
    "LOGIN_NAME": _text,
    "RSA_PUBLIC_KEY": TokenCursor.string,
    "RSA_PUBLIC_KEY_2": TokenCursor.string,
    "DISABLED": boolean,
    "MUST_CHANGE_PASSWORD": boolean,
}
_IGNORED = ("MUST_CHANGE_PASSWORD",)


def _settings(cursor: TokenCursor) -> dict[str, Any]:
    found = properties(cursor, _READERS)
    for name in _IGNORED:
        found.pop(name, None)
    for name in ("DEFAULT_ROLE", "DEFAULT_WAREHOUSE"):
        if name in found:
            found[name] = str(found[name]).upper()
    return found


@dataclass(frozen=True, kw_only=True)
class CreateUser(Creation):
    """CREATE [OR REPLACE] USER [IF NOT EXISTS] u properties."""

    name: str
    settings: dict[str, Any] = field(repr=False)

    def run(self, context: Context, users: UserAccounts) -> Result:
        """Add the user, whose own stage is empty."""
        made = users.create(self.name, self.settings, by=context.session, existing=self.existing)
        return created(made, "User", self.name)


@creation("USER", needs=(Creates(USER), NOT_BY_TOKEN))
def create_user(cursor: TokenCursor, create: Modifiers) -> CreateUser:
    """Parse CREATE USER."""
    if_not_exists = accept_if_not_exists(cursor, create)
    return CreateUser(
        name=cursor.identifier(),
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
        settings=_settings(cursor),
    )


def _user(cursor: TokenCursor) -> Name:
    """The name in ALTER, without which the session's own user is meant: its tokens only."""
    return () if cursor.at("ADD") or cursor.at("REMOVE") else (cursor.identifier(),)


def _names(cursor: TokenCursor) -> dict[str, None]:
    """`A, B` of UNSET."""
    names = [cursor.identifier()]
    while cursor.accept(","):
        names.append(cursor.identifier())
    return dict.fromkeys(names)


def _set(context: Context, altered: Altered, users: UserAccounts) -> None:
    """Disabling a user ends the sessions."""
    by, if_exists = context.session, altered.if_exists
    users.alter(altered.key.name, altered.values, by=by, if_exists=if_exists)


def _abort(context: Context, altered: Altered, access: Access, queries: QueryControl) -> None:
    """Stop what the user runs or has waiting, but this statement."""
    user = altered.key.name
    if not altered.if_exists:
        access.users.get(user)
    queries.cancel_where(lambda query: query.user == user, spare=context.query_id)


_USER_FIELDS = (
    Field("name"),
    Field("created_on", TIMESTAMP_LTZ),
    *map(
        Field,
        (
            "login_name",
            "display_name",
            "first_name",
            "last_name",
            "email",
            "disabled",
            "comment",
            "default_warehouse",
            "default_namespace",
            "default_role",
            "owner",
        ),
    ),
    Field("last_success_login", TIMESTAMP_LTZ),
    Field("has_password"),
    Field("has_rsa_public_key"),
    Field("type"),
)


def _row(user: User, _: Session) -> Sequence[Any]:
    given = user.properties
    return [
        user.name,
        moment(user.created_on),
        user.login_name,
        given.get("DISPLAY_NAME", user.name),
        given.get("FIRST_NAME", ""),
        given.get("LAST_NAME", ""),
        given.get("EMAIL", ""),
        flag(user.disabled),
        given.get("COMMENT", ""),
        given.get("DEFAULT_WAREHOUSE", ""),
        given.get("DEFAULT_NAMESPACE", ""),
        given.get("DEFAULT_ROLE", ""),
        user.owner,
        moment(user.last_login),
        flag(user.has_password),
        flag(user.public_keys),
        given.get("TYPE", ""),
    ]


def _described(user: User, _: Session) -> Sequence[Sequence[Any]]:
    """Properties, and the fingerprints of keys; never a secret."""
    first, second = user.fingerprints()
    values: dict[str, Any] = {
        "NAME": user.name,
        "LOGIN_NAME": user.login_name,
        **{name: user.properties.get(name) for name in PROPERTIES if name != SECONDARY_ROLES},
        **({SECONDARY_ROLES: ALL_ROLES} if user.has_all_roles else {}),
        "DISABLED": flag(user.disabled),
        "PASSWORD": "********" if user.has_password else None,
        "RSA_PUBLIC_KEY_FP": first,
        "RSA_PUBLIC_KEY_2_FP": second,
    }
    return [[name, value, None, ""] for name, value in values.items()]


def _drop(context: Context, altered: Altered, users: UserAccounts) -> bool:
    """Tokens, sessions and the files in the user's own stage go, too."""
    return users.drop(altered.key.name, by=context.session, if_exists=altered.if_exists)


_OWNS = Needs(OWNERSHIP, USER)
_SETTING = Action(
    words=SET, does="to change", needs=(_OWNS, NOT_BY_TOKEN), act=_set, reads=_settings
)
_ABORTING = Action(
    words="ABORT ALL QUERIES",
    does="to stop what the user runs",
    needs=(Needs(OWNERSHIP, USER, unless_self=True),),
    act=_abort,
)
USERS = KindFamily(
    kind=USER,
    words="USER",
    plural=("USERS",),
    service=UserAccounts,
    reads_altered=_user,
    actions=(_SETTING, replace(_SETTING, words="UNSET", reads=_names), _ABORTING, *TOKEN_ACTIONS),
    drops=_drop,
    dropping=(_OWNS, NOT_BY_TOKEN),
    show_fields=_USER_FIELDS,
    show_row=_row,
    terse_fields=_USER_FIELDS,
    showing=(Nothing(why="names of users are known within an account"),),
    describe_fields=tuple(map(Field, ("property", "value", "default", "description"))),
    describe_rows=_described,
    describing=(Needs(OWNERSHIP, USER, unless_self=True),),
)
register(USERS)
