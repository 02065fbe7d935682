"""SIGTERM: what runs may end, then the process does."""

from __future__ import annotations

import http.client
import json
import signal
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .conftest import Server, running

pytestmark = pytest.mark.process


def _send(
    connection: http.client.HTTPConnection, path: str, body: dict[str, Any], token: str = "None"
) -> None:
    headers = {
        "Authorization": f'Snowflake Token="{token}"',
        "Content-Type": "application/json",
    }
    connection.request("POST", path, json.dumps(body), headers)


def _answer(connection: http.client.HTTPConnection) -> dict[str, Any]:
    document = json.loads(connection.getresponse().read())
    assert isinstance(document, dict)
    return document


def _connection(server: Server) -> http.client.HTTPConnection:
    address = urlsplit(server.address)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)


@contextmanager
def stopped_while(tmp_path: Path, text: str) -> Iterator[dict[str, Any]]:
    """The answer of a statement that runs when the server is told to stop."""
    with running(tmp_path) as server:
        asking, other = _connection(server), _connection(server)
        own = tomllib.loads((tmp_path / "connections.toml").read_text())["nunatak"]
        login = {"data": {"LOGIN_NAME": own["user"], "PASSWORD": own["password"]}}
        _send(asking, "/session/v1/login-request", login)
        token = _answer(asking)["data"]["token"]
        _send(asking, "/queries/v1/query-request", {"sqlText": text}, token)
        # When this is answered, the server has read the statement that was sent before it.
        _send(other, "/session/heartbeat", {}, token)
        assert _answer(other)["success"] is True
        server.process.send_signal(signal.SIGTERM)
        answer = _answer(asking)
        asking.close()
        other.close()
        status = server.process.wait(timeout=60)
        yield answer
    assert status == 0


def test_a_statement_under_way_is_answered_before_the_server_ends(tmp_path: Path) -> None:
    with stopped_while(tmp_path, "select sleep 2") as answer:
        assert answer["data"]["rowset"] == [["2.0"]]


def test_a_statement_that_takes_longer_is_cancelled_and_answered(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with stopped_while(tmp_path, "select sleep 600") as answer:
        assert (answer["success"], answer["code"]) == (False, "000604")
    assert "CancelledError" not in capfd.readouterr().err
