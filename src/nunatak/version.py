"""The version of the installed package; the tags of the repository say it when it is built."""

from __future__ import annotations

from functools import cache
from importlib import metadata

UNKNOWN = "0+unknown"
"""Of a source tree that runs without having been installed."""


@cache
def installed_version() -> str:
    """The version, as the package's metadata tell it."""
    try:
        return metadata.version("nunatak")
    except metadata.PackageNotFoundError:
        return UNKNOWN
