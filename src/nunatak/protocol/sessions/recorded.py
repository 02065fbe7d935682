"""Logins in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nunatak.access.authenticate import Identity
from nunatak.audit.events import Login
from nunatak.audit.log import AuditLog
from nunatak.errors import NunatakError
from nunatak.protocol.errors import wire_code
from nunatak.protocol.sessions.login import LoginRequest

PASSWORD, KEY_PAIR, ACCESS_TOKEN = "PASSWORD", "RSA_KEYPAIR", "PROGRAMMATIC_ACCESS_TOKEN"
_FACTORS = {
    "SNOWFLAKE_JWT": KEY_PAIR,
    "PROGRAMMATIC_ACCESS_TOKEN": ACCESS_TOKEN,
    "OAUTH": ACCESS_TOKEN,
}


@dataclass(eq=False, slots=True)
class LoginAttempt:
    """An attempt to log in, as far as it has come."""

    user: str
    factor: str
    session_id: int | None = None

    def identified(self, identity: Identity) -> None:
        """It is known who logs in; a token can stand in the place of a password."""
        self.user = identity.user
        if identity.opened_by is not None:
            self.factor = ACCESS_TOKEN


@contextmanager
def recorded(audit: AuditLog, login: LoginRequest, address: str) -> Iterator[LoginAttempt]:
    """Record how the block ends, with what it knew of the login by then."""
    stands_for_password = login.token and not login.password
    factor = _FACTORS.get(login.authenticator, ACCESS_TOKEN if stands_for_password else PASSWORD)
    attempt = LoginAttempt(login.login_name.upper(), factor)
    error: tuple[str, str] | None = None
    try:
        yield attempt
    except Exception as failed:
        said = failed.message if isinstance(failed, NunatakError) else type(failed).__name__
        error = wire_code(failed).code, said
        raise
    finally:
        audit.record(
            Login(
                time=audit.clock(),
                user=attempt.user,
                address=address,
                factor=attempt.factor,
                client=login.client,
                session_id=attempt.session_id,
                error=error,
            )
        )
