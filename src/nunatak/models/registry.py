"""MODEL objects. The facade of this room."""

from __future__ import annotations

from pathlib import Path

from nunatak.catalog.store import Catalog
from nunatak.models.contents.files import FolderLimits, VersionFolders
from nunatak.models.dropping import ModelDropper
from nunatak.models.editing import ModelEditor
from nunatak.models.live_versions import LiveVersions
from nunatak.models.making import ModelMaker
from nunatak.models.ports import UsageOf, WhereRunnable
from nunatak.models.reader import ModelReader
from nunatak.models.sealing import VersionSealer


class Models(ModelReader):
    """The models of the server, read here and changed by its parts; safe to use from many
    threads."""

    def __init__(
        self,
        catalog: Catalog,
        folder: Path,
        *,
        usage: UsageOf,
        where_runnable: WhereRunnable,
        limits: FolderLimits | None = None,
    ) -> None:
        folders = VersionFolders(folder, limits=limits)
        super().__init__(catalog, folders, usage=usage)
        sealer = VersionSealer(folders, where_runnable)
        self.maker = ModelMaker(catalog, sealer, usage=usage)
        self.live = LiveVersions(catalog, sealer)
        self.editor = ModelEditor(catalog)
        self.dropper = ModelDropper(catalog, folders, usage=usage)
