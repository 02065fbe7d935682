"""Stages and file formats for the query engine: found, and allowed, in the session's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.names import split_name
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.sql.storage.locations import location_of
from nunatak.sql.storage.stages import FILE_FORMAT, file_object_of
from nunatak.stages.places import StagePlace
from nunatak.warehouse.core.session import Session


class Stages:
    """Answers `nunatak.warehouse.core.hooks.StageResolver` from the catalog."""

    def __init__(self, catalog: Catalog, access: Access, settings: Settings) -> None:
        self._catalog = catalog
        self._access = access
        self._settings = settings

    def place(self, session: Session, location: str, *, write: bool) -> StagePlace:
        """Where a location leads; raises ObjectNotFound, PrivilegeMissing, InvalidArgument."""
        found = location_of(self._catalog, session, location)
        for requirement in found.requirement("WRITE" if write else "READ"):
            self._access.require(requirement, role=session.role)
        return StagePlace(
            folder=found.folder(self._settings),
            path=found.path,
            shown=found.shown,
            file_format=found.file_format,
        )

    def file_format(self, session: Session, name: str) -> Mapping[str, Any]:
        """The options of a named format; raises ObjectNotFound, PrivilegeMissing."""
        parts = split_name(name)
        spec = file_object_of(self._catalog, session, FILE_FORMAT, parts)
        qualified = session.qualify(parts)
        if session.temporary(FILE_FORMAT, qualified) is None:
            title = Key.of(FILE_FORMAT, qualified).title
            self._access.require(Requirement("USAGE", FILE_FORMAT, title), role=session.role)
        return dict(spec["options"])
