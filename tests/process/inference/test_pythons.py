"""A worker runs on every Python that is supported, as far as it is on this machine, with nothing
installed: it loads, forks, prints, and says what the model lacks."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.errors import ModelError

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SUPPORTED = range(9, 15)
_FUNCTION = """
from _snowflake import vectorized

print("loaded")


@vectorized(input=list, max_batch_size=None)
def infer(frame):
    return frame
"""


def interpreters() -> dict[str, str]:
    """The supported Pythons of this machine, by version: on the path, or where pyenv has them."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {f"3.{sys.version_info.minor}": sys.executable}
    for minor in SUPPORTED:
        on_path = shutil.which(f"python3.{minor}")
        places = [str(place) for place in versions.glob(f"3.{minor}.*/bin/python3")]
        for place in [on_path, *places] if on_path else places:
            done = subprocess.run([place, "-c", "pass"], capture_output=True)
            if done.returncode == 0:
                found.setdefault(f"3.{minor}", place)
    return found


PYTHONS = interpreters()


@pytest.mark.parametrize("version", PYTHONS)
async def test_a_bare_python_hosts_a_model(version: str, tmp_path: Path, run_pool: Any) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "predict.py").write_text(_FUNCTION)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.yaml").write_text("signatures: {}\n")
    (tmp_path / "MANIFEST.yml").write_text("manifest_version: '1.0'\nruntimes: {}\nmethods: []\n")
    method = {
        "name": "PREDICT",
        "handler": "functions.predict.infer",
        "kind": "FUNCTION",
        "inputs": [{"name": "X", "type": "DOUBLE"}],
        "outputs": [{"name": "Y", "type": "DOUBLE"}],
    }
    python = (PYTHONS[version], "-S")  # without site-packages: the interpreter alone
    async with run_pool(tmp_path, python=python, methods=(method,), num_workers=1) as pool:
        batch = Columns((Column("X", ColumnKind.FLOAT64, np.zeros(2)),), 2)
        deadline = asyncio.get_running_loop().time() + 60
        with pytest.raises(ModelError, match="numpy"):
            await pool.predict("PREDICT", batch, deadline=deadline, request_id="r")
