"""Run a load against a server, several times; medians; a table and a file."""

import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.load import Load
from benchmarks.servers import Running

Figures = dict[str, Any]


def run_load(server: Running, load: Load) -> Figures:
    """One run in a process of its own, with the server's processor time for each answer."""
    before = server.cpu_s()
    tool = Path(__file__).with_name("load.py")
    command = [sys.executable, str(tool), json.dumps(asdict(load))]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=load.seconds + 60
    )
    figures: Figures = json.loads(done.stdout)
    share = load.seconds / (load.seconds + load.warm_up_s)
    answers = max(1, sum(figures["statuses"].values()))
    figures["cpu_us"] = 1e6 * (server.cpu_s() - before) * share / answers
    return figures


def median(runs: Sequence[Figures]) -> Figures:
    """Each number's median over the runs; what is no number comes from the last run."""
    return {
        key: statistics.median(run[key] for run in runs)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else value
        for key, value in runs[-1].items()
    }


def median_of(rounds: Sequence[dict[str, float]], name: str, base: str | None = None) -> float:
    """The median of what rounds measured, or of its ratios to what they measured of ``base``: the
    two were measured close together, so that a slow spell of the machine is in both."""
    return statistics.median(
        found[name] if base is None else found[name] / max(found[base], 1e-9) for found in rounds
    )


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns of text, numbers to three digits."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
             for row in cells]  # fmt: skip
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def save(name: str, figures: Any) -> Path:
    """Write figures, with the machine they come from, to ``results/``."""
    folder = ROOT / "results"
    folder.mkdir(exist_ok=True)
    moment = datetime.now(UTC)
    path = folder / f"{name}-{moment:%Y%m%dT%H%M%S}.json"
    machine = {"system": platform.platform(), "python": platform.python_version()}
    document = {"moment": moment.isoformat(), "machine": machine, "figures": figures}
    path.write_text(json.dumps(document, indent=1))
    return path
