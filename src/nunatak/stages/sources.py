"""Files that clients fetch and store over HTTP, addressed by keys.

The statement handlers of PUT and GET answer a `Transfer` with keys: `<source>/<anything>`, where
`<source>` names a `FileSource` that was handed to the protocol room (`stages`, `models`). That room
signs the keys into addresses, and asks the source for the file when the client comes for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from nunatak.config import Settings
from nunatak.errors import ObjectNotFound


class FileSource(Protocol):
    """The files of one room. Keys come without the source's name. Called from worker threads."""

    def open_path(self, key: str) -> Path:
        """The file to send; raises ObjectNotFound."""

    def place(self, key: str) -> Path:
        """Place of an uploaded file; its folder is made when it is not there. Raises
        ObjectNotFound, or InvalidArgument where nothing may be stored."""

    def stored(self, key: str, *, size_bytes: int, md5: str) -> None:
        """An uploaded file has reached its place; `md5` is in hexadecimal."""


class StageFileSource:
    """The files of all stages, for clients that fetch and store them over HTTP. Keys are
    `<stage id>/<path>`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open_path(self, key: str) -> Path:
        """The file to send; raises ObjectNotFound."""
        path = self.place(key)
        if not path.is_file():
            raise ObjectNotFound("File", key.partition("/")[2])
        return path

    def place(self, key: str) -> Path:
        """Place of an uploaded file; raises ObjectNotFound when the stage is gone."""
        stage_id, _, name = key.partition("/")
        root = (self._settings.folder("stages") / stage_id).resolve()
        path = (root / name).resolve()
        if not stage_id or not name or not path.is_relative_to(root):
            raise ObjectNotFound("File", key)
        if not root.is_dir():
            raise ObjectNotFound("Stage", stage_id, hint="It was dropped.")
        return path

    def stored(self, key: str, *, size_bytes: int, md5: str) -> None:
        """Nothing is kept beside the file itself."""
