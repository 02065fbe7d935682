"""``sine``: an hour of load that comes in waves, and how many instances follow it.

On a virtual clock, so it takes no time and is the same on every machine: the very rules by which
a server decides are given what they would see every five seconds.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable

from benchmarks.environments import ROOT
from benchmarks.harness import save, table

sys.path.insert(0, str(ROOT / "tests"))
from support.scaling import WORKERS, Moment, follow

_WAVES_S = {"waves of two minutes": 120, "waves of half an hour": 1800}
_MEAN = 12
"""Requests in flight, on average; crests have twice as many, troughs none."""
_MINUTES, _ROW_S = 60, 150


def main(arguments: list[str]) -> None:
    """Print a table for each kind of wave, and write the figures."""
    argparse.ArgumentParser(prog="benchmarks sine", description=__doc__).parse_args(arguments)
    figures = {}
    for name, length_s in _WAVES_S.items():
        moments = follow(_wave(length_s), minutes=_MINUTES)
        print(f"\n{name}, {WORKERS} workers each:\n{_shown(moments)}")
        changes = sum(a.target != b.target for a, b in itertools.pairwise(moments))
        print(f"the number of instances changed {changes} times in an hour")
        figures[name] = {"changes": changes, "most": max(moment.target for moment in moments)}
    print("\nwritten to", save("sine", figures))


def _wave(length_s: float) -> Callable[[float], float]:
    return lambda now: _MEAN * (1 + math.sin(2 * math.pi * now / length_s))


def _shown(moments: list[Moment]) -> str:
    """Every two and a half minutes: the load since the row before, and what it led to."""
    step = _ROW_S // (moments[1].at - moments[0].at)
    rows = []
    for first in range(0, len(moments), step):
        part = moments[first : first + step]
        load = [moment.in_flight for moment in part]
        last = part[-1]
        rows.append((f"{last.at / 60:.1f}", min(load), max(load), last.ready, last.target))
    return table(("minute", "least load", "most load", "ready", "wanted"), rows)
