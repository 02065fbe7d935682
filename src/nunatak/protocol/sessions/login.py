"""Logging in: from the request's body to a user, a role and an open session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nunatak.access.authenticate import Identity
from nunatak.access.service import Access
from nunatak.access.sessions import SessionTokens
from nunatak.catalog.names import parse_identifier, quoted
from nunatak.errors import DefaultRefused, InvalidArgument, LoginRefused
from nunatak.protocol.results.answers import parameter_list
from nunatak.protocol.sessions.live_sessions import LiveSession, LiveSessions
from nunatak.warehouse.core.parameters import in_force, of_login

SERVER_VERSION = "10.0.0 nunatak"
_TEXT_LIMIT_CHARS = 32_768
_ENVIRONMENT_KEYS = ("APPLICATION", "OS", "OS_VERSION", "PYTHON_VERSION")
_CLIENT_TEXT_CHARS = 200
_VALIDATE = "CLIENT_VALIDATE_DEFAULT_PARAMETERS"
_HEALTH_CHECK_S = 45


@dataclass(frozen=True, kw_only=True)
class LoginRequest:
    """A client's login. Names are in stored form; None was not given."""

    authenticator: str
    login_name: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    role: str | None = None
    warehouse: str | None = None
    database: str | None = None
    schema: str | None = None
    client: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


def parse_login(body: Mapping[str, Any], query: Mapping[str, str]) -> LoginRequest:
    """Read a login request; raises InvalidArgument."""
    data = body.get("data")
    if not isinstance(data, dict):
        raise InvalidArgument("A login request has an object 'data'.")
    environment = data.get("CLIENT_ENVIRONMENT")
    environment = environment if isinstance(environment, dict) else {}
    parameters = data.get("SESSION_PARAMETERS")
    return LoginRequest(
        authenticator=_text(data, "AUTHENTICATOR").upper() or "SNOWFLAKE",
        login_name=_text(data, "LOGIN_NAME"),
        password=_text(data, "PASSWORD"),
        token=_text(data, "TOKEN"),
        role=_name(query.get("roleName")),
        warehouse=_name(query.get("warehouse")),
        database=_name(query.get("databaseName")),
        schema=_name(query.get("schemaName")),
        client={
            "CLIENT_APP_ID": _text(data, "CLIENT_APP_ID")[:_CLIENT_TEXT_CHARS],
            "CLIENT_APP_VERSION": _text(data, "CLIENT_APP_VERSION")[:_CLIENT_TEXT_CHARS],
            **{k: str(environment.get(k, ""))[:_CLIENT_TEXT_CHARS] for k in _ENVIRONMENT_KEYS},
        },
        parameters=parameters if isinstance(parameters, dict) else {},
    )


def authenticate(access: Access, login: LoginRequest, *, address: str) -> Identity:
    """Establish who logs in; raises LoginRefused, JwtRefused, TokenInvalid, TokenExpired."""
    authenticator = access.authenticator
    match login.authenticator:
        case "SNOWFLAKE" | "USERNAME_PASSWORD_MFA":
            # Some clients send an access token beside an empty password, others as the password.
            if login.token and not login.password:
                return authenticator.access_token(login.token, login_name=login.login_name)
            return authenticator.password(login.login_name, login.password, address=address)
        case "SNOWFLAKE_JWT":
            return authenticator.key_pair(login.token)
        case "PROGRAMMATIC_ACCESS_TOKEN" | "OAUTH":
            return authenticator.access_token(login.token, login_name=login.login_name)
        case other:
            raise LoginRefused(
                f"Authenticator '{other[:100]}' is not offered: log in with a password, a key "
                "pair, or a programmatic access token."
            )


def open_session(
    access: Access, sessions: LiveSessions, login: LoginRequest, identity: Identity
) -> tuple[LiveSession, SessionTokens]:
    """Open a session with the names that the login or the user's defaults give; raises
    RoleRefused when the role may not be used, DefaultRefused when a place is not there and the
    login asked to be told."""
    role = access.authenticator.starting_role(identity, login.role)
    user = access.users.remembered(identity.user)
    defaults = dict(user.properties) if user else {}
    namespace = [part for part in defaults.get("DEFAULT_NAMESPACE", "").split(".") if part]
    database = login.database or (namespace[0] if namespace else None)
    own_schema = namespace[1] if len(namespace) > 1 and not login.database else None
    record, tokens = access.sessions.open(
        identity.user,
        restricted_to=identity.restricted_to,
        opened_by=identity.opened_by,
        client=login.client,
        context={
            "role": role,
            "role_identity": access.roles.identity(role),
            "more_roles": None if user and user.has_all_roles else [],
            "warehouse": login.warehouse or defaults.get("DEFAULT_WAREHOUSE"),
            "database": database,
            "schema": login.schema or own_schema or ("PUBLIC" if database else None),
            "parameters": of_login(login.parameters),
        },
    )
    live = sessions.of(record)
    try:
        _check_places(login, live)
    except DefaultRefused:
        sessions.close(live.id)
        raise
    return live, tokens


def _check_places(login: LoginRequest, live: LiveSession) -> None:
    """With CLIENT_VALIDATE_DEFAULT_PARAMETERS, places that are named must be there."""
    validate = {str(name).upper(): value for name, value in login.parameters.items()}
    if str(validate.get(_VALIDATE, False)).upper() != "TRUE":
        return
    for kind in ("database", "schema", "warehouse"):
        name = getattr(login, kind)
        if name is not None and getattr(live.session, kind) != name:
            raise DefaultRefused(
                f"The requested {kind} {quoted(name)} does not exist or not authorized."
            )


def login_data(live: LiveSession, tokens: SessionTokens) -> dict[str, Any]:
    """The `data` of a successful login."""
    session = live.session
    names = {
        "databaseName": session.database,
        "schemaName": session.schema,
        "warehouseName": session.warehouse,
        "roleName": session.role,
    }
    return {
        "token": tokens.token,
        "masterToken": tokens.master_token,
        "validityInSeconds": int(tokens.token_s),
        "masterValidityInSeconds": int(tokens.master_token_s),
        "sessionId": session.id,
        "serverVersion": SERVER_VERSION,
        "idToken": None,
        "mfaToken": None,
        "displayUserName": session.user,
        "firstLogin": False,
        "remMeToken": None,
        "remMeValidityInSeconds": 0,
        "healthCheckInterval": _HEALTH_CHECK_S,
        "newClientForUpgrade": None,
        "sessionInfo": {k: None if v is None else quoted(v) for k, v in names.items()},
        "parameters": parameter_list(in_force(session.parameters)),
    }


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT_CHARS:
        raise InvalidArgument(
            f"{key} of a login is a text of at most {_TEXT_LIMIT_CHARS} characters."
        )
    return value


def _name(text: str | None) -> str | None:
    """A name of the query string: upper-cased unless it is quoted; odd ones as they stand."""
    if not text:
        return None
    try:
        return parse_identifier(text)
    except InvalidArgument:
        return text[:_CLIENT_TEXT_CHARS]
