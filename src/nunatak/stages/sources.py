"""Files that clients fetch and store over HTTP, addressed by keys.

The statement handlers of PUT and GET answer a `Transfer` with keys: `<source>/<anything>`, where
`<source>` names a `FileSource` that was handed to the protocol room (`stages`, `models`). That room
signs the keys into addresses, and asks the source for the file when the client comes for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class FileSource(Protocol):
    """The files of one room. Keys come without the source's name. Called from worker threads."""

    def open_path(self, key: str) -> Path:
        """The file to send; raises ObjectNotFound."""

    def place(self, key: str) -> Path:
        """Where an uploaded file belongs; its folder is made when it is not there. Raises
        ObjectNotFound, or InvalidArgument where nothing may be stored."""

    def stored(self, key: str, *, size_bytes: int, md5: str) -> None:
        """An uploaded file has reached its place; `md5` is in hexadecimal."""
