"""Who calls, and what a wrong credential is told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from nunatak.access.authenticate import Identity
from nunatak.access.credentials.keys import fingerprint
from nunatak.access.credentials.throttle import (
    ADDRESS_TRIES,
    Failures,
    LoginThrottle,
    group_wait_s,
    wait_s,
)
from nunatak.access.credentials.tokens import TokenKind, token_hash
from nunatak.access.privileges.roles import USER
from nunatak.access.records.tables import tokens
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.errors import JwtRefused, LoginRefused, TokenExpired, TokenInvalid

from .conftest import Clock

PASSWORD = "a long password"
Sign = Callable[..., str]


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    """A key pair."""
    return rsa.generate_private_key(65537, 2048)


def _pem(key: Any) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return str(public.decode())


@pytest.fixture
def ada(access: Access, private_key: rsa.RSAPrivateKey) -> str:
    """A user with a password, a key, and the role SYSADMIN."""
    access.users.create(
        "ADA",
        owner="USERADMIN",
        settings={
            "PASSWORD": PASSWORD,
            "DEFAULT_ROLE": "SYSADMIN",
            "RSA_PUBLIC_KEY": _pem(private_key),
        },
    )
    access.roles.grant("SYSADMIN", grantee_kind=USER, grantee="ADA", by="")
    return "ADA"


@pytest.fixture
def sign(ada: str, clock: Clock, private_key: rsa.RSAPrivateKey) -> Sign:
    """Makes ADA's key-pair tokens; claims can be overridden, and removed with None."""

    def make(key: Any = private_key, algorithm: str = "RS256", **changes: Any) -> str:
        public = fingerprint(key.public_key()) if hasattr(key, "public_key") else "SHA256:x"
        claims = {
            "iss": f"NUNATAK.ADA.{public}",
            "sub": "NUNATAK.ADA",
            "iat": int(clock.now),
            "exp": int(clock.now) + 60,
        } | changes
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, key, algorithm)

    return make


def _password(access: Access, name: str = "ada", password: str = PASSWORD) -> Identity:
    return access.authenticator.password(name, password, address="10.0.0.1")


def _by(token: str, user: str, role: str, scope: str | None = None) -> Identity:
    return Identity(user, role, scope, opened_by=token_hash(token))


def test_the_right_password_is_a_user(access: Access, ada: str) -> None:
    assert _password(access) == Identity("ADA")


def test_every_wrong_login_is_told_the_same(access: Access, ada: str) -> None:
    access.users.create("OFF", owner="X", settings={"PASSWORD": PASSWORD, "DISABLED": True})
    access.users.create("KEYLESS", owner="X")
    tries = [("ada", "wrong"), ("nobody", PASSWORD), ("off", PASSWORD), ("keyless", "")]

    messages = set()
    for name, password in tries:
        with pytest.raises(LoginRefused) as refused:
            _password(access, name, password)
        messages.add(refused.value.message)

    assert messages == {"Incorrect username or password was specified."}


def test_many_failures_make_the_next_try_wait(access: Access, ada: str, clock: Clock) -> None:
    for _ in range(5):
        with pytest.raises(LoginRefused, match="Incorrect"):
            _password(access, password="wrong")

    with pytest.raises(LoginRefused, match="try again in"):
        _password(access)
    clock.now += 2
    assert _password(access) == Identity("ADA")


def test_failures_elsewhere_do_not_lock_a_user_out(access: Access, ada: str) -> None:
    for _ in range(6):
        with pytest.raises(LoginRefused):
            access.authenticator.password("ada", "wrong", address="10.6.6.6")

    assert _password(access) == Identity("ADA")


@pytest.mark.parametrize("names", [["ada"], [f"name{number}" for number in range(60)]])
def test_of_many_tries_at_once_no_more_are_looked_at(
    access: Access, ada: str, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    together, looked_at = threading.Barrier(60), []
    held = threading.Event()

    def matches(user: object, password: str) -> bool:
        looked_at.append(password)
        held.wait()
        return False

    monkeypatch.setattr(access.users, "password_matches", matches)

    def wrong(number: int) -> str:
        together.wait()
        with pytest.raises(LoginRefused) as refused:
            _password(access, names[number % len(names)], f"wrong {number}")
        refusals.append(refused.value.message)
        if len(refusals) == 60 - most:
            held.set()
        return refused.value.message

    refusals: list[str] = []
    most = 5 if len(names) == 1 else 20
    with ThreadPoolExecutor(60) as pool:
        messages = list(pool.map(wrong, range(60)))

    assert len(looked_at) == most
    assert sum("Incorrect" in message for message in messages) == most


def test_an_address_that_tries_many_names_waits_and_others_do_not(
    access: Access, ada: str, clock: Clock
) -> None:
    for number in range(20):
        with pytest.raises(LoginRefused, match="Incorrect"):
            _password(access, f"name{number}", "wrong")

    with pytest.raises(LoginRefused, match="try again in 1 seconds"):
        _password(access)
    assert access.authenticator.password("ada", PASSWORD, address="10.0.0.2") == Identity("ADA")
    clock.now += 1
    assert _password(access) == Identity("ADA")


def test_right_logins_are_not_held_back(access: Access, ada: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _password(access), range(60)))

    assert found == [Identity("ADA")] * 60


def test_a_try_that_could_not_be_made_is_no_longer_under_way(
    access: Access, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(access.users, "by_login", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            _password(access)

    for _ in range(4):  # the try that was not made counts as a wrong one
        with pytest.raises(LoginRefused, match="Incorrect"):
            _password(access, password="wrong")
    with pytest.raises(LoginRefused, match="Too many"):
        _password(access)


def _fail(throttle: LoginThrottle, name: str, address: str, now: float = 0.0) -> None:
    _try(throttle, name, address, now, is_right=False)


def _try(
    throttle: LoginThrottle, name: str, address: str, now: float = 0.0, *, is_right: bool
) -> bool:
    """Make a try unless it must wait; whether it was made."""
    tried = throttle.reserve(name, address, now)
    if tried.wait_s == 0:
        throttle.finish(tried, now, is_right=is_right)
    return tried.wait_s == 0


def test_the_throttle_forgets_the_oldest_names() -> None:
    throttle = LoginThrottle(entries=2)
    for _ in range(6):
        _fail(throttle, "first", "a")
    _fail(throttle, "second", "b")
    assert throttle.reserve("first", "a", 0.0).wait_s > 0

    _fail(throttle, "third", "c")

    assert throttle.reserve("first", "a", 0.0).wait_s == 0


def test_waits_grow_to_a_bound_and_end() -> None:
    failures = Failures(1000, 0.0)

    assert wait_s(failures, 0.0) == 60
    assert wait_s(failures, 3600.0) == 0
    assert [wait_s(Failures(count, 0.0), 0.0) for count in (4, 5, 6, 7)] == [0, 1, 2, 4]


def test_after_the_wait_one_try_at_a_time_is_looked_at() -> None:
    throttle = LoginThrottle()
    for _ in range(5):
        _fail(throttle, "x", "a")

    tried = throttle.reserve("x", "a", 1.0)
    assert (tried.wait_s, throttle.reserve("x", "a", 1.0).wait_s > 0) == (0, True)
    throttle.finish(tried, 1.0, is_right=True)
    assert throttle.reserve("x", "a", 1.0).wait_s == 0


def test_who_has_logged_in_at_an_address_does_not_wait_for_others_there() -> None:
    throttle = LoginThrottle()
    for name in ("ada", "bob", "eve"):
        assert _try(throttle, name, "a", is_right=True)
    for number in range(40):
        _fail(throttle, f"n{number}", "a")

    assert not _try(throttle, "new", "a", is_right=True)
    for _ in range(3):
        assert _try(throttle, "ada", "a", is_right=True)
    # Who mistypes a password goes on by the tries of the names that have logged in there.
    assert _try(throttle, "bob", "a", is_right=False)
    assert _try(throttle, "bob", "a", is_right=True)
    # Somebody who may log in gains no tries of other names by it.
    assert _try(throttle, "eve", "a", is_right=True)
    assert not _try(throttle, "other", "a", is_right=False)


def test_names_that_have_failed_wait_for_each_other_also_where_they_have_logged_in() -> None:
    throttle, names = LoginThrottle(), [f"n{number}" for number in range(40)]
    for name in names:
        assert _try(throttle, name, "a", is_right=True)

    made = sum(_try(throttle, name, "a", is_right=False) for _ in range(10) for name in names)

    # Each is looked at once, as it has not failed yet, and none after that.
    assert made == len(names) > ADDRESS_TRIES


@given(st.floats(0, 100), st.booleans(), st.booleans())
def test_only_a_name_that_has_logged_in_and_not_failed_waits_for_nobody(
    spent: float, is_known: bool, has_failed: bool
) -> None:
    wait = group_wait_s(spent, is_known=is_known, has_failed=has_failed)

    assert wait >= 0
    assert (wait > 0) is (spent > ADDRESS_TRIES - 1 and not (is_known and not has_failed))


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1), st.booleans(), st.floats(0, 3)), max_size=80
    )
)
def test_no_address_has_more_than_its_tries(
    tries: list[tuple[int, int, bool, float]],
) -> None:
    """Whatever is tried, an address is granted 20 wrong tries and one more for each second, twice
    where names have logged in, and a first one of each of those."""
    throttle, now, wrong = LoginThrottle(), 0.0, Counter[tuple[int, bool]]()
    known, failed = set[tuple[int, int]](), set[tuple[int, int]]()
    for name, address, is_right, later in tries:
        now += later
        key, free = (name, address), (name, address) in known - failed
        made = _try(throttle, f"n{name}", f"a{address}", now, is_right=is_right)
        assert made or not free, "who has logged in and not failed waits for nobody"
        if made and is_right:
            known.add(key)
            failed.discard(key)
        elif made:
            wrong[address, key in known] += not free
            failed.add(key)
        assert all(count <= ADDRESS_TRIES + now for count in wrong.values())


def test_a_signed_token_is_a_user(access: Access, sign: Sign) -> None:
    assert access.authenticator.key_pair(sign()) == Identity("ADA")


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
def test_elliptic_curve_keys_sign_too(
    access: Access, sign: Sign, curve: type[ec.EllipticCurve]
) -> None:
    key = ec.generate_private_key(curve())
    access.users.alter("ADA", {"RSA_PUBLIC_KEY_2": _pem(key)})
    algorithm = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}[key.curve.name]

    assert access.authenticator.key_pair(sign(key, algorithm)) == Identity("ADA")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": 1_700_000_000 - 61}, "expired"),
        ({"iat": 1_700_000_000 + 61, "exp": 1_700_000_000 + 90}, "not_yet_valid"),
        ({"nbf": 1_700_000_000 + 61}, "not_yet_valid"),
        ({"exp": 1_700_000_000 + 4000}, "invalid"),
        ({"exp": None}, "invalid"),
        ({"exp": "soon"}, "format"),
        ({"sub": None}, "format"),
        ({"sub": "NUNATAK.BOB"}, "format"),
        ({"iss": "NUNATAK.ADA"}, "format"),
        ({"iss": "NUNATAK.ADA.SHA256:other"}, "fingerprint"),
        ({"iss": "NUNATAK.BOB.SHA256:x", "sub": "NUNATAK.BOB"}, "fingerprint"),
        ({"iss": "OTHER.ADA.SHA256:x", "sub": "OTHER.ADA"}, "fingerprint"),
    ],
)
def test_a_wrong_signed_token_is_told_why(
    access: Access, sign: Sign, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(JwtRefused) as refused:
        access.authenticator.key_pair(sign(**changes))

    assert refused.value.reason == reason


def test_a_key_that_is_not_registered_is_refused(access: Access, sign: Sign) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    registered = access.users.get("ADA").fingerprints()[0]

    with pytest.raises(JwtRefused) as unknown:
        access.authenticator.key_pair(sign(stranger))
    with pytest.raises(JwtRefused) as forged:
        access.authenticator.key_pair(sign(stranger, iss=f"NUNATAK.ADA.{registered}"))

    assert unknown.value.reason == "fingerprint"
    assert forged.value.reason == "invalid"


def test_other_algorithms_are_refused(access: Access, sign: Sign) -> None:
    registered = access.users.get("ADA").fingerprints()[0]
    shared = sign(
        "a secret of more than thirty-two bytes", "HS256", iss=f"NUNATAK.ADA.{registered}"
    )

    for token in (shared, shared.rpartition(".")[0] + ".", "nonsense", "x" * 20_000):
        with pytest.raises(JwtRefused) as refused:
            access.authenticator.key_pair(token)
        assert refused.value.reason in ("algorithm", "format")


def test_an_access_token_is_its_user_with_its_role(
    access: Access, database: Database, ada: str, clock: Clock
) -> None:
    token = access.tokens.add_access("ADA", "T", days=1, role="SYSADMIN")
    assert access.authenticator.access_token(token) == _by(token, "ADA", "SYSADMIN")

    for is_disabled in (True, False):
        with database.write() as connection:
            connection.execute(update(tokens).values(disabled=is_disabled))
        access.tokens.forget()
        with pytest.raises(TokenInvalid) if is_disabled else nullcontext():
            access.authenticator.access_token(token)
    clock.now += 86_401
    with pytest.raises(TokenExpired):
        access.authenticator.access_token(token)


def test_the_tokens_of_a_disabled_user_open_nothing(access: Access, ada: str) -> None:
    token = access.tokens.add_access("ADA", "T")
    access.administration.alter_user("ADA", {"DISABLED": True})

    with pytest.raises(TokenInvalid):
        access.authenticator.bearer(token)


def test_a_session_token_opens_endpoints_but_logs_nobody_in(access: Access, ada: str) -> None:
    record, tokens = access.sessions.open("ADA")

    assert access.authenticator.bearer(tokens.token) == Identity("ADA", session_id=record.id)
    with pytest.raises(TokenInvalid):
        access.authenticator.access_token(tokens.token)
    with pytest.raises(TokenInvalid):
        access.authenticator.bearer(tokens.master_token)


def test_an_exchanged_token_opens_endpoints_for_a_while(
    access: Access, sign: Sign, clock: Clock
) -> None:
    token = access.authenticator.exchange(sign(), role="SYSADMIN", host="svc.example")

    assert access.authenticator.bearer(token) == _by(token, "ADA", "SYSADMIN", "svc.example")
    with pytest.raises(TokenInvalid):
        access.authenticator.access_token(token)
    clock.now += 3601
    with pytest.raises(TokenExpired):
        access.authenticator.bearer(token)


def test_a_role_that_is_not_held_is_not_exchanged(access: Access, sign: Sign) -> None:
    with pytest.raises(LoginRefused, match="ACCOUNTADMIN"):
        access.authenticator.exchange(sign(), role="ACCOUNTADMIN", host=None)


def test_a_container_acts_with_its_owners_role(access: Access) -> None:
    token = access.tokens.issue(
        TokenKind.WORKLOAD, "SVC", lifetime_s=60, role="SYSADMIN", scope="DB.S.SVC"
    )

    assert access.authenticator.access_token(token) == _by(token, "SVC", "SYSADMIN", "DB.S.SVC")


def test_starting_roles(access: Access, ada: str) -> None:
    starting = access.authenticator.starting_role

    assert starting(Identity("ADA"), None) == "SYSADMIN"
    assert starting(Identity("ADA"), "PUBLIC") == "PUBLIC"
    access.roles.grant("USERADMIN", grantee_kind=USER, grantee="ADA", by="")
    assert starting(Identity("ADA", "USERADMIN"), None) == "USERADMIN"
    access.users.alter("ADA", {"DEFAULT_ROLE": "ACCOUNTADMIN"})
    assert starting(Identity("ADA"), None) == "PUBLIC"
    with pytest.raises(LoginRefused):
        starting(Identity("ADA", "PUBLIC"), "SYSADMIN")
