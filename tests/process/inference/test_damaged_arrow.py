"""No Arrow stream, however damaged, ends the process that reads it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.fuzz]

ROOT = Path(__file__).parents[3]
READER = ROOT / "tests" / "support" / "arrow_fuzz.py"


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_streams_are_read_or_refused(seed: int) -> None:
    environ = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"}
    command = [sys.executable, str(READER), str(seed), "5000"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=240)
    assert done.returncode == 0, f"seed {seed}: ended with {done.returncode}\n{done.stderr[-3000:]}"
    read, refused = map(int, done.stdout.split())
    assert read > 100
    assert refused > 1000
