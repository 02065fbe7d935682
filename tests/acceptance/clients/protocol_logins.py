"""Credentials made by SQL, then used to log in; refusals. Prints what came back as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake import connector
from snowflake.connector.config_manager import CONFIG_MANAGER

OPTIONS: dict[str, Any] = dict(CONFIG_MANAGER["connections"]["nunatak"])
BARE = {key: value for key, value in OPTIONS.items() if key not in ("user", "password", "role")}
WHO = "SELECT CURRENT_USER(), CURRENT_ROLE()"


def who(**options: Any) -> Any:
    """Log in, and ask who one is."""
    with connector.connect(**BARE, login_timeout=10, **options) as connection:
        return connection.cursor().execute(WHO).fetchone()


def refusal(act: Callable[[], Any]) -> Any:
    """The code and state of the error, None when there was none."""
    try:
        act()
    except connector.errors.Error as error:
        return [error.errno, error.sqlstate]
    return None


def by_token(token: str) -> list[Any]:
    """What a session is refused that a token restricted to SYSADMIN opened."""
    with connector.connect(**BARE, user="ada", password=token) as connection:
        cursor = connection.cursor()
        return [
            refusal(partial(cursor.execute, text))
            for text in (
                "CREATE DATABASE BY_TOKEN",
                "DROP DATABASE BY_TOKEN",
                "USE ROLE ACCOUNTADMIN",
                "USE ROLE NO_SUCH",
                "ALTER USER ADD PROGRAMMATIC ACCESS TOKEN MORE",
                "ALTER USER REMOVE PROGRAMMATIC ACCESS TOKEN T",
            )
        ]


def main() -> dict[str, Any]:
    """Make a user with every credential, use each, and drop the user."""
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    body = "".join(public.decode().splitlines()[1:-1])
    found: dict[str, Any] = {}
    with connector.connect(connection_name="nunatak") as admin:
        cursor = admin.cursor()
        cursor.execute("CREATE USER ADA PASSWORD = 'a long password' DEFAULT_ROLE = SYSADMIN")
        cursor.execute(f"ALTER USER ADA SET RSA_PUBLIC_KEY = '{body}'")
        cursor.execute("GRANT ROLE SYSADMIN TO USER ADA")
        add = "ALTER USER ADA ADD PROGRAMMATIC ACCESS TOKEN T ROLE_RESTRICTION = 'SYSADMIN'"
        token = cursor.execute(add).fetchone()[1]
        pat = {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN", "token": token}
        found["password"] = who(user="ada", password="a long password")
        found["key pair"] = who(user="ada", authenticator="SNOWFLAKE_JWT", private_key=private)
        found["access token"] = who(user="ada", **pat)
        found["in place of the password"] = who(user="ada", password=token)
        found["another's token"] = refusal(lambda: who(user="admin", password=token))
        found["by token"] = by_token(token)
        cursor.execute("REVOKE ROLE SYSADMIN FROM USER ADA")
        found["revoked"] = refusal(lambda: who(user="ada", password=token))
        cursor.execute("GRANT ROLE SYSADMIN TO USER ADA")
        found["wrong"] = refusal(lambda: who(user="ada", password="a wrong password"))
        found["unknown"] = refusal(lambda: who(user="nobody", password="a long password"))
        found["role"] = refusal(lambda: who(user="ada", role="ACCOUNTADMIN", **pat))
        kept = connector.connect(**BARE, user="ada", password="a long password")
        found["privilege"] = refusal(lambda: kept.cursor().execute("CREATE USER EVE"))
        cursor.execute("DROP USER ADA")
        found["dropped"] = refusal(lambda: kept.cursor().execute(WHO))
        found["valid"] = admin.is_valid()
    return found


print(json.dumps(main()))
