"""The connector against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.server import CONNECTOR_5, Client, start_server, stop_server

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("generation", [CONNECTOR_5, 2])
def test_the_first_things_everybody_does(client: Client, generation: int) -> None:
    found = client("connector_basics", generation=generation)
    assert found["one"] == [1]
    assert found["role"] == ["ACCOUNTADMIN", "ADMIN"]
    assert found["bound"] == ["ab"]
    assert found["inserted"] == 2
    assert found["rows"] == [[1, "x", 1.5], [2, None, 2.5]]
    assert found["missing"][0] == 2003
    assert found["frame"] == {"A": [1, 2], "C": [1.5, 2.5]}


def test_a_server_stops_on_sigterm_and_keeps_its_account(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = start_server(home)
    before = (home / "connections.toml").read_text()
    assert (home / "connections.toml").stat().st_mode & 0o777 == 0o600
    assert stop_server(first) == 0
    second = start_server(home)
    password = [line for line in before.splitlines() if line.startswith("password")]
    assert password[0] in (home / "connections.toml").read_text()
    assert stop_server(second) == 0
