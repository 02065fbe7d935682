"""Records of the permanent stages and file formats."""

from __future__ import annotations

from collections.abc import Sequence

from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.stages.folders import STAGE
from nunatak.stages.service import FILE_FORMAT


class StageRecords:
    """The permanent stages. Safe to use from many threads."""

    kind = STAGE

    def __init__(self, catalog: Catalog) -> None:
        self._objects = Objects(catalog)

    def get(self, key: Key) -> Record:
        """A record; raises ObjectNotFound."""
        return self._objects.get(key)

    def listed(self, *, database: str | None = None, schema: str | None = None) -> Sequence[Record]:
        """The records in a place, by name."""
        return self._objects.listed(self.kind, database=database, schema=schema)


class FileFormatRecords(StageRecords):
    """The permanent file formats."""

    kind = FILE_FORMAT
