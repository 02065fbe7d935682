"""Files of model versions for clients that fetch and store them over HTTP."""

from __future__ import annotations

from pathlib import Path

from nunatak.catalog.names import QualifiedName
from nunatak.models.registry import Models
from nunatak.models.snowfiles import SCHEME, ModelFiles, SnowAddress, parse_address


class ModelFileSource:
    """`nunatak.warehouse.files.FileSource` for keys `<db>.<schema>.<model>/versions/<v>/<path>`."""

    def __init__(self, models: Models) -> None:
        self._files = ModelFiles(models)

    def open_path(self, key: str) -> Path:
        """The file to send; raises ObjectNotFound."""
        return self._files.open(_address(key))

    def take(self, key: str, file: Path) -> None:
        """Copy a received file into a live version; raises ObjectNotFound, InvalidArgument."""
        self._files.write(_address(key), file)


def _address(key: str) -> SnowAddress:
    return parse_address(SCHEME + key, lambda parts: QualifiedName(*parts))
