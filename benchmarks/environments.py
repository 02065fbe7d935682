"""The environments that measurements need, made once under ``.envs/`` with uv."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from nunatak.images.building.indexes import from_machine
from nunatak.images.building.uv import find_uv

ROOT = Path(__file__).resolve().parent.parent
ENVS = ROOT / ".envs"

PLAIN = ("fastapi", "uvicorn", "uvloop", "httptools", "numpy", "xgboost", "scikit-learn")
CEILING = ("uvicorn", "uvloop", "httptools", "numpy", "xgboost", "scikit-learn", "orjson")
MODEL = ("snowflake-ml-python", "xgboost", "scikit-learn", "pandas", "pyarrow")


def environment(name: str, packages: tuple[str, ...]) -> Path:
    """The interpreter of an environment with these packages; made when it is not there yet."""
    return _made(name, "\n".join(packages), packages)


def locked_environment(name: str, requirements: Path) -> Path:
    """The interpreter of an environment with just what a requirements file pins; likewise."""
    return _made(name, requirements.read_text(), ("--requirements", str(requirements)))


def _made(name: str, content: str, what: tuple[str, ...]) -> Path:
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    folder = ENVS / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making {folder.relative_to(ROOT)} …", file=sys.stderr, flush=True)
        uv = str(find_uv())
        indexes = {"UV_INDEX_STRATEGY": "unsafe-best-match", **from_machine().environment()}
        environ = os.environ | indexes
        shutil.rmtree(folder, ignore_errors=True)
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "install", "--quiet", "--python", str(python), *what]
        subprocess.run(make, check=True, env=environ)
        subprocess.run(install, check=True, env=environ)
        (folder / "complete").touch()
    return python
