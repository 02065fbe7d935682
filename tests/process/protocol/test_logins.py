"""Every way to log in, the life of tokens, restarts and TLS, through the official connector."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from nunatak.access.credentials.tokens import TokenKind
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.config import Settings

from .conftest import Client, Server, connected, running

pytestmark = pytest.mark.process


@contextmanager
def access_of(home: Path) -> Iterator[Access]:
    """The account's users and tokens, beside the running server."""
    settings = Settings(home=home)
    database = Database.open(settings.catalog_file)
    try:
        yield Access(database, settings)
    finally:
        database.close()


def _register(home: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """Register the public half for ADMIN; the file of the private half."""
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with access_of(home) as access:
        access.users.alter("ADMIN", {"RSA_PUBLIC_KEY": public.decode()})
    file = home / "key.p8"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(file)


KEY_LOGIN = """
    options.pop("password", None)
    connection = connect(authenticator="SNOWFLAKE_JWT", private_key_file=home + "/key.p8")
    answer(connection.cursor().execute("select context").fetchone()[:2])
"""


def test_wrong_password_and_unknown_user_are_told_alike(client: Client) -> None:
    wrong, unknown = client(
        """
        answer([failure(lambda: connect(password="wrong-password")),
                failure(lambda: connect(user="nobody"))])
        """
    )

    assert wrong[:2] == unknown[:2] == [390100, "28000"]
    assert wrong[2] == unknown[2]
    assert "Incorrect username or password" in wrong[2]


def test_a_role_that_is_not_held_is_refused(client: Client) -> None:
    assert "NOROLE" in client("answer(failure(lambda: connect(role='norole'))[2])")


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: rsa.generate_private_key(65537, 2048), id="RSA"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()), id="P-256"),
    ],
)
def test_key_pair_login(server: Server, client: Client, key: Callable[[], Any]) -> None:
    _register(server.home, key())

    assert client(KEY_LOGIN) == ["ADMIN", "ACCOUNTADMIN"]


def test_access_token_login_finds_the_user_and_keeps_to_its_role(
    server: Server, client: Client
) -> None:
    with access_of(server.home) as access:
        token = access.tokens.add_access("ADMIN", "ROBOT", role="SYSADMIN")

    row, refused = client(
        f"""
        for name in ("password", "user", "role"):
            options.pop(name)
        login = dict(authenticator="PROGRAMMATIC_ACCESS_TOKEN", token="{token}")
        row = connect(user="", **login).cursor().execute("select context").fetchone()
        answer([row, failure(lambda: connect(user="", role="ACCOUNTADMIN", **login))])
        """
    )

    assert row[:2] == ["ADMIN", "SYSADMIN"]
    assert "ACCOUNTADMIN" in refused[2]


def test_a_containers_token_logs_in_as_its_service(server: Server, client: Client) -> None:
    with access_of(server.home) as access:
        token = access.tokens.issue(
            TokenKind.WORKLOAD, "SVC", lifetime_s=600, role="SYSADMIN", scope="DB.S.SVC"
        )

    assert client(
        f"""
        for name in ("password", "user", "role"):
            options.pop(name)
        connection = connect(authenticator="OAUTH", token="{token}")
        answer(connection.cursor().execute("select context").fetchone()[:2])
        """
    ) == ["SVC", "SYSADMIN"]


def test_existing_tokens_log_in_by_heartbeat(client: Client) -> None:
    rows, valid, closed = client(
        """
        first = connect()
        known = {k: options[k] for k in ("account", "host", "port", "protocol", "user")}
        tokens = dict(session_token=first.rest.token, master_token=first.rest.master_token)
        second = snowflake.connector.connect(**known, **tokens)
        rows = second.cursor().execute("select 1").fetchall()
        valid = first.is_valid()
        first.close()
        answer([rows, valid, failure(lambda: second.cursor().execute("select 1"))])
        """
    )

    assert (rows, valid) == ([[1]], True)
    assert closed[0] == 390111


def test_a_key_pair_token_is_exchanged_for_an_endpoints(server: Server, client: Client) -> None:
    _register(server.home, rsa.generate_private_key(65537, 2048))
    assertion = client(
        """
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from snowflake.connector.auth import AuthByKeyPair
        key = load_pem_private_key(open(home + "/key.p8", "rb").read(), None)
        answer(AuthByKeyPair(key).prepare(account="nunatak", user="admin"))
        """
    )

    status, token = _exchange(server, assertion, "session:role:SYSADMIN endpoint.host")
    refused, _ = _exchange(server, assertion, "session:role:NOBODY endpoint.host")

    assert (status, refused) == (200, 401)
    with access_of(server.home) as access:
        identity = access.authenticator.bearer(token)
    assert (identity.user, identity.restricted_to) == ("ADMIN", "SYSADMIN")
    assert identity.scope == "endpoint.host"


def _exchange(server: Server, assertion: str, scope: str) -> tuple[int, str]:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "scope": scope,
        "assertion": assertion,
    }
    request = urllib.request.Request(
        server.address + "/oauth/token", data=urllib.parse.urlencode(form).encode()
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_an_expired_session_token_is_renewed(tmp_path: Path) -> None:
    with running(tmp_path, "--token-s", "1") as server, connected(server.home) as client:
        assert client(
            """
            import time
            connection = connect()
            before = connection.rest.token
            time.sleep(1.2)
            rows = connection.cursor().execute("select 1").fetchall()
            answer([rows, connection.rest.token != before])
            """,
        ) == [[[1]], True]


def test_a_session_outlives_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as server, connected(server.home) as client:
        tokens = client(
            """
            connection = connect(server_session_keep_alive=True)
            connection.cursor().execute("use schema kept")
            query_id = connection.cursor().execute("select rows 3").sfqid
            answer([connection.rest.token, connection.rest.master_token, query_id])
            """,
        )
    with running(tmp_path) as server, connected(server.home) as client:
        row, rows = client(
            f"""
            known = {{k: options[k] for k in ("account", "host", "port", "protocol", "user")}}
            token, master, query_id = {tokens!r}
            connection = snowflake.connector.connect(
                session_token=token, master_token=master, **known)
            cursor = connection.cursor()
            row = cursor.execute("select context").fetchone()
            cursor.get_results_from_sfqid(query_id)
            answer([row, cursor.fetchall()])
            """,
        )

    assert row[2] == "KEPT"
    assert [n for n, _ in rows] == [0, 1, 2]


def test_tls_with_the_servers_own_authority(tmp_path: Path) -> None:
    authority = str(tmp_path / "keys" / "ca.pem")
    with (
        running(tmp_path, "--tls") as server,
        connected(tmp_path, REQUESTS_CA_BUNDLE=authority) as client,
    ):
        assert server.address.startswith("https://")
        rows = client(
            """
            cursor = connect(disable_ocsp_checks=True).cursor()
            answer(len(cursor.execute("select rows 150000").fetchall()))
            """
        )

    assert rows == 150_000


def test_a_session_that_the_client_keeps_needs_no_login(server: Server, client: Client) -> None:
    with access_of(server.home) as access:
        token = access.tokens.add_access("ADMIN", "OUTSIDE", role="SYSADMIN")

    assert client(
        f"""
        for name in ("password", "user", "role"):
            options.pop(name)
        connection = connect(
            authenticator="PAT_WITH_EXTERNAL_SESSION", token="{token}", external_session_id="mine")
        connection.cursor().execute("use schema kept")
        answer(connection.cursor().execute("select context").fetchone())
        """
    ) == ["ADMIN", "SYSADMIN", "KEPT"]
