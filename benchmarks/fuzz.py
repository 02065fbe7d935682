"""``fuzz``: much more random input for the property tests than a test run gives, within a time.

The tests are the ones that are marked so; each round draws other examples, and other damaged Arrow
streams for a process of its own. The first failure ends the campaign, with what repeats it.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.environments import ROOT

_ARROW = ROOT / "tests" / "support" / "arrow_fuzz.py"
_ARROW_STREAMS = 100_000


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Property tests and Arrow streams in turn, for ever."""
    tests = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "fuzz and not process", "tests/unit"]
    tests += ["--hypothesis-profile=campaign", "-o", "timeout=0"]
    while True:
        yield "property tests", tests
        seed = random.randrange(2**32)
        yield "Arrow streams", [sys.executable, str(_ARROW), str(seed), str(_ARROW_STREAMS)]


def main(arguments: list[str]) -> None:
    """``python -m benchmarks fuzz``: exits with the first failure, or when time is over."""
    parser = argparse.ArgumentParser(prog="benchmarks fuzz")
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args(arguments)
    until = time.monotonic() + options.seconds
    rounds = 0
    for name, command in _commands():
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        print(f"{name}, {left_s:.0f} s left …", flush=True)
        environ = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"}
        try:
            done = subprocess.run(command, cwd=ROOT, env=environ, timeout=left_s, check=False)
        except subprocess.TimeoutExpired:
            break
        if done.returncode:
            raise SystemExit(f"{name} failed: {' '.join(command)}")
        rounds += 1
    print(f"time is over: no failure in {rounds} whole rounds and a part of one")
