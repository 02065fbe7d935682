"""Starting a process in the model's environment: arguments, variables, descriptors."""

import asyncio
import os
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import nunatak
from nunatak.inference.core.errors import LoadFailed
from nunatak.inference.core.pool_settings import PoolSettings

_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
_MAIN = Path(nunatak.__file__).parent / "worker" / "main.py"


def load_head(settings: PoolSettings) -> dict[str, Any]:
    """The head of the LOAD frame: what a process needs to know of the model version."""
    return {
        "model_dir": str(settings.model_dir),
        "imports": manifest_imports(settings.model_dir),
        "threads": settings.threads,
        "methods": [
            {
                "name": method["name"],
                "handler": method["handler"],
                "kind": method.get("kind", "FUNCTION"),
                "inputs": method["inputs"],
                "params": method.get("params", []),
                "outputs": method.get("outputs", []),
            }
            for method in settings.methods
        ],
    }


def manifest_imports(model_dir: Path) -> list[str]:
    """The import paths of all runtimes in ``MANIFEST.yml``, relative to the version's folder.

    Raises LoadFailed if the manifest cannot be read or names a path outside.
    """
    path = model_dir / "MANIFEST.yml"
    try:
        runtimes = yaml.safe_load(path.read_bytes())["runtimes"].values()
        imports = [str(entry) for runtime in runtimes for entry in runtime.get("imports", ())]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise LoadFailed(f"{path.name} of the model version cannot be read: {error}") from error
    for entry in imports:
        if entry.startswith("/") or ".." in Path(entry).parts:
            raise LoadFailed(f"{path.name} imports {entry!r}, which lies outside the version")
    return list(dict.fromkeys(imports))


@dataclass(frozen=True, slots=True)
class Started:
    """A process and our end of its socket; ``asked`` tells that it was sent LOAD as question 1."""

    popen: "subprocess.Popen[bytes]"
    connection: socket.socket
    asked: bool = False


class WorkerLauncher:
    """Starts processes that speak frames. ``first`` is one that runs already."""

    def __init__(
        self, settings: PoolSettings, *, output: int, first: Started | None = None
    ) -> None:
        """``output`` is the descriptor that processes write their output to."""
        self._settings = settings
        self._output = output
        self._first = first
        self._work = settings.directory / "work"
        self._work.mkdir(exist_ok=True)

    def launch(self) -> Started:
        """Start a process. Raises LoadFailed."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        # Set before it can answer, because its number comes with what it sends (see Channel).
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        settings = self._settings
        command = [*settings.sandbox, *settings.python, "-I", "-B"]
        command += [str(_MAIN), str(theirs.fileno())]
        try:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                cwd=self._work,
                env=self._environment(),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise LoadFailed(f"{command[0]} cannot be started: {error}") from error
        finally:
            theirs.close()
        return Started(popen, ours)

    def _environment(self) -> dict[str, str]:
        """Only what is meant for the model: the front's own variables may hold secrets."""
        kept = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
        threads = str(self._settings.threads)
        home = str(self._work)
        # One OpenMP thread until after the fork: a forked child cannot use its parent's team.
        # Its user has no entry of a name, which libraries then look for in the variables.
        name = {"USER": "model", "LOGNAME": "model"}
        fixed = {"HOME": home, "TMPDIR": home, "OMP_NUM_THREADS": "1", **name}
        # Threads that wait by spinning take the processor from the one they wait for.
        waiting = {"OMP_WAIT_POLICY": "PASSIVE"}
        libraries = {"OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        given = {
            key: value for key, value in (self._settings.env or {}).items() if key not in fixed
        }
        return {**kept, **waiting, **libraries, **given, **fixed}


class Process:
    """A started process: known when it ends, killed at most once, always reaped."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self._loop = asyncio.get_running_loop()
        self._descriptor = os.pidfd_open(popen.pid)
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(self._descriptor, self._on_end)

    @property
    def pid(self) -> int:
        """Its number: the sandbox's if there is one."""
        return self._popen.pid

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if not self.ended.done():
            self._popen.kill()

    def _on_end(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self.ended.set_result(self._popen.wait())


class ProcessHandle:
    """A process, held so that a signal can never reach another one of the same number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        try:
            self._descriptor = os.pidfd_open(pid)
        except OSError:
            self._descriptor = -1  # it has ended already
            self.ended.set_result(None)
        else:
            self._loop.add_reader(self._descriptor, self.close)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self._descriptor >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the process, as is done by itself when it has ended."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self.ended.set_result(None)


def describe_exit(code: int) -> str:
    """Ending of a process, in words: ``code`` is its status, or minus the signal."""
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def describe_loss(code: int, *, is_killed: bool) -> str:
    """The end of a worker in words, with what ends processes so; ``is_killed``: we did."""
    if code == -signal.SIGKILL and not is_killed:
        return (
            f"{describe_exit(code)}, as the system does when memory runs out: give it more memory, "
            "or fewer workers"
        )
    return describe_exit(code)
