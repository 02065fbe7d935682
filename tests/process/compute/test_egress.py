"""What the code of a running service can reach: an attacker speaks from inside of its worker."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from nunatak.compute.process import private, procfs
from nunatak.compute.process import runtime as process
from nunatak.compute.process.runtime import ProcessRuntime
from nunatak.compute.process.sandbox import sandbox_capability
from nunatak.compute.runtime import Capability, LogStream
from nunatak.compute.spec import InstanceSpec, LiveInputs, MethodSpec
from nunatak.confinement.policy import Confinement

pytestmark = pytest.mark.process
confined = pytest.mark.skipif(
    not sandbox_capability().available, reason=sandbox_capability().detail
)
AGENT = Path(__file__).with_name("agent.py")
WAIT_S = 120.0


@dataclass
class Agent:
    """The attacker in the worker of one instance."""

    runtime: ProcessRuntime
    name: str
    root: Path
    asked: int = 0

    @property
    def folder(self) -> Path:
        return self.root / self.name

    def ask(self, function: str, *arguments: Any) -> Any:
        """What became of it: its result, or the name of the error."""
        until(lambda: self.work() is not None, lambda: self.log(LogStream.FRONT) + self.log())
        work, number = self.work(), self.asked
        assert work is not None
        self.asked += 1
        temporary = work / "ask.tmp"
        temporary.write_text(json.dumps([function, arguments]))
        temporary.rename(work / f"ask-{number}.json")
        answer = work / f"answer-{number}.json"
        until(answer.exists, lambda: self.log(LogStream.FRONT) + self.log())
        found = json.loads(answer.read_text())
        return found["result"] if "result" in found else found["error"]

    def work(self) -> Path | None:
        """Its work folder, which is to be seen from where it is only if it is shut in."""
        seen = self.runtime.look(self.name)
        if not sandbox_capability().available:
            return self.folder / "work"
        for pid in procfs.members(seen.pid) if seen and seen.pid else ():
            place = Path(f"/proc/{pid}/root")
            work = place / str(self.folder / "work")[1:]
            with contextlib.suppress(OSError):
                if not place.samefile("/") and work.is_mount():
                    return work
        return None

    def log(self, stream: LogStream = LogStream.MODEL) -> str:
        return self.runtime.logs(self.name, lines=1000, stream=stream)

    def says(self, text: str) -> None:
        """Its log comes to hold a text."""
        until(lambda: text in self.log(), self.log)


def until(is_so: Callable[[], bool], explain: Callable[[], str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)


@dataclass
class World:
    """Instances whose code is the attacker's."""

    runtime: ProcessRuntime
    root: Path
    model: Path

    def start(self, name: str, **inputs: Any) -> Agent:
        live = LiveInputs(egress=inputs.get("egress"), secret_files=inputs.get("secret_files", {}))
        self.runtime.start(
            InstanceSpec(
                id=name,
                service=f"DB.S.{name}",
                python=(sys.executable,),
                model_dir=self.model,
                methods=(
                    MethodSpec(name="PREDICT", handler="functions.predict.infer", path="predict"),
                ),
                num_workers=1,
                secret_env=inputs.get("secret_env", {}),
                live=live,
            )
        )
        return Agent(self.runtime, name, self.root)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    model = tmp_path / "model"
    (model / "functions").mkdir(parents=True)
    (model / "functions" / "predict.py").write_text(AGENT.read_text())
    (model / "MANIFEST.yml").write_text("runtimes: {python: {imports: []}}\n")
    root = tmp_path / "instances"
    runtime = ProcessRuntime(root, allow_unconfined=True)
    yield World(runtime, root, model)
    runtime.stop_all(grace_s=1.0)
    held = private.private_folder(root / "any").path.parent
    assert not held.exists() or not list(held.iterdir())
    private.remove_strangers(root, ())
    assert not held.exists()


class Echo(socketserver.BaseRequestHandler):
    """Answers whatever it is sent with `pong`."""

    def handle(self) -> None:
        while self.request.recv(100):
            self.request.sendall(b"pong")


class Page(BaseHTTPRequestHandler):
    """A web page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


@dataclass
class Outside:
    """Servers on this machine; `canary` must never be reached."""

    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.echo, self.page = self._serve(Echo), self._serve(Page)
        self.canary = self.stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        self.canary.setblocking(False)
        self.abstract = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        self.abstract.bind("\0nunatak-egress-canary")
        self.abstract.listen()

    def _serve(self, handler: type[socketserver.BaseRequestHandler]) -> int:
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.stack.callback(thread.join)
        self.stack.callback(server.server_close)
        self.stack.callback(server.shutdown)
        return int(server.server_address[1])

    @property
    def canary_port(self) -> int:
        return int(self.canary.getsockname()[1])

    def quiet(self) -> bool:
        """Whether nobody came to the canary."""
        try:
            self.canary.accept()
        except BlockingIOError:
            return True
        return False


@pytest.fixture
def outside() -> Iterator[Outside]:
    found = Outside()
    with found.stack:
        yield found


@confined
def test_nothing_leads_out_but_what_is_allowed(world: World, outside: Outside) -> None:
    canary = outside.canary_port
    agent = world.start("one", egress=(f"127.0.0.1:{outside.page}", f"127.1:{canary}"))

    assert agent.ask("tunnel", f"127.0.0.1:{outside.page}") == "connected"
    outcomes = {
        "raw tcp": agent.ask("tcp", "127.0.0.1", canary),
        "link local": agent.ask("tcp", "169.254.169.254", 80),
        "far": agent.ask("tcp", "192.0.2.1", 443),
        "udp": agent.ask("udp", "127.0.0.1", canary),
        "raw socket": agent.ask("raw"),
        "abstract": agent.ask("abstract", "nunatak-egress-canary"),
        "front": agent.ask("unix", str(agent.folder / "front.sock")),
        "dns": agent.ask("dns", "secret.evil.invalid"),
        "other host": agent.ask("fetch", "http://evil.example/"),
        "tls": agent.ask("fetch", "https://evil.example/"),
        "loopback": agent.ask("tunnel", f"127.0.0.1:{canary}"),
        "any address": agent.ask("tunnel", f"0.0.0.0:{canary}"),
        "metadata": agent.ask("tunnel", "169.254.169.254:80"),
        "name of loopback": agent.ask("tunnel", f"127.1:{canary}"),
        "no credential": agent.ask("tunnel", f"127.0.0.1:{outside.page}", ""),
        "configuration": agent.ask("read", str(agent.folder / "instance.json")),
        "policy": agent.ask("read", str(agent.folder / "egress.json")),
    }

    assert outcomes == {
        "raw tcp": "ConnectionRefusedError",
        "link local": "OSError",
        "far": "OSError",
        "udp": "TimeoutError",
        "raw socket": "PermissionError",
        "abstract": "ConnectionRefusedError",
        "front": "FileNotFoundError",
        "dns": "gaierror",
        "other host": "HTTPError",
        "tls": "URLError",
        "loopback": "PermissionError",
        "any address": "PermissionError",
        "metadata": "PermissionError",
        "name of loopback": "PermissionError",
        "no credential": "PermissionError",
        "configuration": "FileNotFoundError",
        "policy": "FileNotFoundError",
    }
    assert outside.quiet()
    agent.says(f"egress: allowed is 127.0.0.1:{outside.page}, 127.1:{canary}")
    for host in ("evil.example:80", "evil.example:443", f"127.0.0.1:{canary}", f"127.1:{canary}"):
        agent.says(f"egress REFUSED: {host} (not allowed by the integrations of this service)")


@confined
def test_each_instance_has_a_credential_and_a_way_of_its_own(
    world: World, outside: Outside
) -> None:
    rich = world.start("rich", egress=(f"127.0.0.1:{outside.page}",))
    poor = world.start("poor", egress=())
    none = world.start("none")

    stolen = rich.ask("credential")
    assert rich.ask("tunnel", f"127.0.0.1:{outside.page}", stolen) == "connected"
    assert poor.ask("tunnel", f"127.0.0.1:{outside.page}", stolen) == "PermissionError"
    assert poor.ask("unix", str(rich.folder / "egress.sock")) == "FileNotFoundError"
    assert none.ask("variable", "HTTPS_PROXY") is None
    assert none.ask("tcp", "127.0.0.1", outside.page) == "ConnectionRefusedError"
    poor.says("egress: allowed is nothing")


@confined
def test_running_instances_follow_what_is_allowed(world: World, outside: Outside) -> None:
    echo, page = f"127.0.0.1:{outside.echo}", f"127.0.0.1:{outside.page}"
    agent = world.start("one", egress=(echo,))
    assert agent.ask("tunnel", echo, None, "open") == "connected"
    assert agent.ask("kept", "open") == "pong"
    assert agent.ask("tunnel", page) == "PermissionError"

    world.runtime.refresh("one", LiveInputs(egress=(echo, page)))
    agent.says(f"egress: allowed is {', '.join(sorted((echo, page)))}")
    assert agent.ask("tunnel", page) == "connected"
    assert agent.ask("kept", "open") == "pong"

    world.runtime.refresh("one", LiveInputs(egress=(page,)))
    agent.says(f"egress: allowed is {page}\n")
    assert agent.ask("kept", "open") == ""
    assert agent.ask("tunnel", echo) == "PermissionError"

    (agent.folder / "egress.json").unlink()
    agent.says("egress: nothing is allowed, the list of hosts cannot be read")
    assert agent.ask("tunnel", page) == "PermissionError"


@confined
def test_the_way_out_stands_while_no_server_does(world: World, outside: Outside) -> None:
    echo = f"127.0.0.1:{outside.echo}"
    agent = world.start("one", egress=(echo,))
    assert agent.ask("tunnel", echo, None, "open") == "connected"

    # the instance knows nothing of the runtime that started it; another one takes it over
    adopting = ProcessRuntime(world.root, allow_unconfined=True)
    assert agent.ask("kept", "open") == "pong"
    assert agent.ask("tunnel", "evil.example:443") == "PermissionError"
    adopting.refresh("one", LiveInputs(egress=()))
    agent.says("egress: allowed is nothing")
    assert agent.ask("kept", "open") == ""


@confined
def test_secrets_are_handed_over_in_memory_only(world: World, tmp_path: Path) -> None:
    folder = "/usr/local/creds"
    agent = world.start(
        "one",
        secret_env={"TOKEN": "open-sesame"},
        secret_files={folder: {"username": "me", "password": "hidden"}},
    )
    assert agent.ask("variable", "TOKEN") == "open-sesame"
    assert agent.ask("read", f"{folder}/password") == "hidden"
    assert agent.ask("listdir", folder) == ["password", "username"]
    assert agent.ask("listdir", "/usr/local") == sorted(
        {"creds", *(item.name for item in Path("/usr/local").iterdir())}
    )

    held = private.private_folder(agent.folder)
    files = [item for item in held.path.rglob("*") if item.is_file()]
    assert len(files) == 3
    assert {stat.S_IMODE(item.stat().st_mode) for item in files} == {0o600}
    ours = [it for it in tmp_path.rglob("*") if it.is_file() and it.parent.name != "work"]
    written = b"".join(item.read_bytes() for item in ours)
    assert b"open-sesame" not in written
    assert b"hidden" not in written

    world.runtime.refresh("one", LiveInputs(secret_files={folder: {"password": "changed"}}))
    assert agent.ask("read", f"{folder}/password") == "changed"
    assert agent.ask("listdir", folder) == ["password"]
    world.runtime.stop("one", grace_s=1.0)
    assert not held.path.exists()


def test_where_nothing_can_be_confined_the_proxy_is_all_there_is(
    world: World, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Capability("isolation", available=False, detail="no namespaces here")
    missing = Confinement("no namespaces here", allow_unconfined=True)
    monkeypatch.setattr(sys.modules[__name__], "sandbox_capability", lambda: nothing)
    monkeypatch.setattr(process, "sandbox_capability", lambda: nothing)
    monkeypatch.setattr(process, "confinement", lambda **_: missing)
    agent = world.start("one", egress=(f"127.0.0.1:{outside.page}",))

    assert agent.ask("tunnel", f"127.0.0.1:{outside.page}") == "connected"
    assert agent.ask("tunnel", f"127.0.0.1:{outside.canary_port}") == "PermissionError"
    assert agent.ask("fetch", "http://evil.example/") == "HTTPError"
    agent.says("egress REFUSED: evil.example:80")
