"""Finds Python interpreters on this machine: the running one, pyenv's, those on PATH, uv's."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nunatak.images.errors import PythonMissing

PROBE_TIMEOUT_S = 20.0
_PROBE = (
    "import json,platform,sys;"
    "print(json.dumps([getattr(sys,'_base_executable',sys.executable),sys.base_prefix,"
    "platform.python_version(),sys.implementation.name]))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A base interpreter: `executable` as to be run, `prefix` its installation."""

    executable: Path
    prefix: Path
    version: str
    """Full version, such as ``3.11.7``."""

    @property
    def series(self) -> str:
        """``major.minor``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def platform(self) -> str:
        """Operating system, machine and C library: what binary packages depend on."""
        library = "-".join(filter(None, platform.libc_ver()))
        return "-".join(filter(None, (sys.platform, platform.machine(), library)))


def find_python(series: str, *, uv: Path | None = None) -> Interpreter:
    """The interpreter for `series` (``3.11``), looked up once per process.

    Raises PythonMissing, naming the version and how to get it.
    """
    return _find(series, uv)


@lru_cache(maxsize=64)
def _find(series: str, uv: Path | None) -> Interpreter:
    for candidate in _candidates(series, uv, os.environ):
        found = probe(candidate)
        if found is not None and found.series == series:
            return found
    raise PythonMissing(
        f"The model needs Python {series}, which this machine does not have. Install it (for"
        f" example 'uv python install {series}' or 'pyenv install {series}') and build again.",
        version=series,
    )


def available_pythons(series: tuple[str, ...], *, uv: Path | None = None) -> dict[str, Interpreter]:
    """Those of `series` that this machine has, for `nunatak doctor`."""
    found = {}
    for item in series:
        try:
            found[item] = find_python(item, uv=uv)
        except PythonMissing:
            continue
    return found


def probe(executable: Path) -> Interpreter | None:
    """Ask `executable` what it is; None when it does not run or is no CPython."""
    try:
        done = subprocess.run(
            [str(executable), "-I", "-S", "-c", _PROBE],
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=True,
        )
        base, prefix, version, implementation = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if implementation != "cpython":
        return None
    return Interpreter(Path(base), Path(prefix), version)


def _candidates(series: str, uv: Path | None, variables: Mapping[str, str]) -> Iterator[Path]:
    running = ".".join(map(str, sys.version_info[:2]))
    if running == series:
        yield Path(sys.executable)
    root = Path(variables.get("PYENV_ROOT") or Path(variables.get("HOME") or "/") / ".pyenv")
    yield from _newest_first(root / "versions", f"{series}.")
    on_path = shutil.which(f"python{series}", path=variables.get("PATH"))
    if on_path:
        yield Path(on_path)
    if uv is not None:
        yield from _by_uv(series, uv)


def _newest_first(folder: Path, start: str) -> Iterator[Path]:
    try:
        names = [item.name for item in folder.iterdir() if item.name.startswith(start)]
    except OSError:
        return
    numbered = [name for name in names if name[len(start) :].isdigit()]
    for name in sorted(numbered, key=lambda item: int(item[len(start) :]), reverse=True):
        yield folder / name / "bin" / "python"


def _by_uv(series: str, uv: Path) -> Iterator[Path]:
    command = [str(uv), "python", "find", "--no-config", "--no-python-downloads", series]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return
    yield Path(done.stdout.decode().strip())
