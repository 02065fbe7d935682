"""The egress proxy, spoken to over sockets on this machine."""

from __future__ import annotations

import base64
import http.server
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from nunatak.egress import proxy as proxy_module
from nunatak.egress.policy import EgressPolicy, HostPort
from nunatak.egress.proxy import EgressProxy, Refusal
from nunatak.egress.upstream import Upstream


class _Handler(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        type(self).seen.append((self.path, dict(self.headers)))
        body = b"x" * 300_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


class Origin:
    """A web server on this machine that remembers its requests."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        handler = type("Handler", (_Handler,), {"seen": self.seen})
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = int(self.server.server_address[1])


@pytest.fixture
def origin() -> Iterator[Origin]:
    found = Origin()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def authorization(proxy: EgressProxy) -> str:
    encoded = base64.b64encode(proxy.credential.encode()).decode()
    return f"Proxy-Authorization: Basic {encoded}\r\n"


def ask(proxy: EgressProxy, text: str) -> bytes:
    """Send `text` and read until the proxy closes."""
    assert proxy.port is not None
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(text.encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def proxy_for(*allowed: str, notes: list[Refusal] | None = None) -> EgressProxy:
    told = notes if notes is not None else []
    return EgressProxy(EgressPolicy.of(allowed), None, on_refusal=told.append)


def test_plain_requests_reach_an_allowed_host(origin: Origin) -> None:
    with proxy_for(f"127.0.0.1:{origin.port}") as proxy:
        target = f"http://127.0.0.1:{origin.port}/simple/?a=b"
        answer = ask(
            proxy, f"GET {target} HTTP/1.1\r\nHost: h\r\n{authorization(proxy)}X-A: 1\r\n\r\n"
        )
    assert answer.startswith(b"HTTP/1.0 200")
    assert answer.endswith(b"x" * 300_000)
    path, headers = origin.seen[0]
    assert path == "/simple/?a=b"
    assert headers["X-A"] == "1"
    assert "Proxy-Authorization" not in headers
    assert headers["Connection"] == "close"


def test_tunnels_reach_an_allowed_host(origin: Origin) -> None:
    with proxy_for(f"127.0.0.1:{origin.port}") as proxy:
        answer = ask(
            proxy,
            f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n{authorization(proxy)}\r\n"
            "GET /inside HTTP/1.0\r\n\r\n",
        )
    assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.0 200")
    assert origin.seen[0][0] == "/inside"


def test_other_hosts_and_ports_are_refused_and_told_once(origin: Origin) -> None:
    notes: list[Refusal] = []
    with proxy_for("allowed.example:443", notes=notes) as proxy:
        for _ in range(2):
            head = f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n{authorization(proxy)}\r\n"
            assert ask(proxy, head).startswith(b"HTTP/1.1 403")
        assert ask(
            proxy, f"GET http://allowed.example/ HTTP/1.1\r\n{authorization(proxy)}\r\n"
        ).startswith(b"HTTP/1.1 403")
        assert proxy.refusals == tuple(notes)
    assert origin.seen == []
    assert notes == [
        Refusal(f"127.0.0.1:{origin.port}", "refused"),
        Refusal("allowed.example:80", "refused"),
    ]


def test_anywhere_does_not_reach_this_machine() -> None:
    with proxy_for("0.0.0.0:443", "0.0.0.0:80") as proxy:
        for host, status in (("127.0.0.1", b"403"), ("localhost", b"502")):
            head = f"CONNECT {host}:443 HTTP/1.1\r\n{authorization(proxy)}\r\n"
            assert ask(proxy, head).startswith(b"HTTP/1.1 " + status)
        assert [item.reason for item in proxy.refusals] == ["refused", "refused"]


def test_an_allowed_host_that_does_not_answer_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with proxy_for(f"127.0.0.1:{port}") as proxy:
        head = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n{authorization(proxy)}\r\n"
        assert ask(proxy, head).startswith(b"HTTP/1.1 502")
        assert proxy.refusals == (Refusal(f"127.0.0.1:{port}", "unreachable"),)


@pytest.mark.parametrize("credential", ["", "Proxy-Authorization: Basic eDp5\r\n"])
def test_the_credential_of_the_build_is_needed(origin: Origin, credential: str) -> None:
    with proxy_for(f"127.0.0.1:{origin.port}") as proxy:
        head = f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n{credential}\r\n"
        assert ask(proxy, head).startswith(b"HTTP/1.1 407")
    assert origin.seen == []


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT nowhere HTTP/1.1",
        "GET / HTTP/1.1",
        "GET https://a.example/ HTTP/1.1",
        "GET http://u:p@a.example/ HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET",
        "CONNECT a.example:443:1 HTTP/1.1",
    ],
)
def test_malformed_requests_are_refused(line: str) -> None:
    with proxy_for("0.0.0.0:443", "0.0.0.0:80") as proxy:
        answer = ask(proxy, f"{line}\r\n{authorization(proxy)}\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert proxy.refusals == ()


def test_an_endless_head_is_cut_off() -> None:
    with proxy_for() as proxy:
        assert proxy.port is not None
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
            try:
                connection.sendall(b"GET http://a.example/ HTTP/1.1\r\nX: " + b"y" * 200_000)
                assert connection.recv(10) == b""
            except ConnectionError:
                pass  # cut off while we were still talking


def test_it_listens_on_a_socket_file_and_ends_open_tunnels(origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    policy = EgressPolicy.of([f"127.0.0.1:{origin.port}"])
    with socket.socket(socket.AF_UNIX) as connection:
        with EgressProxy(policy, path, on_refusal=lambda refusal: None) as proxy:
            connection.connect(str(path))
            head = f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n{authorization(proxy)}\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        connection.settimeout(10)
        assert connection.recv(100) == b""


def test_another_policy_cuts_the_tunnels_that_it_does_not_allow() -> None:
    notes: list[Refusal] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as kept,
        socket.create_server(("127.0.0.1", 0)) as cut,
        ExitStack() as stack,
    ):
        ports = [server.getsockname()[1] for server in (kept, cut)]
        targets = [f"127.0.0.1:{port}" for port in ports]
        proxy = stack.enter_context(proxy_for(*targets, notes=notes))
        clients = []
        for target in targets:
            client = socket.create_connection(("127.0.0.1", proxy.port or 0), timeout=10)
            clients.append(stack.enter_context(client))
            client.sendall(f"CONNECT {target} HTTP/1.1\r\n{authorization(proxy)}\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        far = [stack.enter_context(server.accept()[0]) for server in (kept, cut)]
        proxy.allow(EgressPolicy.of(targets[:1]))
        assert clients[1].recv(10) == b""
        far[1].settimeout(10)
        with suppress(ConnectionError):
            assert far[1].recv(10) == b""
        clients[0].sendall(b"still there")
        assert far[0].recv(100) == b"still there"
        head = f"CONNECT {targets[1]} HTTP/1.1\r\n{authorization(proxy)}\r\n"
        assert ask(proxy, head).startswith(b"HTTP/1.1 403")
    assert notes == [Refusal(targets[1], "refused")]


def test_a_socket_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "proxy.sock"
    with (
        pytest.raises(OSError, match="No such file"),
        EgressProxy(EgressPolicy.of([]), missing, on_refusal=lambda refusal: None),
    ):
        raise AssertionError


@pytest.mark.parametrize(("allowed", "status"), [("far.example:80", b"502"), ("", b"403")])
def test_it_goes_through_the_proxy_of_the_machine(allowed: str, status: bytes) -> None:
    notes: list[Refusal] = []
    with proxy_for("elsewhere.example:443", notes=notes) as company:
        variables = {"http_proxy": f"http://{company.credential}@127.0.0.1:{company.port}"}
        policy = EgressPolicy.of(filter(None, [allowed]))
        with EgressProxy(policy, None, on_refusal=notes.append, variables=variables) as proxy:
            head = f"CONNECT far.example:80 HTTP/1.1\r\n{authorization(proxy)}\r\n"
            assert ask(proxy, head).startswith(b"HTTP/1.1 " + status)
    far = "far.example:80"
    told = [Refusal(far, "refused"), Refusal(far, "unreachable")] if allowed else []
    assert notes == (told or [Refusal(far, "refused")])


def test_a_tunnel_through_the_proxy_of_the_machine_carries_data(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"127.0.0.1:{origin.port}"
    with proxy_for(target) as company:
        way = Upstream(
            HostPort("127.0.0.1", company.port or 0),
            f"Basic {base64.b64encode(company.credential.encode()).decode()}",
        )
        monkeypatch.setattr(
            proxy_module,
            "upstream_for",
            lambda destination, variables: way if "company" in variables else None,
        )
        policy, variables = EgressPolicy.of([target]), {"company": "yes"}
        with EgressProxy(policy, None, on_refusal=print, variables=variables) as proxy:
            answer = ask(proxy, f"GET http://{target}/ HTTP/1.0\r\n{authorization(proxy)}\r\n")
    assert answer.endswith(b"x" * 300_000)
