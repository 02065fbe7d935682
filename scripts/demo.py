"""Start a server with a temporary home, run the examples against it, and stop it.

python scripts/demo.py [xgboost_forecast] [sentence_embeddings] [lifecycle]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nunatak.confinement.bubblewrap import obstacle

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = {"xgboost_forecast": "ml2", "sentence_embeddings": "demo", "lifecycle": "ml2"}
"""Each example and the environment of clients that it runs in."""
DEFAULT = ("xgboost_forecast", "sentence_embeddings")
STOP_TIMEOUT_S = 60.0


@contextmanager
def server(home: Path) -> Iterator[None]:
    """A running server; it is stopped at the end of the block."""
    command = [sys.executable, "-m", "nunatak", "up", "--home", str(home), "--port", "0"]
    if obstacle():
        print(f"{obstacle()}: the demo's own models and packages run unconfined", flush=True)
        command += ["--allow-unconfined"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line.startswith("ready "):
            sys.exit(f"the server did not start: {line or 'see above'}")
        print(line, flush=True)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()


def main(names: list[str]) -> int:
    """Run the named examples, or the default ones; answers the first failure's exit status."""
    hosts = subprocess.run(
        [sys.executable, "-m", "nunatak", "index-hosts"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    with tempfile.TemporaryDirectory(prefix="nunatak-demo-") as folder, server(Path(folder)):
        for name in names or DEFAULT:
            print(f"\n── {name}", flush=True)
            python = ROOT / ".envs" / EXAMPLES[name] / "bin" / "python"
            command = [str(python), f"examples/{name}.py", "--index-hosts", ",".join(hosts)]
            environment = {**os.environ, "SNOWFLAKE_HOME": folder}
            status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
