"""The environments that measurements need, made once under ``.envs/`` with uv."""

import hashlib
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVS = ROOT / ".envs"

PLAIN = ("fastapi", "uvicorn", "uvloop", "httptools", "numpy", "xgboost", "scikit-learn")
CEILING = ("uvicorn", "uvloop", "httptools", "numpy", "xgboost", "scikit-learn", "orjson")
MODEL = ("snowflake-ml-python", "xgboost", "scikit-learn", "pandas", "pyarrow")


def environment(name: str, packages: tuple[str, ...]) -> Path:
    """The interpreter of an environment with these packages; made when it is not there yet."""
    digest = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:8]
    folder = ENVS / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        uv = _uv()
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(folder)], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", str(python), *packages], check=True
        )
        (folder / "complete").touch()
    return python


def _uv() -> str:
    found = shutil.which("uv")
    if found is None:
        from uv import find_uv_bin

        found = find_uv_bin()
    return found
