"""The rooms that statements act on, gathered once at start and handed to every handler."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.catalog.store import Catalog
from nunatak.config import Settings


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """One facade of each lower room."""

    settings: Settings
    catalog: Catalog
