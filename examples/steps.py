"""Prints what an example does, step by step, with the time each step took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_started = time.perf_counter()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Name a step before it runs, and print its seconds when it is done."""
    print(f"→ {title} …", flush=True)
    began = time.perf_counter()
    yield
    print(f"✓ {title}: {time.perf_counter() - began:.2f} s", flush=True)


def same(what: str, expected: object, found: object, *, tolerance: float = 1e-5) -> None:
    """Compare two sequences of numbers; end the program when they differ."""
    left, right = [float(x) for x in expected], [float(x) for x in found]  # type: ignore[attr-defined]
    worst = max((abs(a - b) for a, b in zip(left, right, strict=False)), default=0.0)
    if len(left) != len(right) or worst > tolerance:
        sys.exit(f"✗ {what}: {len(left)} and {len(right)} values, largest difference {worst}")
    print(f"  {what}: {len(left)} values, largest difference {worst:.2e}", flush=True)


def finish(title: str) -> None:
    """Print the total time."""
    print(f"{title}: everything agreed, {time.perf_counter() - _started:.1f} s in all", flush=True)
