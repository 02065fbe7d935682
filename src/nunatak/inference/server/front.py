"""The front process, from its configuration to its end."""

import ctypes
import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from nunatak.inference.core.config import InstanceConfig, load
from nunatak.inference.core.egress import WayOut
from nunatak.inference.core.errors import ConfigError
from nunatak.inference.core.logs import log_to
from nunatak.inference.server.lifecycle import live
from nunatak.inference.workers.preload import Begun
from nunatak.inference.workers.supervisor import ProcessPool

_PR_SET_PDEATHSIG = 1


def run(file: Path, begun: Begun | None) -> int:
    """Run until SIGTERM; 0 after an orderly end, 2 when the configuration cannot be used.

    ``begun`` is the process that loads the model, if it was started already.
    """
    try:
        config = load(file)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        if begun is not None:
            begun.end()
        return 2
    config.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_to(config.directory / "front.log", config.log_level)
    if config.die_with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    uvloop.run(_run(config, file, begun))
    logging.shutdown()
    return 0


async def _run(config: InstanceConfig, file: Path, begun: Begun | None) -> None:
    if config.egress is None:
        await live(config, ProcessPool(config.pool, begun=begun), config_file=file)
        return
    with WayOut(config.egress) as way:
        environment = {**(config.pool.env or {}), **way.variables}
        pool = ProcessPool(replace(config.pool, env=environment))
        await live(config, pool, config_file=file, beside=lambda: way.watch(pool.tell))
