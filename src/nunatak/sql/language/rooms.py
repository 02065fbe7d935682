"""The rooms that statements act on, gathered once at start and handed to every handler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nunatak.access.service import Access
from nunatak.catalog.store import Catalog
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine
from nunatak.config import Settings
from nunatak.disk import Disk
from nunatak.models.registry import Models
from nunatak.objects.account import AccountObjects
from nunatak.services.calling.addresses import Addresses
from nunatak.services.calling.routes import Routes
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.control import ControlPlane
from nunatak.services.watching.monitor import Monitor
from nunatak.stages.service import Stages
from nunatak.warehouse.warehouse import Warehouse


class QueryControl(Protocol):
    """The statements that run now."""

    def cancel(self, query_id: str, *, user: str) -> bool:
        """Stop one of the user's statements; whether it was running."""

    def cancel_session(self, session_id: int, *, spare: str = "") -> int:
        """Stop every statement of a session but `spare`; answers how many were running."""


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """The facades of the lower packages."""

    settings: Settings
    disk: Disk
    catalog: Catalog
    access: Access
    stages: Stages
    objects: AccountObjects
    models: Models
    warehouse: Warehouse
    queries: QueryControl
    control: ControlPlane
    services: ServiceCommands
    monitor: Monitor
    routes: Routes
    addresses: Addresses
    families: Families
    machine: Machine
