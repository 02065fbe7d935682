"""SNOWFLAKE.ACCOUNT_USAGE: histories and grants of the whole account, for who may monitor it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from nunatak.access.privileges.declared import NeedsOnAccount, Rules
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.service import Access
from nunatak.audit.events import moment
from nunatak.audit.log import AuditLog
from nunatak.catalog.sqltypes import ARRAY, BOOLEAN, TIMESTAMP_LTZ, VARIANT
from nunatak.sql.access.history import (
    LOGIN_FIELDS,
    QUERY_FIELDS,
    Record,
    login_row,
    logins,
    query_row,
    statements,
)
from nunatak.sql.language.functions import account_usage
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.results import Field, Result, rows_result

_MOST_ROWS = 100_000
"""The newest records that a view shows."""
_SECURITY: Rules = (NeedsOnAccount("MONITOR SECURITY"),)
_USAGE: Rules = (NeedsOnAccount("MONITOR USAGE"),)
_SHOWN = frozenset(
    {"TABLE", "VIEW", "STAGE", "FILE_FORMAT", "SEQUENCE", "FUNCTION", "MODEL", "SERVICE"}
)
"""Kinds of objects whose use is told."""
_CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "TRUNCATE", "WRITE", OWNERSHIP})
_STATUSES = {"SUCCESS": "SUCCESS", "FAILED_WITH_INCIDENT": "INCIDENT"}
_STATUS = [field.name for field in QUERY_FIELDS].index("EXECUTION_STATUS")
_ACCESS_FIELDS = (
    Field("QUERY_ID"),
    Field("QUERY_START_TIME", TIMESTAMP_LTZ),
    Field("USER_NAME"),
    Field("DIRECT_OBJECTS_ACCESSED", ARRAY),
    Field("BASE_OBJECTS_ACCESSED", ARRAY),
    Field("OBJECTS_MODIFIED", ARRAY),
    Field("OBJECT_MODIFIED_BY_DDL", VARIANT),
    Field("POLICIES_REFERENCED", ARRAY),
    Field("PARENT_QUERY_ID"),
    Field("ROOT_QUERY_ID"),
)
_TO_ROLES_FIELDS = (
    Field("CREATED_ON", TIMESTAMP_LTZ),
    Field("MODIFIED_ON", TIMESTAMP_LTZ),
    *map(Field, ("PRIVILEGE", "GRANTED_ON", "NAME", "TABLE_CATALOG", "TABLE_SCHEMA")),
    *map(Field, ("GRANTED_TO", "GRANTEE_NAME")),
    Field("GRANT_OPTION", BOOLEAN),
    Field("GRANTED_BY"),
    Field("DELETED_ON", TIMESTAMP_LTZ),
)
_TO_USERS_FIELDS = (
    Field("CREATED_ON", TIMESTAMP_LTZ),
    Field("DELETED_ON", TIMESTAMP_LTZ),
    *map(Field, ("ROLE", "GRANTED_TO", "GRANTEE_NAME", "GRANTED_BY")),
)


@account_usage("LOGIN_HISTORY", needs=_SECURITY)
def login_history(_: Context, _arguments: Sequence[Any], audit: AuditLog) -> Result:
    """Every login that was tried."""
    rows = [login_row(record) for record in islice(logins(audit), _MOST_ROWS)]
    return rows_result(LOGIN_FIELDS, rows)


@account_usage("QUERY_HISTORY", needs=_USAGE)
def query_history(_: Context, _arguments: Sequence[Any], audit: AuditLog) -> Result:
    """Every statement that has ended."""
    rows = [query_row(record) for record in islice(statements(audit), _MOST_ROWS)]
    for row in rows:
        row[_STATUS] = _STATUSES.get(row[_STATUS], "FAIL")
    return rows_result(QUERY_FIELDS, rows)


@account_usage("ACCESS_HISTORY", needs=_USAGE)
def access_history(_: Context, _arguments: Sequence[Any], audit: AuditLog) -> Result:
    """The objects that statements read and changed."""
    used = (
        record
        for record in statements(audit)
        if record["status"] == "SUCCESS"
        and any(kind in _SHOWN for _, kind, _ in record["accessed"])
    )
    return rows_result(_ACCESS_FIELDS, [_access_row(record) for record in islice(used, _MOST_ROWS)])


@account_usage("GRANTS_TO_ROLES", needs=_SECURITY)
def grants_to_roles(_: Context, _arguments: Sequence[Any], access: Access) -> Result:
    """The privileges and roles that roles hold."""
    rows: list[list[Any]] = []
    for role in access.roles.list_all():
        for grant in access.grants.to(role.name):
            made, place = _at(grant.created_on), grant.object_name.split(".")
            rows.append(
                [
                    *(made, made, grant.privilege, grant.kind, place[-1]),
                    *(place[0] if len(place) > 1 else None, place[1] if len(place) > 2 else None),
                    *("ROLE", role.name, grant.grant_option, grant.granted_by, None),
                ]
            )
        for item in access.roles.grants_to("ROLE", role.name):
            made = _at(item.created_on)
            rows.append(
                [
                    *(made, made, "USAGE", "ROLE", item.role, None, None),
                    *("ROLE", role.name, False, item.granted_by, None),
                ]
            )
    return rows_result(_TO_ROLES_FIELDS, rows)


@account_usage("GRANTS_TO_USERS", needs=_SECURITY)
def grants_to_users(_: Context, _arguments: Sequence[Any], access: Access) -> Result:
    """The roles that users hold."""
    rows = [
        [_at(item.created_on), None, item.role, "USER", user.name, item.granted_by]
        for user in access.users.list_all()
        for item in access.roles.grants_to("USER", user.name)
    ]
    return rows_result(_TO_USERS_FIELDS, rows)


def _at(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _access_row(record: Record) -> list[Any]:
    used = record["accessed"]
    read = _objects(used, changed=False)
    return [
        record["query"],
        moment(record["started"]),
        record["user"],
        read,
        read,
        _objects(used, changed=True),
        None,
        "[]",
        None,
        None,
    ]


def _objects(used: Sequence[Sequence[str]], *, changed: bool) -> str:
    """Objects as JSON, each once; changing rights tell those that were changed."""
    found = {
        (kind, name): {"objectDomain": kind.replace("_", " ").title(), "objectName": name}
        for privilege, kind, name in used
        if kind in _SHOWN and (privilege in _CHANGES) == changed
    }
    return json.dumps(list(found.values()))
