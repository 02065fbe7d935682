"""SIGTERM: what runs may end, then the process does."""

from __future__ import annotations

import http.client
import json
import signal
import tomllib
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


def test_a_statement_under_way_is_answered_before_the_server_ends(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        asking, other = _connection(server), _connection(server)
        own = tomllib.loads((tmp_path / "connections.toml").read_text())["nunatak"]
        login = {"data": {"LOGIN_NAME": own["user"], "PASSWORD": own["password"]}}
        _send(asking, "/session/v1/login-request", login)
        token = _answer(asking)["data"]["token"]
        _send(asking, "/queries/v1/query-request", {"sqlText": "select sleep 2"}, token)
        # When this is answered, the server has read the statement that was sent before it.
        _send(other, "/session/heartbeat", {}, token)
        assert _answer(other)["success"] is True
        server.process.send_signal(signal.SIGTERM)
        answer = _answer(asking)
        asking.close()
        other.close()
        status = server.process.wait(timeout=60)

    assert answer["data"]["rowset"] == [["2.0"]]
    assert status == 0
