"""Environments as image builders make them, for tests that want no image."""

from __future__ import annotations

import threading

from nunatak.egress.policy import EgressPolicy
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.building.environment import Environment
from nunatak.images.image import ImageBuilder
from nunatak.images.requirements.declared import Declared


def make_environment(
    builder: ImageBuilder,
    declared: Declared,
    log: BuildLog,
    *,
    cancel: threading.Event | None = None,
    egress: EgressPolicy | None = None,
    force: bool = False,
) -> Environment:
    """The environment for what is declared, found or built; raises as `ImageBuilder.build`."""
    job = builder._job(declared, log, cancel or threading.Event(), egress)
    return builder._environment(job, force=force)[1]
