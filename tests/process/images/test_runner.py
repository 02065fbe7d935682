"""Programs of a build: their lines, their end, and what they leave."""

from __future__ import annotations

import math
import sys
import threading
import time
from pathlib import Path

import pytest

from nunatak.images.building import runner
from nunatak.images.building.interpreters import available_pythons, find_python, probe
from nunatak.images.building.runner import BuildBounds, run
from nunatak.images.building.uv import default_index, find_uv
from nunatak.images.errors import BuildCancelled, BuildTimedOut, PythonMissing

pytestmark = pytest.mark.process

FOREVER = BuildBounds(threading.Event(), math.inf)


def start(
    code: str, folder: Path, bounds: BuildBounds = FOREVER
) -> tuple[runner.Finished, list[str]]:
    lines: list[str] = []
    command = [sys.executable, "-I", "-S", "-c", code]
    done = run(command, environment={}, directory=folder, bounds=bounds, on_line=lines.append)
    return done, lines


def test_lines_come_from_both_outputs(tmp_path: Path) -> None:
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(3)"
    done, lines = start(code, tmp_path)
    assert done.returncode == 3
    assert lines == list(done.lines) == ["one", "two"]


def test_output_is_bounded(tmp_path: Path) -> None:
    done, lines = start("print('x' * 1_000_000)\nfor n in range(2000): print(n)", tmp_path)
    assert len(done.lines) == runner.KEPT_LINES
    assert max(map(len, lines)) <= runner.LINE_LIMIT_BYTES
    assert done.lines[-1] == "1999"


def test_the_whole_group_ends_on_cancel(tmp_path: Path) -> None:
    cancel = threading.Event()
    marker = tmp_path / "child"
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(marker)!r}, 'w').write(str(child.pid))\n"
        "print('started', flush=True)\n"
        "time.sleep(600)\n"
    )

    def on_line(line: str) -> None:
        cancel.set()

    with pytest.raises(BuildCancelled):
        run(
            [sys.executable, "-c", code],
            environment={},
            directory=tmp_path,
            bounds=BuildBounds(cancel, math.inf),
            on_line=on_line,
        )
    deadline = time.monotonic() + 10
    while _alive(int(marker.read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(int(marker.read_text()))


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_deadline_ends_a_silent_program(tmp_path: Path) -> None:
    bounds = BuildBounds(threading.Event(), time.monotonic() + 0.3)
    with pytest.raises(BuildTimedOut):
        start("import time; time.sleep(600)", tmp_path, bounds)


def test_a_program_that_closed_its_output_is_still_waited_for(tmp_path: Path) -> None:
    code = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(0.3)\nos._exit(5)"
    assert start(code, tmp_path)[0].returncode == 5


def test_interpreters_are_asked_what_they_are(tmp_path: Path) -> None:
    running = ".".join(map(str, sys.version_info[:2]))
    found = find_python(running)
    assert found.series == running
    assert found.platform.startswith(sys.platform)
    assert probe(found.executable) == found
    assert probe(tmp_path / "none") is None
    assert probe(Path("/bin/true")) is None
    assert set(available_pythons((running, "3.99"))) == {running}


def test_a_missing_python_is_named() -> None:
    with pytest.raises(PythonMissing, match=r"Python 3\.99") as caught:
        find_python("3.99", uv=find_uv())
    assert caught.value.version == "3.99"


def test_uv_says_what_its_default_index_is() -> None:
    found = default_index(find_uv())
    assert found is not None
    assert found.startswith("https://")
    assert default_index(Path("/bin/true")) is None
