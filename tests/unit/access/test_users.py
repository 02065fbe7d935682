"""Users and their credentials."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from nunatak.access.authenticate import Identity
from nunatak.access.credentials.passwords import Passwords
from nunatak.access.privileges.roles import USER
from nunatak.access.service import Access
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def public_key() -> str:
    """A PEM public key."""
    key = rsa.generate_private_key(65537, 2048).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def test_a_user_is_found_by_name_and_by_login_name(access: Access) -> None:
    access.users.create("ADA", owner="USERADMIN", settings={"LOGIN_NAME": "ada@example.org"})

    by_login = access.users.by_login("Ada@Example.org")

    assert by_login == access.users.get("ADA")
    assert access.users.by_login("ADA") is None


def test_altering_keeps_what_is_not_named(access: Access, public_key: str) -> None:
    access.users.create("ADA", owner="X", settings={"EMAIL": "a@b", "COMMENT": "first"})

    access.users.alter("ADA", {"COMMENT": None, "RSA_PUBLIC_KEY": public_key})

    user = access.users.get("ADA")
    assert user.properties == {"EMAIL": "a@b"}
    assert user.public_keys == (public_key,)
    assert str(user.fingerprints()[0]).startswith("SHA256:")


def test_a_key_is_taken_without_its_pem_lines(access: Access, public_key: str) -> None:
    bare = "".join(public_key.splitlines()[1:-1])
    access.users.create("ADA", owner="X", settings={"RSA_PUBLIC_KEY": bare})
    access.users.alter("ADA", {"RSA_PUBLIC_KEY_2": public_key})

    first, second = access.users.get("ADA").fingerprints()

    assert first == second


@pytest.mark.parametrize(
    "wrong",
    [
        {"RSA_PUBLIC_KEY": "nonsense"},
        {"RSA_PUBLIC_KEY": "AAAA"},
        {"PASSWORD": "short"},
        {"PASSWORD": "x" * 300},
        {"SHOE_SIZE": "44"},
        {"COMMENT": "x" * 5000},
    ],
)
def test_bad_settings_are_refused_and_nothing_is_made(
    access: Access, wrong: dict[str, str]
) -> None:
    with pytest.raises(InvalidArgument):
        access.users.create("ADA", owner="X", settings=wrong)

    assert access.users.find("ADA") is None


def test_names_are_unique(access: Access) -> None:
    with pytest.raises(ObjectExists):
        access.users.create("ADMIN", owner="X")
    access.users.create("ADA", owner="X")
    with pytest.raises(ObjectExists):
        access.users.alter("ADA", {"LOGIN_NAME": "admin"})


def test_a_dropped_user_leaves_nothing_behind(access: Access) -> None:
    access.users.create("ADA", owner="X")
    access.roles.grant("SYSADMIN", grantee_kind=USER, grantee="ADA", by="")
    token = access.tokens.add_access("ADA", "T")
    record, _ = access.sessions.open("ADA")

    access.administration.drop_user("ADA")

    assert access.roles_of(Identity("ADA")) == frozenset()
    assert access.tokens.find(token) is None
    assert access.sessions.get(record.id) is None
    with pytest.raises(ObjectNotFound):
        access.users.get("ADA")


def test_disabling_a_user_ends_the_sessions(access: Access) -> None:
    access.users.create("ADA", owner="X")
    record, _ = access.sessions.open("ADA")

    access.administration.alter_user("ADA", {"DISABLED": True})

    assert access.sessions.get(record.id) is None


def test_passwords_match_only_their_own_hash(passwords: Passwords) -> None:
    stored = passwords.hash(PASSWORD)

    assert passwords.matches(stored, PASSWORD)
    assert not passwords.matches(stored, PASSWORD + "r")
    assert not passwords.matches(None, PASSWORD)
    assert not passwords.matches("not a hash", PASSWORD)


def test_what_lies_behind_the_longest_password_is_not_cut_off(passwords: Passwords) -> None:
    longest = "x" * 256

    assert not passwords.matches(passwords.hash(longest), longest + "y")
