"""The one place that knows the uv program: its command lines, variables and default index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nunatak.images.building.indexes import Indexes
from nunatak.images.errors import ToolMissing

_HELP_TIMEOUT_S = 30.0
_TEST_FOLDERS = r"/site-packages/(.*/)?tests?/"
_DEFAULT_INDEX = re.compile(r"--default-index[^\n]*\n?.*?by\s+default:\s*<(https?://[^>]+)>", re.S)


@dataclass(frozen=True, slots=True)
class Uv:
    """uv at `program`; `cache` should lie on the file system of the environments."""

    program: Path
    cache: Path

    def environment(self, indexes: Indexes, *, scratch: Path, path: str) -> dict[str, str]:
        """Variables for one run: nothing of the server's own environment is handed on."""
        return {
            "PATH": path,
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "UV_CACHE_DIR": str(self.cache),
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_INDEX_STRATEGY": "unsafe-best-match",
            "UV_HTTP_TIMEOUT": "120",
            "UV_LINK_MODE": "hardlink",
            **indexes.environment(),
        }

    def compile(
        self, inputs: tuple[Path, ...], output: Path, *, python: Path, build: bool
    ) -> list[str]:
        """Resolve `inputs` into a lock with hashes; `build` allows source distributions."""
        command = [str(self.program), "pip", "compile", "--python", str(python), "--no-header"]
        command += ["--generate-hashes", "--no-annotate", "--quiet", "--output-file", str(output)]
        command += [] if build else ["--no-build"]
        return [*command, *map(str, inputs)]

    def venv(self, folder: Path, *, python: Path) -> list[str]:
        """Make an empty environment that may be moved."""
        command = [str(self.program), "venv", "--relocatable", "--no-project"]
        return [*command, "--python", str(python), str(folder)]

    def sync(self, lock: Path, *, python: Path, build: bool) -> list[str]:
        """Install exactly `lock` into the environment of `python`, checking hashes."""
        command = [str(self.program), "pip", "sync", "--require-hashes", "--strict"]
        command += ["--python", str(python), "--allow-empty-requirements"]
        return [*command, *([] if build else ["--no-build"]), str(lock)]


def compile_bytecode(
    python: Path, packages: Path, *, installed_as: Path, parallel: bool
) -> list[str]:
    """Compile `packages` for `python`, whose paths are to read as if they lay in `installed_as`.

    The base interpreter does it without looking at the packages' start-up files, so that nothing
    of them runs. Test folders are left out: they are half of all files and nobody imports them.
    """
    command = [str(python), "-I", "-S", "-m", "compileall", "-q", "-x", _TEST_FOLDERS]
    # handing files to other processes costs more than it gains when few are to be compiled
    command += ["-j", "0"] if parallel else []
    return [*command, "-s", str(packages), "-p", str(installed_as), str(packages)]


def find_uv() -> Path:
    """The uv program: that of the installed package, else on PATH; raises ToolMissing."""
    try:
        from uv import find_uv_bin
    except ImportError:
        found = shutil.which("uv")
    else:
        found = find_uv_bin()
    if found is None:
        raise ToolMissing("The program uv is not installed: 'pip install uv', then build again.")
    return Path(found).resolve()


def default_cache(home: Path, variables: Mapping[str, str] | None = None) -> Path:
    """The user's uv cache when it shares a file system with `home`, else one in `home`.

    Files are linked, not copied, from the cache into environments, which needs one file system.
    """
    values = os.environ if variables is None else variables
    chosen = values.get("UV_CACHE_DIR")
    base = values.get("XDG_CACHE_HOME") or Path(values.get("HOME") or home) / ".cache"
    user = Path(chosen) if chosen else Path(base) / "uv"
    try:
        user.mkdir(parents=True, exist_ok=True)
        if user.stat().st_dev == home.stat().st_dev:
            return user.resolve()
    except OSError:
        pass
    own = home / "cache" / "uv"
    own.mkdir(parents=True, exist_ok=True)
    return own.resolve()


@lru_cache(maxsize=8)
def default_index(program: Path) -> str | None:
    """The index that uv uses when none is configured, as uv's own help states it."""
    command = [str(program), "pip", "compile", "--help"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_HELP_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = _DEFAULT_INDEX.search(done.stdout.decode("utf-8", "replace"))
    return found[1] if found else None
