"""The server that acceptance tests share, and the clients that speak to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.server import Client, Server, run_script, start_server, stop_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the acceptance tests that do not stop it."""
    running = start_server(tmp_path_factory.mktemp("server") / "home")
    yield running
    stop_server(running)


@pytest.fixture
def client(server: Server) -> Client:
    """Run a client script against the shared server."""

    def run(name: str, *arguments: str, generation: int = 2) -> Any:
        return run_script(server, name, *arguments, generation=generation)

    return run
