"""How much memory can be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.compute.nodes import free_memory_bytes


@pytest.mark.parametrize(
    ("limit", "used", "reclaimable", "free"),
    [
        (None, None, None, 4096),
        ("max", "2000", "0", 4096),
        ("3000", "2000", "500", 1500),
        ("3000", "3500", "0", 0),
        ("9000", "1000", "0", 4096),
    ],
)
def test_the_least_of_machine_and_control_group_counts(
    tmp_path: Path, limit: str | None, used: str | None, reclaimable: str | None, free: int
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  16 kB\nMemAvailable:  4 kB\nHugePages_Total:  0\n")
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text(f"anon 7\ninactive_file {reclaimable}\n")

    assert free_memory_bytes(meminfo=meminfo, group=tmp_path) == free


def test_a_machine_that_tells_nothing_has_nothing_free(tmp_path: Path) -> None:
    assert free_memory_bytes(meminfo=tmp_path / "missing", group=tmp_path) == 0
