"""Who calls: from a password or a token to a user and the roles that it may act with."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access import keys
from nunatak.access.roles import PUBLIC, Roles
from nunatak.access.store import AccessStore
from nunatak.access.throttle import LoginThrottle
from nunatak.access.tokens import Token, TokenKind, Tokens
from nunatak.access.users import User, Users
from nunatak.errors import JwtRefused, LoginRefused, TokenExpired, TokenInvalid

ENDPOINT_TOKEN_S = 3600.0
_WRONG = "Incorrect username or password was specified."
_TOKEN_WRONG = "Programmatic access token is invalid."  # noqa: S105 a message, not a token
_LOGIN_LIMIT_CHARS = 255


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody known. `restricted_to` is the only role the credential may act with; `scope` what
    it may be used for (the endpoint's host, or the service), None for everything."""

    user: str
    restricted_to: str | None = None
    scope: str | None = None
    session_id: int | None = None


class Authenticator:
    """Checks every kind of credential. `account` is this server's account name."""

    def __init__(
        self,
        store: AccessStore,
        *,
        users: Users,
        roles: Roles,
        tokens: Tokens,
        account: str,
    ) -> None:
        self._store = store
        self._users = users
        self._roles = roles
        self._tokens = tokens
        self._account = account.upper()
        self._throttle = LoginThrottle()

    def password(self, login_name: str, password: str, *, address: str) -> Identity:
        """Log in with a password; raises LoginRefused, the same for every reason."""
        key = f"{address}\n{login_name.upper()[:_LOGIN_LIMIT_CHARS]}"
        now = self._store.clock()
        wait = self._throttle.wait_s(key, now)
        if wait > 0:
            raise LoginRefused(f"Too many failed logins: try again in {wait:.0f} seconds.")
        user = self._users.by_login(login_name)
        right = self._users.password_matches(user, password)
        if not right or user is None or user.disabled:
            self._throttle.failed(key, now)
            raise LoginRefused(_WRONG)
        self._throttle.succeeded(key)
        self._users.logged_in(user.name)
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
        self._users.logged_in(user.name)
        return Identity(user.name)

    def access_token(self, text: str) -> Identity:
        """Log in with a programmatic access token, or a container's token; raises TokenInvalid
        or TokenExpired."""
        return self._identity(text, (TokenKind.ACCESS, TokenKind.WORKLOAD))

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
        """The role that a session starts with; raises LoginRefused when it may not have it."""
        if wanted is not None:
            self.check_role(identity, wanted)
            return wanted
        if identity.restricted_to is not None:
            return identity.restricted_to
        user = self._users.find(identity.user)
        default = user.default_role if user else None
        return default if default in self._roles.of_user(identity.user) else PUBLIC

    def may_use_role(self, identity: Identity, role: str) -> bool:
        """Whether the credential may act with a role."""
        if identity.restricted_to is not None:
            return role in self._roles.effective(identity.restricted_to)
        return role in self._roles.of_user(identity.user)

    def check_role(self, identity: Identity, role: str) -> None:
        """Raise LoginRefused unless the credential may act with a role."""
        if not self.may_use_role(identity, role):
            raise LoginRefused(
                f"Role '{role}' specified in the connect string does not exist or not authorized. "
                "Contact your administrator, or connect with a valid role."
            )

    def _identity(self, text: str, kinds: tuple[TokenKind, ...]) -> Identity:
        token = self._tokens.find(text)
        if token is None or token.kind not in kinds or token.disabled:
            raise TokenInvalid(_TOKEN_WRONG)
        if token.expires_on <= self._store.clock():
            raise TokenExpired("The token has expired. Make a new one.")
        self._check_user(token)
        return Identity(token.user, token.role, token.scope, token.session_id)

    def _check_user(self, token: Token) -> None:
        if token.kind is TokenKind.WORKLOAD:
            return  # a container acts for its service, which is no user of the table
        user: User | None = self._users.find(token.user)
        if user is None or user.disabled:
            raise TokenInvalid(_TOKEN_WRONG)
