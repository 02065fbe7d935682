"""The process runtime against real processes (a stand-in for the inference server)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nunatak.compute.process import procfs
from nunatak.compute.process.bounds import InstanceBounds
from nunatak.compute.process.cgroups import Groups, find_groups
from nunatak.compute.process.parked import parked_instances
from nunatak.compute.process.private import private_folder
from nunatak.compute.process.runtime import ProcessRuntime
from nunatak.compute.process.sandbox import (
    Shown,
    interpreter_paths,
    sandbox_argv,
    sandbox_capability,
)
from nunatak.compute.runtime import Capability, LogStream, Milestones, Observed, Phase
from nunatak.compute.spec import InstanceSpec, LiveInputs, MethodSpec
from nunatak.confinement.policy import Confinement
from nunatak.errors import ConfinementMissing, ObjectExists, ObjectNotFound, ServiceUnavailable
from nunatak.transport.address import UnixAddress

pytestmark = pytest.mark.process
FRONT = (sys.executable, str(Path(__file__).with_name("fake_front.py")))
NO_GROUPS = Groups(0, (), "switched off")


def spec(tmp_path: Path, *, memory_limit_bytes: int | None = None, **env: str) -> InstanceSpec:
    return InstanceSpec(
        id="svc-0",
        service="DB.S.SVC",
        python=(sys.executable,),
        model_dir=tmp_path,
        methods=(MethodSpec(name="PREDICT", handler="functions.predict.infer", path="predict"),),
        env=env,
        labels={"owner": "me"},
        memory_limit_bytes=memory_limit_bytes,
    )


def wait_for(look: Callable[[], Observed], phase: Phase) -> Observed:
    for _ in range(600):
        seen = look()
        if seen.phase is phase:
            return seen
        time.sleep(0.02)
    raise AssertionError(f"never {phase}: {seen}")


@pytest.fixture(params=["groups", "no groups"])
def groups(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Groups]:
    found = find_groups(tmp_path) if request.param == "groups" else NO_GROUPS
    if request.param == "groups" and not found.available:
        pytest.skip(found.detail)
    yield found
    found.tidy()
    assert not any(parent.exists() for parent in found.parents)


@pytest.fixture
def runtime(tmp_path: Path, groups: Groups) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(
        tmp_path / "instances", groups=groups, command=FRONT, allow_unconfined=True
    )
    yield made
    made.stop_all(grace_s=1.0)


def only(runtime: ProcessRuntime) -> Observed:
    [seen] = runtime.observe()
    return seen


def test_an_instance_becomes_ready_and_leaves_nothing_behind(
    tmp_path: Path, runtime: ProcessRuntime
) -> None:
    runtime.start(spec(tmp_path, CHILD="1"))
    seen = wait_for(lambda: only(runtime), Phase.READY)
    folder = tmp_path / "instances" / "svc-0"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "instance.json").stat().st_mode) == 0o600
    assert seen.memory_bytes > 0
    assert seen.labels == {"owner": "me"}
    assert seen.pid is not None
    children = procfs.members(seen.pid)
    assert len(children) == 2
    runtime.stop("svc-0", grace_s=5.0)
    assert not any(procfs.identify(pid) for pid in children)
    assert not folder.exists()
    assert runtime.observe() == []


def test_one_that_ignores_the_request_is_ended_by_force(
    tmp_path: Path, runtime: ProcessRuntime
) -> None:
    runtime.start(spec(tmp_path, PLAY="stubborn"))
    pid = wait_for(lambda: only(runtime), Phase.READY).pid
    runtime.stop("svc-0", grace_s=0.1)
    assert pid is not None
    assert procfs.identify(pid) is None


def test_loading_is_told_with_its_reason(tmp_path: Path, runtime: ProcessRuntime) -> None:
    runtime.start(spec(tmp_path, PLAY="loading"))
    for _ in range(300):
        seen = only(runtime)
        if seen.detail == "2 of 3 workers have loaded the model.":
            break
        time.sleep(0.02)
    assert (seen.phase, seen.detail) == (Phase.STARTING, "2 of 3 workers have loaded the model.")
    with pytest.raises(ObjectExists):
        runtime.start(spec(tmp_path))


def test_a_crash_is_seen_and_the_next_start_keeps_its_log(
    tmp_path: Path, runtime: ProcessRuntime
) -> None:
    runtime.start(spec(tmp_path, PLAY="crash"))
    seen = wait_for(lambda: only(runtime), Phase.EXITED)
    assert seen.exit_code == 3
    assert "exit status 3" in seen.detail
    assert "front says crash" in seen.detail
    runtime.start(spec(tmp_path))
    wait_for(lambda: only(runtime), Phase.READY)
    assert runtime.logs("svc-0", lines=1) == "line 99 of ready\n"
    assert runtime.logs("svc-0", lines=1, previous=True) == "line 99 of crash\n"
    assert "front says crash" in runtime.logs(
        "svc-0", lines=9, previous=True, stream=LogStream.FRONT
    )
    with pytest.raises(ObjectNotFound):
        runtime.logs("other", lines=1)


def test_the_servers_environment_does_not_reach_the_instance(
    tmp_path: Path, runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_SERVER", "1")
    runtime.start(spec(tmp_path))
    wait_for(lambda: only(runtime), Phase.READY)
    printed = runtime.logs("svc-0", lines=9, stream=LogStream.FRONT)
    assert "PATH" in printed
    assert "A_SECRET_OF_THE_SERVER" not in printed


def test_a_second_runtime_adopts_what_the_first_left(tmp_path: Path, groups: Groups) -> None:
    first = ProcessRuntime(
        tmp_path / "instances", groups=groups, command=FRONT, allow_unconfined=True
    )
    first.start(spec(tmp_path))
    pid = wait_for(lambda: only(first), Phase.READY).pid
    second = ProcessRuntime(
        tmp_path / "instances", groups=groups, command=FRONT, allow_unconfined=True
    )
    seen = wait_for(lambda: only(second), Phase.READY)
    assert (seen.pid, seen.labels, seen.service) == (pid, {"owner": "me"}, "DB.S.SVC")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: only(first), Phase.EXITED)
    assert "while the server was away" in wait_for(lambda: only(second), Phase.EXITED).detail
    second.stop("svc-0", grace_s=1.0)
    assert not (tmp_path / "instances" / "svc-0").exists()


def test_a_process_whose_start_was_never_recorded_is_found(tmp_path: Path) -> None:
    root = tmp_path / "instances"
    first = ProcessRuntime(root, groups=NO_GROUPS, command=FRONT, allow_unconfined=True)
    first.start(spec(tmp_path))
    pid = wait_for(lambda: only(first), Phase.READY).pid
    (root / "svc-0" / "runtime.json").unlink()
    second = ProcessRuntime(root, groups=NO_GROUPS, command=FRONT, allow_unconfined=True)
    assert second.observe() == []
    assert wait_for(lambda: only(first), Phase.EXITED).exit_code == -signal.SIGKILL
    assert pid is not None
    assert not (root / "svc-0").exists()
    first.stop_all(grace_s=0.0)


def test_a_number_that_now_belongs_to_another_process_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "instances"
    first = ProcessRuntime(root, groups=NO_GROUPS, command=FRONT, allow_unconfined=True)
    first.start(spec(tmp_path))
    wait_for(lambda: only(first), Phase.READY)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        record = root / "svc-0" / "runtime.json"
        pid = only(first).pid
        record.write_text(record.read_text().replace(f'"pid":{pid}', f'"pid":{stranger.pid}'))
        second = ProcessRuntime(root, groups=NO_GROUPS, command=FRONT, allow_unconfined=True)
        assert only(second).phase is Phase.EXITED
        second.stop("svc-0", grace_s=0.0)
        assert stranger.poll() is None
        stranger.kill()
    first.stop_all(grace_s=1.0)


# ---- parked


def test_a_parked_instance_wakes_as_the_same_process(
    tmp_path: Path, runtime: ProcessRuntime
) -> None:
    runtime.start(spec(tmp_path))
    ready = wait_for(lambda: only(runtime), Phase.READY)
    assert runtime.park("svc-0", grace_s=5.0)
    assert runtime.park("svc-0", grace_s=5.0)  # it stays so
    parked = only(runtime)
    [told] = parked_instances(tmp_path / "instances")
    live = LiveInputs(egress=("a:443",))
    runtime.wake(replace(spec(tmp_path), instance_id="3", labels={"owner": "you"}, live=live))
    woken = wait_for(lambda: only(runtime), Phase.READY)

    assert runtime.totals("svc-0") == ""
    assert ready.milestones == Milestones(listening=1.0, loaded=2.0, ready=3.0)
    assert (parked.phase, parked.pid) == (Phase.PARKED, ready.pid)
    assert parked.memory_bytes > 0
    assert (told.service, told.since) == ("DB.S.SVC", parked.parked_at)
    assert told.memory_bytes > 0
    assert list(parked_instances(tmp_path / "instances")) == []
    assert (woken.pid, woken.parked_at) == (ready.pid, None)
    assert (woken.instance_id, woken.labels) == ("3", {"owner": "you"})
    assert '"instance_id": "3"' in (tmp_path / "instances/svc-0/instance.json").read_text()
    assert "a:443" in (tmp_path / "instances/svc-0/egress.json").read_text()


def test_an_instance_leaves_what_it_counted(tmp_path: Path, runtime: ProcessRuntime) -> None:
    assert (runtime.totals("svc-0"), runtime.stop("svc-0", grace_s=1.0)) == ("", "")
    runtime.start(spec(tmp_path))
    wait_for(lambda: only(runtime), Phase.READY)
    running = runtime.totals("svc-0")
    assert runtime.park("svc-0", grace_s=5.0)

    assert (running, runtime.totals("svc-0")) == ("", "counted 1\n")
    assert runtime.stop("svc-0", grace_s=5.0) == "counted 2\n"


def test_one_that_ends_by_force_leaves_no_totals_and_none_of_those_before(
    tmp_path: Path, runtime: ProcessRuntime
) -> None:
    runtime.start(spec(tmp_path))
    wait_for(lambda: only(runtime), Phase.READY)
    (tmp_path / "instances/svc-0/totals.json").write_text("of a process before\n")
    os.kill(only(runtime).pid or 0, signal.SIGKILL)
    wait_for(lambda: only(runtime), Phase.EXITED)
    runtime.start(spec(tmp_path, PLAY="stubborn"))
    wait_for(lambda: only(runtime), Phase.READY)
    assert runtime.stop("svc-0", grace_s=0.0) == ""


def test_only_one_that_is_parked_can_be_woken(tmp_path: Path, runtime: ProcessRuntime) -> None:
    assert not runtime.park("svc-0", grace_s=1.0)
    runtime.start(spec(tmp_path))
    wait_for(lambda: only(runtime), Phase.READY)
    with pytest.raises(ObjectNotFound):
        runtime.wake(spec(tmp_path))


def test_one_that_knows_nothing_of_parking_ends(tmp_path: Path, runtime: ProcessRuntime) -> None:
    runtime.start(spec(tmp_path, PLAY="wakeful"))
    wait_for(lambda: only(runtime), Phase.READY)
    assert not runtime.park("svc-0", grace_s=5.0)
    assert only(runtime).phase is Phase.EXITED


def test_one_that_dies_when_it_is_woken_says_so(tmp_path: Path, runtime: ProcessRuntime) -> None:
    runtime.start(spec(tmp_path, PLAY="sound"))
    wait_for(lambda: only(runtime), Phase.READY)
    assert runtime.park("svc-0", grace_s=5.0)
    with pytest.raises(ServiceUnavailable, match="SIGUSR2"):
        runtime.wake(spec(tmp_path))
    assert only(runtime).phase is Phase.EXITED


def test_a_second_runtime_wakes_what_the_first_parked(tmp_path: Path, groups: Groups) -> None:
    first = ProcessRuntime(
        tmp_path / "instances", groups=groups, command=FRONT, allow_unconfined=True
    )
    first.start(spec(tmp_path))
    pid = wait_for(lambda: only(first), Phase.READY).pid
    assert first.park("svc-0", grace_s=5.0)
    second = ProcessRuntime(
        tmp_path / "instances", groups=groups, command=FRONT, allow_unconfined=True
    )
    parked = only(second)
    second.wake(spec(tmp_path))

    assert (parked.phase, parked.labels) == (Phase.PARKED, {"owner": "me"})
    assert parked.memory_bytes > 0
    assert wait_for(lambda: only(second), Phase.READY).pid == pid
    second.stop_all(grace_s=1.0)
    assert only(first).phase is Phase.EXITED


def test_memory_over_the_limit_ends_the_instance_and_says_so(
    tmp_path: Path, runtime: ProcessRuntime
) -> None:
    runtime.start(spec(tmp_path, memory_limit_bytes=64 * 1024**2, EAT="256"))
    seen = wait_for(lambda: only(runtime), Phase.EXITED)
    assert seen.out_of_memory
    assert "Out of memory" in seen.detail


def test_a_long_home_gets_a_short_socket(tmp_path: Path, groups: Groups) -> None:
    root = tmp_path / ("x" * 120) / "instances"
    made = ProcessRuntime(root, groups=groups, command=FRONT, allow_unconfined=True)
    made.start(spec(tmp_path))
    listens = wait_for(lambda: only(made), Phase.READY).address
    assert isinstance(listens, UnixAddress)
    assert len(str(listens)) < 107
    made.stop_all(grace_s=1.0)
    assert not listens.path.exists()


# ---- a home that was copied or moved


def copied(source: Path, target: Path) -> Path:
    """As `cp -a` does it; sockets are left out."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    return target


def on(root: Path) -> ProcessRuntime:
    """A server of its own on a folder of instances."""
    return ProcessRuntime(root, groups=find_groups(root), command=FRONT, allow_unconfined=True)


@pytest.mark.parametrize("parked", [False, True])
@pytest.mark.parametrize("recorded", [False, True])
def test_a_server_on_a_copied_home_touches_nothing_of_the_original(
    tmp_path: Path, *, parked: bool, recorded: bool
) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    home.mkdir()
    original = on(home / "instances")
    live = LiveInputs(egress=("a:443",))
    original.start(replace(spec(home), secret_env={"TOKEN": "t"}, live=live))
    pid = wait_for(lambda: only(original), Phase.READY).pid
    if parked:
        assert original.park("svc-0", grace_s=5.0)
    before = {path for path in home.rglob("*") if not path.is_socket()}
    copied(home, copy)
    if not recorded:
        (copy / "instances/svc-0/runtime.json").unlink()
    later = on(copy / "instances")

    assert later.observe() == []
    assert list(parked_instances(copy / "instances")) == []
    later.stop("svc-0", grace_s=0.0)
    later.start(replace(spec(copy), secret_env={"TOKEN": "t"}, live=live))
    other = wait_for(lambda: only(later), Phase.READY)
    assert other.pid != pid
    later.stop_all(grace_s=1.0)

    seen = only(original)
    assert (seen.pid, seen.phase) == (pid, Phase.PARKED if parked else Phase.READY)
    assert before <= set(home.rglob("*"))
    assert private_folder(home / "instances" / "svc-0").environment.exists()
    original.stop_all(grace_s=1.0)


def test_a_copy_in_the_place_of_the_original_is_known_for_one(tmp_path: Path) -> None:
    home, moved = tmp_path / "home", tmp_path / "moved"
    home.mkdir()
    original = on(home / "instances")
    original.start(replace(spec(home), secret_env={"TOKEN": "t"}))
    pid = wait_for(lambda: only(original), Phase.READY).pid
    assert pid is not None
    home.rename(moved)
    copied(moved, home)
    later = on(home / "instances")

    assert later.observe() == []
    later.start(spec(home))
    wait_for(lambda: only(later), Phase.READY)
    later.stop_all(grace_s=1.0)
    assert procfs.identify(pid) is not None
    assert private_folder(moved / "instances" / "svc-0").environment.exists()
    original.stop_all(grace_s=1.0)
    on(moved / "instances").stop_all(grace_s=0.0)


def test_instances_of_a_home_that_was_moved_are_ended(tmp_path: Path) -> None:
    home, moved = tmp_path / "home", tmp_path / "moved"
    home.mkdir()
    original = on(home / "instances")
    original.start(replace(spec(home), secret_env={"TOKEN": "t"}))
    wait_for(lambda: only(original), Phase.READY)
    home.rename(moved)
    later = on(moved / "instances")

    assert later.observe() == []
    wait_for(lambda: only(original), Phase.EXITED)
    original.stop_all(grace_s=0.0)
    assert not (moved / "instances" / "svc-0").exists()
    assert not private_folder(moved / "instances" / "svc-0").path.exists()


def test_what_is_left_of_a_home_that_was_deleted_and_restored_is_ended(tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup"
    home.mkdir()
    original = on(home / "instances")
    original.start(spec(home))
    pid = wait_for(lambda: only(original), Phase.READY).pid
    assert pid is not None
    copied(home, backup)
    (backup / "instances/svc-0/runtime.json").unlink()
    shutil.rmtree(home)
    copied(backup, home)
    later = on(home / "instances")

    assert later.observe() == []
    assert wait_for(lambda: only(original), Phase.EXITED)
    original.stop_all(grace_s=0.0)


# ---- confinement


def test_without_a_sandbox_nothing_is_started_that_was_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Confinement("bubblewrap is not installed", allow_unconfined=False)
    monkeypatch.setattr("nunatak.compute.process.runtime.confinement", lambda **_: missing)
    made = ProcessRuntime(tmp_path / "instances", groups=NO_GROUPS, command=FRONT)
    with pytest.raises(ConfinementMissing, match="--allow-unconfined"):
        made.start(spec(tmp_path))
    assert made.observe() == []
    assert list((tmp_path / "instances").iterdir()) == []


def test_what_runs_unconfined_ends_when_that_is_not_allowed_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Capability("isolation", available=False, detail="none")
    monkeypatch.setattr("nunatak.compute.process.runtime.sandbox_capability", lambda **_: nothing)
    root = tmp_path / "instances"
    first = ProcessRuntime(root, groups=NO_GROUPS, command=FRONT, allow_unconfined=True)
    first.start(spec(tmp_path))
    wait_for(lambda: only(first), Phase.READY)
    strict = ProcessRuntime(root, groups=NO_GROUPS, command=FRONT)
    assert strict.observe() == []
    wait_for(lambda: only(first), Phase.EXITED)  # the kill is sent, and the kernel carries it out
    first.stop_all(grace_s=0.0)


def test_an_unconfined_model_that_fills_the_disk_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Capability("isolation", available=False, detail="none")
    monkeypatch.setattr("nunatak.compute.process.runtime.sandbox_capability", lambda **_: nothing)
    made = ProcessRuntime(
        tmp_path / "instances",
        groups=NO_GROUPS,
        command=FRONT,
        bounds=InstanceBounds(work_bytes=1000),
        allow_unconfined=True,
    )
    made.start(spec(tmp_path))
    (tmp_path / "instances/svc-0/work/much").write_bytes(bytes(2000))
    seen = wait_for(lambda: only(made), Phase.EXITED)
    assert "instance_work_bytes" in seen.detail
    made.stop_all(grace_s=0.0)


def test_an_instance_has_so_many_processes_and_no_more(tmp_path: Path) -> None:
    found = find_groups(tmp_path)
    if not any(parent.parts[4] == "pids" for parent in found.parents) and found.version != 2:
        pytest.skip(found.detail)
    bounds = InstanceBounds(processes=50)
    made = ProcessRuntime(
        tmp_path / "instances", groups=found, command=FRONT, bounds=bounds, allow_unconfined=True
    )
    wanted = spec(tmp_path, FORKS="400")
    made.start(wanted)
    wait_for(lambda: only(made), Phase.READY)
    printed = made.logs("svc-0", lines=9, stream=LogStream.FRONT)
    assert 30 < int(printed.split("forks: ")[1].split()[0]) < bounds.processes_of(wanted)
    made.stop_all(grace_s=5.0)
    assert not any(parent.exists() for parent in found.parents)


def run_shut_in(tmp_path: Path, code: str, bounds: InstanceBounds | None = None) -> str:
    work = tmp_path / "instances" / "work"
    work.mkdir(parents=True, exist_ok=True)
    model = tmp_path / "model"
    model.mkdir(exist_ok=True)
    wanted = InstanceSpec(
        id="a", service="S", python=(sys.executable,), model_dir=model, methods=()
    )
    shown = Shown(work=work, home=tmp_path, files={})
    argv = sandbox_argv(wanted, shown, bounds or InstanceBounds())
    done = subprocess.run(
        [*argv, sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(not sandbox_capability().available, reason="no sandbox on this machine")
class TestSandbox:
    def test_there_is_no_network(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
            assert "Connection refused" in run_shut_in(tmp_path, code)
            assert "Errno" in run_shut_in(tmp_path, code.replace("127.0.0.1", "192.0.2.1"))

    def test_only_the_work_folder_can_be_written(self, tmp_path: Path) -> None:
        here = str(tmp_path)
        code = (
            "import os; open('note', 'w').close(); print(os.getcwd(), os.listdir('.'))\n"
            f"for path in ({here!r} + '/model/x', '/usr/x', {sys.prefix!r} + '/x'):\n"
            "    try: open(path, 'w'); print('written', path)\n"
            "    except OSError as error: print(error.strerror)"
        )
        said = run_shut_in(tmp_path, code)
        assert said.count("Read-only file system") == 3
        assert f"{here}/instances/work ['note']" in said

    def test_other_files_and_processes_cannot_be_seen(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("hidden")
        code = (
            f"import os; print(os.path.exists({str(tmp_path / 'secret')!r}), "
            "len([p for p in os.listdir('/proc') if p.isdigit()]) < 4, "
            "os.path.exists('/etc/shadow'))"
        )
        assert run_shut_in(tmp_path, code) == "False True False\n"

    def test_the_interpreters_folders_are_found_through_links(self, tmp_path: Path) -> None:
        base = tmp_path / "base" / "bin"
        base.mkdir(parents=True)
        (base / "python3.11").touch()
        (base / "python3").symlink_to("python3.11")
        venv = tmp_path / "venv" / "bin"
        venv.mkdir(parents=True)
        (venv / "python").symlink_to(base / "python3")
        (venv.parent / "pyvenv.cfg").write_text(f"home = {base}\nversion = 3.11\n")
        assert list(interpreter_paths(venv / "python")) == [venv.parent, base.parent]
