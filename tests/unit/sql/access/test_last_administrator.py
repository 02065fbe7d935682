"""Somebody can always log in as ACCOUNTADMIN: what would take the last one away is refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nunatak.errors import InvalidArgument
from support.front_end import Front

PASSWORD = "a long password"
DIRECT = "GRANT ROLE ACCOUNTADMIN TO USER amy"
BY_MIDDLE = ("GRANT ROLE ACCOUNTADMIN TO ROLE mid", "GRANT ROLE mid TO USER amy")
TAKEN = {
    "drop": ((DIRECT,), "DROP USER amy"),
    "drop if exists": ((DIRECT,), "DROP USER IF EXISTS amy"),
    "replace": ((DIRECT,), f"CREATE OR REPLACE USER amy PASSWORD = '{PASSWORD}'"),
    "revoke": ((DIRECT,), "REVOKE ROLE ACCOUNTADMIN FROM USER amy"),
    "disable": ((DIRECT,), "ALTER USER amy SET DISABLED = TRUE"),
    "take the password": ((DIRECT,), "ALTER USER amy UNSET PASSWORD"),
    "revoke the middle": (BY_MIDDLE, "REVOKE ROLE mid FROM USER amy"),
    "revoke from the middle": (BY_MIDDLE, "REVOKE ROLE ACCOUNTADMIN FROM ROLE mid"),
    "drop the middle": (BY_MIDDLE, "DROP ROLE mid"),
    "replace the middle": (BY_MIDDLE, "CREATE OR REPLACE ROLE mid"),
}
NOT_ENOUGH = {
    "nobody else": (),
    "a disabled one": (
        f"CREATE USER bea PASSWORD = '{PASSWORD}' DISABLED = TRUE",
        "GRANT ROLE ACCOUNTADMIN TO USER bea",
    ),
    "one who cannot log in": ("CREATE USER bea", "GRANT ROLE ACCOUNTADMIN TO USER bea"),
    "one with a lesser role": (
        f"CREATE USER bea PASSWORD = '{PASSWORD}'",
        "CREATE ROLE lesser",
        "GRANT ROLE lesser TO USER bea",
        "GRANT ROLE lesser TO ROLE ACCOUNTADMIN",
    ),
}


@pytest.fixture
def amys(front: Front) -> Front:
    """AMY can log in; the session's own user ADA cannot, who has neither password nor key."""
    front.rows(f"CREATE USER amy PASSWORD = '{PASSWORD}'")
    front.rows("CREATE ROLE mid")
    return front


@pytest.fixture(scope="module")
def public_key() -> str:
    """A PEM public key."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


@pytest.mark.parametrize("change", TAKEN)
def test_the_last_administrator_stays(amys: Front, change: str) -> None:
    before, taken = TAKEN[change]
    for text in before:
        amys.rows(text)
    for others in NOT_ENOUGH.values():
        for text in others:
            amys.rows(text)
        with pytest.raises(InvalidArgument, match="'AMY' is the last one who can log in"):
            amys.rows(taken)
        amys.rows("DROP USER IF EXISTS bea")
    access = amys.parts.access
    assert access.users.password_matches(access.users.get("AMY"), PASSWORD)

    amys.rows(f"CREATE USER bea PASSWORD = '{PASSWORD}'")
    amys.rows("GRANT ROLE ACCOUNTADMIN TO USER bea")
    amys.rows(taken)


def test_the_last_key_is_a_credential_like_the_last_password(amys: Front, public_key: str) -> None:
    amys.rows(DIRECT)
    amys.rows(f"ALTER USER amy SET RSA_PUBLIC_KEY_2 = '{public_key}'")
    amys.rows("ALTER USER amy UNSET PASSWORD")

    with pytest.raises(InvalidArgument, match="last one"):
        amys.rows("ALTER USER amy UNSET RSA_PUBLIC_KEY_2")

    amys.rows(f"ALTER USER amy SET RSA_PUBLIC_KEY = '{public_key}'")
    amys.rows("ALTER USER amy UNSET RSA_PUBLIC_KEY_2")


def test_a_login_name_that_is_taken_back_is_the_users_name(amys: Front) -> None:
    amys.rows("ALTER USER amy SET LOGIN_NAME = 'other'")

    amys.rows("ALTER USER amy UNSET LOGIN_NAME")

    assert amys.rows("SHOW USERS LIKE 'AMY'")[0]["login_name"] == "AMY"


def test_more_than_the_last_may_change(amys: Front) -> None:
    amys.rows(DIRECT)

    amys.rows("ALTER USER amy SET PASSWORD = 'another password'")
    amys.rows("GRANT ROLE ACCOUNTADMIN TO ROLE mid")
    amys.rows("GRANT ROLE mid TO USER amy")
    amys.rows("REVOKE ROLE ACCOUNTADMIN FROM USER amy")


def test_a_replacement_that_cannot_be_made_leaves_the_user(amys: Front) -> None:
    with pytest.raises(InvalidArgument, match="A password has"):
        amys.rows("CREATE OR REPLACE USER amy PASSWORD = 'short'")

    access = amys.parts.access
    assert access.users.password_matches(access.users.get("AMY"), PASSWORD)
