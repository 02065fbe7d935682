"""The front's own log: bounded, rotated, one line a record."""

import logging
import logging.handlers
import time
from pathlib import Path

_MOST_BYTES = 5 * 1024 * 1024
_FILES = 2


def log_to(path: Path, level: str) -> logging.handlers.RotatingFileHandler:
    """Send all records of this process to a file, which is turned over at 5 MiB, twice."""
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=_MOST_BYTES, backupCount=_FILES, encoding="utf-8"
    )
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    return handler
