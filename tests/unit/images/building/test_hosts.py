"""One page of an index, looked at for the hosts of its files."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from nunatak.images.building.hosts import linked_addresses

JSON = json.dumps({"files": [{"url": "https://files.example/a.whl"}, {"url": "local/b.whl"}]})
HTML = "<a href=\"https://files.example/a.whl#x\">a</a> <a HREF='../../c.whl'>c</a>".replace(
    "HREF", "href"
)


class _Index(http.server.BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, str]] = {"/j/lib/": JSON, "/h/lib/": HTML, "/auth/lib/": HTML}

    def do_GET(self) -> None:
        if self.path == "/old/lib/":
            self.send_response(301)
            self.send_header("Location", "/h/lib/")
            self.end_headers()
            return
        refused = self.path.startswith("/auth") and not self.headers.get("Authorization")
        body = self.pages.get(self.path, "").encode()
        self.send_response(401 if refused else 200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Index)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("form", ["j", "h", "old"])
def test_each_form_of_page(port: int, form: str) -> None:
    found = linked_addresses(f"http://127.0.0.1:{port}/{form}", "lib")
    assert len(found) == 2
    assert found[0].startswith(f"http://127.0.0.1:{port}/")
    assert found[1].startswith("https://files.example/a.whl")


def test_credentials_are_sent(port: int) -> None:
    assert linked_addresses(f"http://user:p%40ss@127.0.0.1:{port}/auth/", "lib")
    assert linked_addresses(f"http://127.0.0.1:{port}/auth/", "lib") == ()


def test_no_answer_is_no_address(port: int) -> None:
    assert linked_addresses(f"http://127.0.0.1:{port}/h", "absent") == ()
    assert linked_addresses("http://127.0.0.1:9/simple", "lib") == ()
