"""The wheel in an empty environment is all that a server needs, and official clients find it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from nunatak.images.building.indexes import from_machine
from nunatak.images.building.uv import find_uv
from support.server import ROOT, Server, run_script, start_server, stop_server

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.slow]

INSTALL_TIMEOUT_S = 600
INDEXES = {"UV_INDEX_STRATEGY": "unsafe-best-match", **from_machine().environment()}
PINNED = re.compile(r"^([a-z0-9._-]+==[^ ]+) ", re.MULTILINE)


def ran(*command: str | Path, folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run a program in a folder, with nothing of this source tree in its environment."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**environment, **INDEXES, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, with the versions of the lock as bounds for what is installed there."""
    made = tmp_path_factory.mktemp("wheel")
    locked = PINNED.findall((ROOT / "requirements" / "dev.txt").read_text())
    (made / "versions.txt").write_text("\n".join(locked))
    return made


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """The wheel, built from the source archive."""
    uv, python = str(find_uv()), sys.executable
    ran(
        *(uv, "build", "--quiet", "--no-build-isolation", "--python", python),
        *("--out-dir", folder / "dist", ROOT),
        folder=folder,
    )
    assert list((folder / "dist").glob("*.tar.gz"))
    (found,) = (folder / "dist").glob("*.whl")
    return found


def test_the_wheel_holds_every_file_of_the_package_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    source = ROOT / "src"
    wanted = {
        file.relative_to(source).as_posix()
        for file in (source / "nunatak").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    inside = {name for name in names if name.startswith("nunatak/")}
    assert inside == wanted
    assert {"nunatak/worker/main.py", "nunatak/egress/relay.py", "nunatak/py.typed"} <= inside
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_pip_installs_it_into_an_empty_environment(wheel: Path, folder: Path) -> None:
    """Without its dependencies, which uv is quicker to bring in the next test."""
    ran(sys.executable, "-m", "venv", "pip-environment", folder=folder)
    python = folder / "pip-environment" / "bin" / "python"

    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    ran(*pip, "--no-index", "--no-deps", wheel, folder=folder)

    program = (
        "import nunatak.version as here; print(here.__file__); print(here.installed_version())"
    )
    place, version = ran(python, "-c", program, folder=folder).splitlines()
    assert Path(place).is_relative_to(folder)
    assert version == wheel.name.split("-")[1]
    assert python.with_name("nunatak").exists()


def test_a_server_runs_from_it_and_answers_an_official_client(wheel: Path, folder: Path) -> None:
    tools = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    ran(
        *(find_uv(), "tool", "install", "--quiet", "--python", sys.executable),
        *("--constraints", "versions.txt", f"nunatak[cli] @ {wheel.as_uri()}"),
        folder=folder,
        variables=tools,
    )
    program = folder / "bin" / "nunatak"

    running = start_server(folder / "home", program=program)
    try:
        said = ran(program, "sql", "--home", running.home, "-q", "SELECT 1 AS A", folder=folder)
        answered = run_script(running, "connector_basics")
        modules = loaded(running)
    finally:
        stop_server(running)

    assert said == "A\n1\n"
    assert answered["one"] == [1]
    assert modules
    assert not [path for path in modules if path.startswith(f"{ROOT}{os.sep}")]


def loaded(server: Server) -> list[str]:
    """The libraries of the package's environment that a server has loaded, by their paths."""
    try:
        text = Path(f"/proc/{server.process.pid}/maps").read_text()
    except OSError:
        pytest.skip("this system does not show what a process has loaded")
    return sorted({line.split(maxsplit=5)[5] for line in text.splitlines() if ".so" in line})
