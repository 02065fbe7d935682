"""Install locked requirements into an environment with uv, from this machine's package indexes.

    python scripts/install.py <environment> <requirements file>

Hashes are required where the file has them. The demo's file has none: which build of PyTorch it
takes (with or without CUDA) is for the machine's configuration to say.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nunatak.images.building.indexes import from_machine
from nunatak.images.building.uv import find_uv


def main(environment: str, requirements: str) -> int:
    """Run `uv pip install`; answers its exit status."""
    has_hashes = "--hash" in Path(requirements).read_text()
    settings = {"UV_INDEX_STRATEGY": "unsafe-best-match", **from_machine().environment()}
    command = [
        str(find_uv()),
        "pip",
        "install",
        "--quiet",
        *(["--require-hashes"] if has_hashes else []),
        "--python",
        f"{environment}/bin/python",
        "--requirements",
        requirements,
    ]
    return subprocess.run(command, env={**os.environ, **settings}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
