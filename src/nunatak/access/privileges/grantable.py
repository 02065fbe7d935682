"""Grantable privileges: those that each kind of object has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nunatak.access.privileges.requirement import ALL, OWNERSHIP
from nunatak.errors import InvalidArgument

GRANTABLE: Mapping[str, tuple[str, ...]] = {
    "ACCOUNT": (
        *("CREATE DATABASE", "CREATE WAREHOUSE", "CREATE COMPUTE POOL", "CREATE INTEGRATION"),
        *("CREATE USER", "CREATE ROLE", "CREATE NETWORK POLICY", "BIND SERVICE ENDPOINT"),
        *("MANAGE GRANTS", "MANAGE WAREHOUSES", "ATTACH POLICY", "APPLY TAG"),
        *("MONITOR EXECUTION", "MONITOR SECURITY", "MONITOR USAGE"),
    ),
    "COMPUTE_POOL": ("USAGE", "OPERATE", "MONITOR", "MODIFY"),
    "DATABASE": ("USAGE", "MONITOR", "MODIFY", "CREATE SCHEMA"),
    "FILE_FORMAT": ("USAGE",),
    "FUNCTION": ("USAGE",),
    "IMAGE_REPOSITORY": ("READ", "WRITE", "SERVICE READ", "SERVICE WRITE"),
    "INTEGRATION": ("USAGE",),
    "MODEL": ("USAGE", "READ"),
    "NETWORK_RULE": ("USAGE",),
    "ROLE": (),
    "SCHEMA": (
        *("USAGE", "MONITOR", "MODIFY", "CREATE TABLE", "CREATE VIEW", "CREATE SEQUENCE"),
        *("CREATE STAGE", "CREATE FILE FORMAT", "CREATE FUNCTION", "CREATE MODEL"),
        *("CREATE SERVICE", "CREATE IMAGE REPOSITORY", "CREATE NETWORK RULE"),
        *("CREATE SECRET", "CREATE TAG"),
    ),
    "SECRET": ("READ", "USAGE"),
    "SEQUENCE": ("USAGE",),
    "SERVICE": ("USAGE", "OPERATE", "MONITOR"),
    "SERVICE_ROLE": ("USAGE",),
    "STAGE": ("USAGE", "READ", "WRITE"),
    "TABLE": (
        *("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "EVOLVE SCHEMA"),
    ),
    "TAG": ("APPLY", "READ"),
    "USER": ("MONITOR",),
    "VIEW": ("SELECT", "REFERENCES"),
    "WAREHOUSE": ("USAGE", "OPERATE", "MONITOR", "MODIFY"),
}
"""Privileges that the original documents for the kind, as far as there is what they are about.
OWNERSHIP, which every kind but the account has, stands beside them."""


def granted_privileges(kind: str, privileges: Iterable[str]) -> tuple[str, ...]:
    """The privileges that a GRANT gives: ALL is every one of the kind."""
    given = (GRANTABLE[kind] if name == ALL else (name,) for name in privileges)
    return tuple(dict.fromkeys(name for names in given for name in names))


def check_privileges(kind: str, privileges: Iterable[str]) -> None:
    """Raises InvalidArgument for a privilege that the kind does not have."""
    known = (*GRANTABLE[kind], *(() if kind == "ACCOUNT" else (OWNERSHIP,)), ALL)
    for privilege in privileges:
        if privilege not in known:
            what = kind.replace("_", " ").lower()
            raise InvalidArgument(
                f"There is no privilege {privilege} on an object of kind {what}: use "
                f"{', '.join(known[:-1])} or {ALL}."
            )
