"""`nunatak doctor`: what this machine can do for the server, what is missing, how to get it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from nunatak.compute.process.parked import parked_instances
from nunatak.compute.process.runtime import ProcessRuntime
from nunatak.images.building.hosts import index_hosts
from nunatak.images.building.indexes import from_machine
from nunatak.images.building.interpreters import available_pythons
from nunatak.images.building.isolation import isolation
from nunatak.images.building.uv import default_index, find_uv
from nunatak.images.errors import ToolMissing

PYTHON_SERIES = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_PROGRAM_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the report; `needed` ones make the command fail when they are missing."""

    name: str
    ok: bool
    detail: str
    needed: bool = False


def examine(home: Path, *, allow_unconfined: bool, output: str) -> int:
    """Print the findings; answers 1 when something needed is missing."""
    findings = list(_findings(home, allow_unconfined=allow_unconfined))
    if output == "json":
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table("", "what", "detail")
        for finding in findings:
            sign = "✓" if finding.ok else "✗" if finding.needed else "-"
            table.add_row(sign, finding.name, finding.detail)
        Console().print(table)
    return int(any(finding.needed and not finding.ok for finding in findings))


def print_index_hosts() -> None:
    """Print one host:port pair on a line."""
    found = index_hosts(from_machine(), default_index=default_index(find_uv()))
    for host in sorted(map(str, found)):
        print(host)


def _findings(home: Path, *, allow_unconfined: bool) -> Iterator[Finding]:
    memory_gib = psutil.virtual_memory().total / 1024**3
    yield Finding("machine", ok=True, detail=f"{os.cpu_count()} CPUs, {memory_gib:.1f} GiB memory")
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free_gib = shutil.disk_usage(existing).free / 1024**3
    yield Finding("disk", ok=free_gib > 5, detail=f"{free_gib:.1f} GiB free for {home}")
    yield _uv()
    yield _pythons()
    indexes = from_machine()
    yield Finding("package indexes", ok=True, detail=indexes.shown() or "uv's default")
    cut_off = isolation(allow_unconfined=allow_unconfined)
    yield Finding("build isolation", cut_off.available, cut_off.detail)
    with tempfile.TemporaryDirectory() as scratch:
        runtime = ProcessRuntime(Path(scratch), allow_unconfined=allow_unconfined)
        for capability in runtime.describe_capabilities():
            yield Finding(capability.name, capability.available, capability.detail)
    yield _parked(home)
    yield _program("podman", ["podman", "--version"], "only for pools that run containers")
    yield _program(
        "NVIDIA GPU",
        ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
        "only for models that ask for a GPU",
    )


def _uv() -> Finding:
    try:
        return Finding("uv", ok=True, detail=str(find_uv()), needed=True)
    except ToolMissing as error:
        return Finding("uv", ok=False, detail=error.message, needed=True)


def _pythons() -> Finding:
    found = available_pythons(PYTHON_SERIES)
    missing = [series for series in PYTHON_SERIES if series not in found]
    detail = f"found {', '.join(found) or 'none'}"
    if missing:
        detail += f"; missing {', '.join(missing)} (for example: uv python install {missing[-1]})"
    return Finding("Python for models", ok=bool(found), detail=detail, needed=True)


def _parked(home: Path) -> Finding:
    """Models of sleeping services that are kept in memory."""
    found = list(parked_instances(home / "instances"))
    held = ", ".join(f"{item.service} {item.memory_bytes / 1e6:.0f} MB" for item in found)
    return Finding("parked instances", ok=True, detail=held or "none")


def _program(name: str, command: list[str], use: str) -> Finding:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROGRAM_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return Finding(name, ok=False, detail=f"not found; {use}")
    return Finding(name, ok=True, detail=done.stdout.strip().replace("\n", "; "))
