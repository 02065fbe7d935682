"""Records of the permanent stages and file formats. Those of a stage go with its files, so that
`Stages` drops them."""

from __future__ import annotations

from nunatak.catalog.objects import KindRecords
from nunatak.catalog.store import Catalog
from nunatak.stages.folders import STAGE
from nunatak.stages.service import FILE_FORMAT


class StageRecords(KindRecords):
    """The permanent stages."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog, STAGE)


class FileFormatRecords(KindRecords):
    """The permanent file formats."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog, FILE_FORMAT)
