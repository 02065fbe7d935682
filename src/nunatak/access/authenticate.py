"""Authentication: from a password or a token to a user and the roles that it may act with."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from nunatak.access.credentials import keys
from nunatak.access.credentials.throttle import LoginThrottle
from nunatak.access.credentials.tokens import Token, TokenKind, Tokens
from nunatak.access.privileges.roles import PUBLIC
from nunatak.access.records.store import AccessStore
from nunatak.access.sessions import Sessions
from nunatak.access.standing import TAKEN, Standing
from nunatak.access.users import Users
from nunatak.errors import (
    JwtRefused,
    LoginRefused,
    RoleRefused,
    TokenExpired,
    TokenInvalid,
)

ENDPOINT_TOKEN_S = 3600.0
_WRONG = "Incorrect username or password was specified."
_TOKEN_WRONG = "Programmatic access token is invalid."  # noqa: S105 a message, not a token
_LOGIN_LIMIT_CHARS = 255


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated user. `restricted_to` is the only role the credential may act with; `scope`
    what it may be used for (the endpoint's host, or the service), None for everything; `opened_by`
    the hash of the token that is the credential, or that opened its session."""

    user: str
    restricted_to: str | None = None
    scope: str | None = None
    session_id: int | None = None
    opened_by: str | None = None


class Authenticator:
    """Checks every kind of credential. `account` is this server's account name."""

    def __init__(
        self,
        store: AccessStore,
        *,
        users: Users,
        tokens: Tokens,
        sessions: Sessions,
        standing: Standing,
        account: str,
    ) -> None:
        self._store = store
        self._users = users
        self._tokens = tokens
        self._sessions = sessions
        self._standing = standing
        self._account = account.upper()
        self._throttle = LoginThrottle()

    def line(self, login_name: str, address: str) -> str:
        """The line in which a login with a password waits: that of the address, or one of its own
        for a name that has logged in there, so that others of the address cannot fill it."""
        name = _tried(login_name)
        return f"{address}\n{name}" if self._throttle.is_known(name, address) else address

    def password(self, login_name: str, password: str, *, address: str) -> Identity:
        """Log in with a password, or with a programmatic access token in its place.

        Raises LoginRefused, for a password with the same text whatever is wrong, and the errors of
        `access_token`.
        """
        token = self._tokens.find(password)
        if token is not None and token.kind is TokenKind.ACCESS:
            return self.access_token(password, login_name=login_name)
        tried = self._throttle.reserve(_tried(login_name), address, self._store.clock())
        if tried.wait_s > 0:
            wait = ceil(tried.wait_s)
            raise LoginRefused(f"Too many failed logins: try again in {wait} seconds.")
        is_right = False
        try:
            user = self._users.by_login(login_name)
            matches = self._users.password_matches(user, password)
            is_right = matches and user is not None and not user.disabled
        finally:
            self._throttle.finish(tried, self._store.clock(), is_right=is_right)
        if user is None or not is_right:
            raise LoginRefused(_WRONG)
        return Identity(user.name)

    def key_pair(self, token: str) -> Identity:
        """Log in with a token signed by a user's private key; raises JwtRefused."""
        claims = keys.read_claims(token)
        user = self._users.by_login(claims.user) or self._users.find(claims.user)
        if user is None or user.disabled or claims.account != self._account:
            raise JwtRefused(
                "JWT token is invalid: account, user and key do not belong together.",
                reason="fingerprint",
            )
        keys.verify(token, user.public_keys, claims=claims, now=self._store.clock())
        return Identity(user.name)

    def access_token(self, text: str, *, login_name: str = "") -> Identity:
        """Log in with a programmatic access token, or a container's token. `login_name` may be
        left out. Raises TokenInvalid, TokenExpired, LoginRefused for another user's token."""
        identity = self._identity(text, (TokenKind.ACCESS, TokenKind.WORKLOAD))
        if login_name and identity.user.upper() != login_name.upper():
            user = self._users.by_login(login_name)
            if user is None or user.name != identity.user:
                raise LoginRefused("The token belongs to another user than the one that logs in.")
        return identity

    def bearer(self, text: str) -> Identity:
        """The holder of a token that opens an endpoint: of a session, of an access token, of an
        exchanged or a container's token. Raises TokenInvalid or TokenExpired."""
        kinds = (TokenKind.SESSION, TokenKind.ACCESS, TokenKind.ENDPOINT, TokenKind.WORKLOAD)
        return self._identity(text, kinds)

    def exchange(self, assertion: str, *, role: str | None, host: str | None) -> str:
        """A token for a service endpoint in exchange for a key-pair token; raises JwtRefused, and
        LoginRefused when the user does not hold the role."""
        identity = self.key_pair(assertion)
        if role is not None:
            self.check_role(identity, role)
        return self._tokens.issue(
            TokenKind.ENDPOINT, identity.user, lifetime_s=ENDPOINT_TOKEN_S, role=role, scope=host
        )

    def starting_role(self, identity: Identity, wanted: str | None) -> str:
        """The role that a session starts with; raises RoleRefused when it may not have it."""
        role = wanted or identity.restricted_to
        if role is not None:
            self.check_role(identity, role)
            return role
        user = self._users.remembered(identity.user)
        default = user.default_role if user else None
        if default is not None and self.may_use_role(identity, default):
            return default
        return PUBLIC

    def may_use_role(self, identity: Identity, role: str) -> bool:
        """Whether the credential may act with a role now."""
        return role in self._standing.roles_of(identity)

    def check_role(self, identity: Identity, role: str) -> None:
        """Raise RoleRefused unless the credential may act with a role now."""
        if not self.may_use_role(identity, role):
            raise RoleRefused(
                f"Role '{role}' specified in the connect string does not exist or not authorized. "
                "Contact your local system administrator, or attempt to login with another role, "
                f"e.g. {PUBLIC}."
            )

    def _identity(self, text: str, kinds: tuple[TokenKind, ...]) -> Identity:
        token = self._tokens.find(text)
        if token is None or token.kind not in kinds or token.disabled:
            raise TokenInvalid(_TOKEN_WRONG)
        if token.expires_on <= self._store.clock():
            raise TokenExpired("The token has expired. Make a new one.")
        identity = self._holder(token)
        if not self._standing.roles_of(identity):
            raise TokenInvalid(TAKEN)
        return identity

    def _holder(self, token: Token) -> Identity:
        """A session's token acts as the session may, with the credential that opened it."""
        if token.kind is not TokenKind.SESSION:
            return Identity(token.user, token.role, token.scope, opened_by=token.hash)
        record = None if token.session_id is None else self._sessions.get(token.session_id)
        if record is None:
            raise TokenInvalid(_TOKEN_WRONG)
        return Identity(
            record.user,
            record.restricted_to,
            session_id=record.id,
            opened_by=record.opened_by,
        )


def _tried(login_name: str) -> str:
    """The name that failures are counted under."""
    return login_name.upper()[:_LOGIN_LIMIT_CHARS]
