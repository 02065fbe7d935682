"""``python -m nunatak.inference --config instance.json``: one instance's front process."""

import argparse
import asyncio
import ctypes
import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from nunatak.inference.config import InstanceConfig, load
from nunatak.inference.egress import WayOut
from nunatak.inference.errors import ConfigError
from nunatak.inference.logs import log_to
from nunatak.inference.server import serve
from nunatak.inference.supervisor import ProcessPool

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM; 0 after an orderly end, 2 when the configuration cannot be used."""
    parser = argparse.ArgumentParser(prog="nunatak.inference", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the instance.json to serve")
    options = parser.parse_args(arguments)
    try:
        config = load(options.config)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    config.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_to(config.directory / "front.log", config.log_level)
    if config.die_with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    uvloop.run(_run(config))
    logging.shutdown()
    return 0


async def _run(config: InstanceConfig) -> None:
    if config.egress is None:
        await serve(config, ProcessPool(config.pool))
        return
    with WayOut(config.egress) as way:
        environment = {**(config.pool.env or {}), **way.variables}
        pool = ProcessPool(replace(config.pool, env=environment))
        watching = asyncio.create_task(way.watch(pool.tell), name="egress")
        try:
            await serve(config, pool)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
