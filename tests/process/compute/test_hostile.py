"""What the code of a model can do to the machine, the home and other instances: nothing.

It runs as workers do: in the sandbox, and, where the operator let it, without.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nunatak.compute.process.bounds import InstanceBounds
from nunatak.compute.process.sandbox import Shown, bare_argv, sandbox_argv, user_of
from nunatak.compute.spec import InstanceSpec
from nunatak.confinement.bubblewrap import CHOICE_VARIABLE, obstacle, sandbox
from nunatak.confinement.terms import PROGRAM, Terms, program
from nunatak.confinement.users import other_user
from nunatak.images.building.custody import given_to
from nunatak.images.building.isolation import sandboxed

pytestmark = pytest.mark.process
HOSTILE = Path(__file__).with_name("hostile.py")
MEBIBYTE = 1024**2
BOUNDS = InstanceBounds(
    processes=64,
    work_bytes=2 * MEBIBYTE,
    temporary_bytes=3 * MEBIBYTE,
    open_files=200,
    hold_memory=True,
)
MEMORY_BYTES = 1024 * MEBIBYTE
"""With room for the stacks of all threads, less than twice of that."""
LIMIT_S = 120
as_root = pytest.mark.skipif(other_user("") is None, reason="only root can give code another user")
NOT_WITHOUT_CAPABILITIES = "/proc/sys/kernel/ns_last_pid"
"""Which anybody may open, and only capabilities change."""
NOTHING = "0000000000000000"


@dataclass(frozen=True)
class World:
    """A home with a secret, an instance in it, and a process of somebody else."""

    home: Path
    spec: InstanceSpec
    stranger: int

    @property
    def work(self) -> Path:
        return self.home / "instances" / "one" / "work"

    @property
    def secrets(self) -> list[Path]:
        return [self.home / "connections.toml", self.home / "instances/one/instance.json"]

    def harm(self, start: list[str]) -> dict[str, Any]:
        """What the hostile code reached."""
        wishes = {
            "read": [*map(str, self.secrets), "/etc/shadow"],
            "may": ["/etc/ld.so.cache", str(self.spec.model_dir / "hostile.py")],
            "write": [str(self.spec.model_dir / "x"), "/usr/x", sys.prefix + "/x", "/x"],
            "pids": [self.stranger],
            "most": 4 * MEBIBYTE,
            "fill": ["/tmp", "/dev/shm"] if "--unshare-pid" in start else [],
            "forks": 400,
            "open files": 1000,
            "memory": 2 * MEMORY_BYTES,
        }
        python = os.path.realpath(sys.executable)
        command = [*start, python, "-I", str(self.spec.model_dir / "hostile.py")]
        done = subprocess.run(
            [*command, json.dumps(wishes)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            cwd=self.work,
        )
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    home = tmp_path / "home"
    model = home / "models" / "m"
    model.mkdir(parents=True)
    home.chmod(0o700)
    (model / "hostile.py").write_text(HOSTILE.read_text())
    work = home / "instances" / "one" / "work"
    work.mkdir(parents=True)
    spec = InstanceSpec(
        id="one",
        service="S",
        python=(sys.executable,),
        model_dir=model,
        methods=(),
        num_workers=1,
        memory_limit_bytes=MEMORY_BYTES,
    )
    user = user_of(work.parent)
    if user is not None:
        os.chown(work, user, user)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        made = World(home, spec, stranger.pid)
        for secret in made.secrets:
            secret.write_text("secret")
        yield made
        stranger.kill()


@pytest.fixture(params=["bubblewrap", "namespaces"])
def confined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each program that can make a sandbox here."""
    monkeypatch.setenv(CHOICE_VARIABLE, request.param)
    sandbox.cache_clear()
    if obstacle():
        pytest.skip(obstacle())
    yield request.param
    monkeypatch.undo()
    sandbox.cache_clear()


def shown(world: World) -> Shown:
    return Shown(work=world.work, home=world.home, files={})


def check_common(report: dict[str, Any], world: World) -> None:
    if os.geteuid() == 0:
        assert report["user"] == user_of(world.work.parent) != 0
    assert report["capabilities"] == [NOTHING] * 4
    assert report["new privileges"] == "1"
    assert (report["core limit"], report["core"]) == ([0, 0], False)
    assert set(report["settings"]) <= {NOT_WITHOUT_CAPABILITIES}
    assert report["sysrq"] != "opened"
    assert "opened" not in report["read"].values()
    assert set(report["may"].values()) == {"opened"}
    assert "opened" not in report["write"].values()
    assert report["trace"] != ["attached"]
    assert report["kill"] != ["reached"]
    assert report["namespace"] == "kept"
    assert report["root"] != "root"
    assert 100 < report["open files"] < BOUNDS.open_files
    assert not report["memory"]
    assert 10 < report["forks"] < BOUNDS.processes_of(world.spec) < 400


@pytest.mark.usefixtures("confined")
def test_in_the_sandbox_nothing_can_be_harmed(world: World) -> None:
    report = world.harm(sandbox_argv(world.spec, shown(world), BOUNDS))

    check_common(report, world)
    assert set(report["read"].values()) == {"FileNotFoundError"}
    assert report["kill"] == ["ProcessLookupError"]
    assert report["filled"] == {
        str(world.work): BOUNDS.work_bytes,
        "/tmp": BOUNDS.temporary_bytes,
        "/dev/shm": BOUNDS.temporary_bytes,
    }
    assert list(world.work.iterdir()) == [], "the disk of the catalog is not written to"


@as_root
def test_without_a_sandbox_it_is_another_user_who_does_not_see_the_home(world: World) -> None:
    report = world.harm(bare_argv(world.spec, shown(world), BOUNDS))

    check_common(report, world)
    assert set(report["read"].values()) <= {"FileNotFoundError", "PermissionError"}
    assert report["kill"] == ["PermissionError"]
    assert report["filled"][str(world.work)] <= 2 * BOUNDS.work_bytes


@as_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_where_the_home_can_neither_be_covered_nor_read_nothing_is_started(world: World) -> None:
    command = ["setpriv", "--bounding-set", "-sys_admin"]
    done = subprocess.run(
        [*command, *bare_argv(world.spec, shown(world), BOUNDS), "true"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 126
    assert "cannot be read by another user than root, and nothing can be mounted" in done.stderr


@pytest.mark.usefixtures("confined")
def test_a_builds_sandbox_holds_as_a_models_does(world: World) -> None:
    folder = world.home / "environments" / ".building-x"
    folder.mkdir(parents=True)
    (folder / "egress.sock").touch()
    terms = Terms(
        user=user_of(world.work.parent),
        processes=BOUNDS.processes_of(world.spec),
        open_files=BOUNDS.open_files,
        data_bytes=BOUNDS.data_bytes_of(world.spec),
    )
    start = sandboxed(
        [],
        terms=terms,
        python=Path(os.path.realpath(sys.executable)),
        egress_socket=folder / "egress.sock",
        directory=folder,
        readable=[world.spec.model_dir],
    )
    with given_to(terms.user, folder):
        report = world.harm(["env", "NUNATAK_EGRESS_CREDENTIAL=a:b", *start])

    check_common(report, world)
    assert {item.stat().st_uid for item in (folder, *folder.iterdir())} == {os.geteuid()}


@pytest.mark.usefixtures("confined")
def test_even_what_runs_as_the_servers_user_changes_no_setting_of_the_machine(
    world: World,
) -> None:
    folder = world.home / "environments" / ".building-x"
    folder.mkdir(parents=True)
    start = sandboxed(
        [],
        terms=Terms(user=None, processes=200),
        python=Path(os.path.realpath(sys.executable)),
        egress_socket=folder / "egress.sock",
        directory=folder,
        readable=None,
    )
    report = world.harm(["env", "NUNATAK_EGRESS_CREDENTIAL=a:b", *start])

    assert report["settings"] == []
    assert report["sysrq"] != "opened"
    assert report["capabilities"] == [NOTHING] * 4
    assert report["namespace"] == "kept"


@pytest.mark.parametrize("signal_to_it", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_shut_in_ends_with_its_sandbox(
    world: World, confined: str, signal_to_it: signal.Signals
) -> None:
    said = "echo begun; sleep 600"
    command = [*sandbox_argv(world.spec, shown(world), BOUNDS), "sh", "-c", said]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=world.work) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"begun\n"
        started.send_signal(signal_to_it)
        assert started.stdout.read() == b"", "closed by whoever held it"
        assert started.wait(LIMIT_S) != 0


@pytest.mark.parametrize(("said", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)])
def test_a_sandbox_ends_as_what_it_held(
    world: World, confined: str, said: str, status: int
) -> None:
    command = [*sandbox_argv(world.spec, shown(world), BOUNDS), "sh", "-c", said]
    assert subprocess.run(command, cwd=world.work, timeout=LIMIT_S).returncode == status


def test_a_process_that_nobody_waits_for_does_not_hold_the_sandbox(
    world: World, confined: str
) -> None:
    said = "sleep 600 & echo begun"
    command = [*sandbox_argv(world.spec, shown(world), BOUNDS), "sh", "-c", said]
    done = subprocess.run(command, cwd=world.work, timeout=LIMIT_S, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "begun\n")


@pytest.mark.usefixtures("world")
def test_an_unknown_option_of_the_own_sandbox_is_refused() -> None:
    box = program(PROGRAM.with_name("box.py"))
    done = subprocess.run(
        [*box, "--share-net", "--", "true"], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 126
    assert "the option --share-net is unknown" in done.stderr
