"""Logs: one place that configures them for every process of the server.

Lines go to standard error, where a supervisor or a person collects them; standard output is kept
for the ready line.
"""

from __future__ import annotations

import logging
import time

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"


def configure_logs(level: str) -> None:
    """Send the logs of `nunatak` at `level` and those of libraries from WARNING up to standard
    error, with times in UTC; raises ValueError for a level that logging does not know."""
    formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("nunatak").setLevel(level.upper())
