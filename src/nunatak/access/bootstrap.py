"""The first start: system roles, the first user, and the file that clients connect with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nunatak.access.connections import write_connections
from nunatak.access.credentials.passwords import random_password
from nunatak.access.privileges.roles import (
    ACCOUNTADMIN,
    PUBLIC,
    ROLE,
    SECURITYADMIN,
    SYSADMIN,
    SYSTEM_HIERARCHY,
    SYSTEM_ROLES,
    USER,
    USERADMIN,
)
from nunatak.access.service import Access
from nunatak.config import Settings

FIRST_USER = "ADMIN"
WAREHOUSE = "COMPUTE_WH"
DATABASE = "NUNATAK"
SCHEMA = "PUBLIC"
CONNECTION = "nunatak"

_ACCOUNT_GRANTS = {
    SYSADMIN: (
        "CREATE DATABASE",
        "CREATE WAREHOUSE",
        "CREATE COMPUTE POOL",
        "CREATE INTEGRATION",
        "BIND SERVICE ENDPOINT",
    ),
    SECURITYADMIN: ("MANAGE GRANTS",),
    USERADMIN: ("CREATE USER", "CREATE ROLE"),
}


def connections_file(settings: Settings) -> Path:
    """The server's own connections file, in its home."""
    return settings.home / "connections.toml"


def prepare_account(access: Access, settings: Settings) -> str | None:
    """Make what every account has; returns the first user's password when it was made just now.

    Doing it again changes nothing.
    """
    existing = {role.name for role in access.roles.list_all()}
    for role in SYSTEM_ROLES:
        if role not in existing:
            access.roles.create(role, owner="", comment="Part of every account.")
    for role, inheritor in SYSTEM_HIERARCHY:
        access.roles.grant(role, grantee_kind=ROLE, grantee=inheritor, by="")
    for role, privileges in _ACCOUNT_GRANTS.items():
        access.grants.grant(privileges, "ACCOUNT", settings.account, role=role, by="")
    if access.users.list_all():
        return None
    password = random_password()
    _make_first_user(access, password)
    return password


def share_first_objects(access: Access) -> None:
    """Let everybody use the first warehouse, the first database and its schema."""
    for kind, title in (
        ("WAREHOUSE", WAREHOUSE),
        ("DATABASE", DATABASE),
        ("SCHEMA", f"{DATABASE}.{SCHEMA}"),
    ):
        access.grants.grant(["USAGE"], kind, title, role=PUBLIC, by="")


@dataclass(frozen=True, slots=True)
class Reset:
    """A user's new password, the name to log in with, and what else had to be mended: the first
    user `is_made` again, the user `is_raised` to ACCOUNTADMIN."""

    login_name: str
    password: str
    is_made: bool
    is_raised: bool


def reset_password(access: Access, name: str) -> Reset:
    """Give a user a new password, enable them and end their sessions. When nobody could act as
    ACCOUNTADMIN, the user gets that role, and the first user is made again. Raises ObjectNotFound.
    """
    password = random_password()
    had_administrator = access.has_administrator()
    is_made = name == FIRST_USER and access.users.find(name) is None and not had_administrator
    if is_made:
        _make_first_user(access, password)
    else:
        access.administration.alter_user(name, {"PASSWORD": password, "DISABLED": False})
    is_raised = not access.has_administrator()
    if is_raised:
        access.roles.grant(ACCOUNTADMIN, grantee_kind=USER, grantee=name, by="")
    access.administration.end_sessions(name)
    return Reset(access.users.get(name).login_name, password, is_made, is_raised)


def _make_first_user(access: Access, password: str) -> None:
    access.users.create(
        FIRST_USER,
        owner=ACCOUNTADMIN,
        settings={
            "PASSWORD": password,
            "DEFAULT_ROLE": ACCOUNTADMIN,
            "DEFAULT_WAREHOUSE": WAREHOUSE,
            "DEFAULT_NAMESPACE": f"{DATABASE}.{SCHEMA}",
        },
    )
    access.roles.grant(ACCOUNTADMIN, grantee_kind=USER, grantee=FIRST_USER, by="")


def write_own_connection(
    settings: Settings, *, host: str, port: int, password: str | None
) -> dict[str, str | int]:
    """Write `<home>/connections.toml` for the address that the server listens on now, and return
    its table. Without a new password the one that stands in the file stays."""
    table: dict[str, str | int] = {
        "account": settings.account,
        "user": FIRST_USER,
        "host": host,
        "port": port,
        "protocol": "https" if settings.tls else "http",
        "warehouse": WAREHOUSE,
        "database": DATABASE,
        "schema": SCHEMA,
        "role": ACCOUNTADMIN,
    }
    if password is not None:
        table["password"] = password
    return write_connections(connections_file(settings), CONNECTION, table, keep=("password",))


__all__ = [
    "CONNECTION",
    "DATABASE",
    "FIRST_USER",
    "PUBLIC",
    "SCHEMA",
    "WAREHOUSE",
    "Reset",
    "connections_file",
    "prepare_account",
    "reset_password",
    "share_first_objects",
    "write_own_connection",
]
