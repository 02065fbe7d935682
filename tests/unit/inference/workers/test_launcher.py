import asyncio
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from nunatak.inference.core.errors import LoadFailed
from nunatak.inference.core.pool_settings import PoolSettings
from nunatak.inference.workers.launcher import (
    Process,
    Started,
    WorkerLauncher,
    describe_exit,
    describe_loss,
    load_head,
    manifest_imports,
)
from nunatak.inference.workers.log import BoundedLog, LogPipe
from nunatak.inference.workers.preload import begin
from nunatak.inference.workers.starting import ProcessSource, fork_refusal
from nunatak.transport.shm.frames import FrameType, encode

METHOD = {
    "name": "PREDICT",
    "handler": "functions.predict.infer",
    "inputs": [{"name": "X", "type": "DOUBLE"}],
    "path": "predict",
}


def settings(tmp_path: Path, **changes: object) -> PoolSettings:
    """Settings from a small instance document."""
    document = {
        "directory": str(tmp_path),
        "model_dir": str(tmp_path / "version"),
        "python": ["/bin/false"],
        "methods": [METHOD],
        "num_workers": 1,
        "tcp": {"token": "secret"},
    }
    return PoolSettings.from_instance({**document, **changes})


def write_manifest(tmp_path: Path, text: str) -> Path:
    """A version's folder with this manifest."""
    folder = tmp_path / "version"
    folder.mkdir(exist_ok=True)
    (folder / "MANIFEST.yml").write_text(text)
    return folder


def test_imports_of_all_runtimes_are_taken_once(tmp_path: Path) -> None:
    folder = write_manifest(
        tmp_path, "runtimes: {a: {imports: [model/, lib.zip]}, b: {imports: [model/]}, c: {}}"
    )
    assert manifest_imports(folder) == ["model/", "lib.zip"]


@pytest.mark.parametrize("path", ["/etc", "../other", "a/../../b"])
def test_imports_outside_the_version_are_refused(tmp_path: Path, path: str) -> None:
    folder = write_manifest(tmp_path, f"runtimes: {{a: {{imports: ['{path}']}}}}")
    with pytest.raises(LoadFailed, match="outside the version"):
        manifest_imports(folder)


@pytest.mark.parametrize("text", ["", "[]", "runtimes: 3", "runtimes: {a: 3}", "a: ["])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(LoadFailed, match=r"MANIFEST\.yml"):
        manifest_imports(write_manifest(tmp_path, text))


def test_what_a_process_is_told_holds_no_secret(tmp_path: Path) -> None:
    write_manifest(tmp_path, "runtimes: {}")
    assert "secret" not in repr(load_head(settings(tmp_path)))


def test_threads_are_shared_out_unless_the_service_sets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))

    assert settings(tmp_path, num_workers=3).threads == 2
    assert settings(tmp_path, num_workers=17).threads == 1
    assert settings(tmp_path, env={"OMP_NUM_THREADS": "5"}).threads == 5


@pytest.mark.asyncio
async def test_a_model_gets_its_own_variables_and_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    log_path = tmp_path / "log"
    pipe = LogPipe(BoundedLog(log_path, size_bytes=10_000))
    shell = ("/bin/sh", "-c", "env; exit 3")
    launcher = WorkerLauncher(
        settings(tmp_path, python=shell, env={"MY": "own"}), output=pipe.write_end
    )
    started = launcher.launch()
    started.connection.close()
    code = await Process(started.popen).ended
    await asyncio.sleep(0)
    pipe.close()

    printed = log_path.read_text()
    assert "MY=own" in printed
    assert "DATABASE_PASSWORD" not in printed
    assert describe_exit(code) == "exited with status 3"


@pytest.mark.asyncio
async def test_a_python_that_is_missing_is_named(tmp_path: Path) -> None:
    pipe = LogPipe(BoundedLog(tmp_path / "log", size_bytes=10_000))
    launcher = WorkerLauncher(settings(tmp_path, python=["/nowhere/python"]), output=pipe.write_end)
    with pytest.raises(LoadFailed, match="/nowhere/python cannot be started"):
        launcher.launch()
    pipe.close()


def a_beginning(tmp_path: Path, *program: str) -> Path:
    """A configuration whose workers are this program."""
    write_manifest(tmp_path, "runtimes: {a: {imports: [model/]}}")
    config = tmp_path / "instance.json"
    document = {
        "directory": str(tmp_path),
        "model_dir": str(tmp_path / "version"),
        "python": [*program],
        "methods": [METHOD],
    }
    config.write_text(json.dumps(document))
    return config


def test_a_process_that_runs_already_is_the_first(tmp_path: Path) -> None:
    begun = begin(a_beginning(tmp_path, "/bin/sh", "-c", "sleep 60"))
    assert begun is not None
    launcher = WorkerLauncher(settings(tmp_path), output=begun.output[1], first=begun.process)
    assert launcher.launch() is begun.process
    assert begun.process.asked
    begun.end()
    assert begun.process.popen.poll() is not None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"directory": 1}'])
def test_what_cannot_be_begun_is_left_to_be_told_later(tmp_path: Path, text: str) -> None:
    config = tmp_path / "instance.json"
    config.write_text(text)
    before = len(os.listdir("/proc/self/fd"))

    assert begin(config) is None
    assert begin(tmp_path / "missing.json") is None
    assert begin(a_beginning(tmp_path, "/nowhere/python")) is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_signals_are_named() -> None:
    assert describe_exit(-9) == "was ended by SIGKILL"
    assert describe_exit(-250) == "was ended by signal 250"


def test_a_worker_that_nobody_here_killed_has_run_out_of_memory() -> None:
    assert "when memory runs out" in describe_loss(-9, is_killed=False)
    assert describe_loss(-9, is_killed=True) == "was ended by SIGKILL"
    assert describe_loss(-11, is_killed=False) == "was ended by SIGSEGV"
    assert describe_loss(3, is_killed=False) == "exited with status 3"


def test_processes_with_devices_or_threads_are_not_forked() -> None:
    assert "holds a device" in fork_refusal({"devices": ["/dev/nvidia0"]})
    assert "started threads (writer)" in fork_refusal({"python_threads": ["writer"]})
    assert fork_refusal({"devices": [], "python_threads": [], "native_threads": 3}) == ""


def test_a_log_is_bounded(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "log", size_bytes=100)
    for at in range(50):
        log.write(b"line %04d\n" % at)
    log.close()

    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) <= 100
    assert (tmp_path / "log").read_bytes().endswith(b"line 0049\n")


class OneProcess(WorkerLauncher):
    """Hands out the front's end of a connection whose other end a test speaks on."""

    def __init__(self, own: PoolSettings, connection: socket.socket) -> None:
        self._own, self._connection = own, connection

    def launch(self) -> Started:
        """A process that has nothing to do with the connection."""
        return Started(subprocess.Popen(["sleep", "60"]), self._connection)


@pytest.mark.parametrize("head", [{}, {"code": "x"}, {"code": None}])
@pytest.mark.asyncio
async def test_news_of_a_child_that_cannot_be_read_ends_the_connection(
    head: dict[str, object], tmp_path: Path
) -> None:
    write_manifest(tmp_path, "runtimes: {}")
    ours, theirs = socket.socketpair()
    source = ProcessSource(settings(tmp_path), OneProcess(settings(tmp_path), ours))
    with theirs:
        theirs.sendall(encode(FrameType.EXITED, 1, head).data)
        with pytest.raises(LoadFailed, match="the process that loads the model"):
            await source.spawn()
    await source.stop()
