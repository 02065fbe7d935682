"""Platforms where a model version can run, from the files it was logged with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nunatak.images.requirements.declared import TargetPlatform, read_declared
from nunatak.images.requirements.platforms import runnable_in
from nunatak.models.ports import Runnable


def where_runnable(folder: Path, target_platforms: Sequence[str] | None) -> Runnable:
    """`nunatak.models.ports.WhereRunnable`: decided by the images room."""
    found = runnable_in(read_declared(folder, TargetPlatform.WAREHOUSE), target_platforms)
    return Runnable(found.targets, found.reasons)
