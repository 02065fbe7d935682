"""The one table from the server's error classes to the vendor's codes and SQL states.

The most specific class wins. A test proves that every class of `nunatak.errors` has a line here
or inherits one that was chosen for it on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak import errors


@dataclass(frozen=True, slots=True)
class WireCode:
    """A vendor error: `code` as six digits of text, `sql_state`, and the kind of failure."""

    code: str
    sql_state: str
    type: str = "EXECUTION"


_COMPILATION = "COMPILATION"
_AUTHENTICATION = "AUTHENTICATION"

INTERNAL = WireCode("300002", "XX000", "INTERNAL")
QUERY_RUNNING = "333333"
"""Not an error: the query still runs; ask the result address again."""
QUERY_ACCEPTED = "333334"
"""Not an error: the query runs on its own."""
MASTER_TOKEN_EXPIRED = WireCode("390114", "08001", _AUTHENTICATION)
MASTER_TOKEN_INVALID = WireCode("390115", "08001", _AUTHENTICATION)

CODES: dict[type[errors.NunatakError], WireCode] = {
    errors.NunatakError: WireCode("100183", "P0000"),
    errors.StatementError: WireCode("001000", "42000", _COMPILATION),
    errors.SyntaxInvalid: WireCode("001003", "42000", _COMPILATION),
    errors.Unsupported: WireCode("000002", "0A000", _COMPILATION),
    errors.InvalidIdentifier: WireCode("000904", "42000", _COMPILATION),
    errors.InvalidArgument: WireCode("001008", "22023", _COMPILATION),
    errors.NoCurrentContext: WireCode("090105", "22000", _COMPILATION),
    errors.StatementCountDiffers: WireCode("000008", "0A000", _COMPILATION),
    errors.ObjectNotFound: WireCode("002003", "02000", _COMPILATION),
    errors.PlaceNotFound: WireCode("002043", "02000", _COMPILATION),
    errors.RoleNotHeld: WireCode("003013", "42501", _COMPILATION),
    errors.ObjectExists: WireCode("002002", "42710", _COMPILATION),
    errors.VersionExists: WireCode("100132", "42710", _COMPILATION),
    errors.ObjectInUse: WireCode("093023", "55006"),
    errors.DependentGrants: WireCode("003036", "23001"),
    errors.DatabaseDamaged: WireCode("000603", "58030"),
    errors.PrivilegeMissing: WireCode("003001", "42501", _COMPILATION),
    errors.StageUnreadable: WireCode("398507", "22000"),
    errors.QueryFailed: WireCode("100038", "22000"),
    errors.NullRefused: WireCode("100072", "22000"),
    errors.ExecutionError: WireCode("000603", "XX000"),
    errors.QueryCancelled: WireCode("000604", "57014"),
    errors.QueryForgotten: WireCode("000709", "02000"),
    errors.DeadlineExceeded: WireCode("000630", "57014"),
    errors.AccessError: WireCode("390100", "28000", _AUTHENTICATION),
    errors.DefaultRefused: WireCode("390201", "08004", _AUTHENTICATION),
    errors.LoginRefused: WireCode("390100", "28000", _AUTHENTICATION),
    errors.RoleRefused: WireCode("390189", "08004", _AUTHENTICATION),
    errors.JwtRefused: WireCode("390144", "28000", _AUTHENTICATION),
    errors.TokenExpired: WireCode("390112", "08001", _AUTHENTICATION),
    errors.TokenInvalid: WireCode("390111", "08001", _AUTHENTICATION),
    errors.ModelCallFailed: WireCode("100357", "P0000"),
    errors.BuildFailed: WireCode("395001", "P0000"),
    errors.ServiceUnavailable: WireCode("391920", "57014"),
    errors.ConfinementMissing: WireCode("391920", "57014"),
    errors.LimitExceeded: WireCode("000625", "57014"),
    errors.DiskFull: WireCode("000625", "57014"),
}

JWT_CODES: dict[str, str] = {
    "invalid": "390144",
    "expired": "394300",
    "not_yet_valid": "394301",
    "fingerprint": "394302",
    "algorithm": "394303",
    "format": "394306",
}
"""Codes of `errors.JwtRefused`, by its reason."""

_PREFIXED = "SQL compilation error:\n"


def wire_code(error: BaseException) -> WireCode:
    """The vendor's code of an error; anything that is not the server's own is INTERNAL."""
    for cls in type(error).__mro__:
        found = CODES.get(cls)
        if found is None:
            continue
        if isinstance(error, errors.JwtRefused):
            code = JWT_CODES.get(error.reason, found.code)
            return WireCode(code, found.sql_state, found.type)
        return found
    return INTERNAL


def failure(
    code: WireCode, message: str, *, query_id: str | None = None, line: int = -1, position: int = -1
) -> dict[str, Any]:
    """The body of a refused or failed request; it travels with HTTP status 200."""
    prefix = _PREFIXED if code.type == _COMPILATION and not message.startswith("SQL ") else ""
    return {
        "data": {
            "internalError": code is INTERNAL,
            "errorCode": code.code,
            "sqlState": code.sql_state,
            "queryId": query_id,
            "line": line,
            "pos": position,
            "type": code.type,
        },
        "code": code.code,
        "message": prefix + message,
        "success": False,
        "headers": None,
    }


def failure_of(error: errors.NunatakError, *, query_id: str | None = None) -> dict[str, Any]:
    """The body that tells a client of an error of the server's own tree."""
    place = error if isinstance(error, errors.SyntaxInvalid) else None
    return failure(
        wire_code(error),
        error.message,
        query_id=query_id,
        line=place.line if place else -1,
        position=place.position if place else -1,
    )
