"""A running service goes out only where its integrations lead, whatever becomes of the server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nunatak.compute.process.sandbox import sandbox_capability
from support.server import run_script, start_server, stop_server

pytestmark = pytest.mark.acceptance


class Page(BaseHTTPRequestHandler):
    """A web page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


@pytest.fixture
def pages() -> Iterator[list[str]]:
    """The addresses of two web pages on this machine."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Page) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield [f"127.0.0.1:{server.server_address[1]}" for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.timeout(1200)
@pytest.mark.skipif(not sandbox_capability().available, reason=sandbox_capability().detail)
def test_egress_and_secrets_of_a_running_service(tmp_path: Path, pages: list[str]) -> None:
    home = tmp_path / "home"
    server = start_server(home)
    try:
        before = run_script(server, "service_network", "set-up", *pages)
        server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()
        server = start_server(home)
        after = run_script(server, "service_network", "go-on", *pages)
    finally:
        stop_server(server)

    assert before["images"] == 1
    assert before["listed"] == {"images": ["model-inference"]}
    assert before["allowed"] == "hello"
    assert "Forbidden" in before["other"] or "not allowed" in before["other"]
    assert (before["variable"], before["file"]) == ("open sesame", "hidden")
    assert before["service"] == "MINE"
    assert before["file later"] == "changed"
    assert after["still"] == after["now"] == "hello"
    assert "hello" not in (after["no more"], after["disabled"])
    assert "WAY is disabled" in after["described"]
    assert after["restarts"] == 0
    assert f"egress: allowed is {pages[1]}" in after["log"]
    assert [line for line in after["log"] if line.startswith(f"egress REFUSED: {pages[0]}")]
    asked_for = home / "results"  # what a statement answered is kept for its client
    files = [it for it in home.rglob("*") if it.is_file() and not it.is_relative_to(asked_for)]
    assert [it for it in files if b"open sesame" in it.read_bytes()] == []
