"""Files of model versions behind `snow://` addresses.

    snow://model/<db>.<schema>.<model>/versions/<version or alias>/<path>

The model's name is written as in SQL, quoted where it must be; the version as it is stored, or as
in SQL. Names of listed files begin with `versions/`, as they were asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nunatak.catalog.names import QualifiedName, parse_identifier, split_name
from nunatak.errors import InvalidArgument, ObjectNotFound
from nunatak.models.files import FileEntry
from nunatak.models.registry import Models
from nunatak.models.versions import Model, ModelVersion

SCHEME = "snow://model/"
_ADDRESS = re.compile(
    r"snow://model/(?P<model>(?:\"(?:[^\"]|\"\")+\"|[^/\"])+)"
    r"(?:/(?P<versions>versions)(?:/(?P<version>\"(?:[^\"]|\"\")+\"|[^/]*))?(?:/(?P<path>.*))?)?/?\Z",
    re.DOTALL,
)

Qualify = Callable[[tuple[str, ...]], QualifiedName]


@dataclass(frozen=True, slots=True)
class SnowAddress:
    """A parsed address. `version` is as written, empty when the address stops before it; `path`
    is relative to the version, empty for all of it."""

    model: QualifiedName
    version: str
    path: str


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One row of LIST; `modified_on` in seconds since the epoch."""

    name: str
    size_bytes: int
    md5: str
    modified_on: float
    file: Path


def parse_address(text: str, qualify: Qualify) -> SnowAddress:
    """Read an address; `qualify` completes the model's name. Raises InvalidArgument."""
    found = _ADDRESS.match(text)
    if found is None:
        raise InvalidArgument(
            f"'{text}' is no address of model files: write "
            "snow://model/<db>.<schema>.<model>/versions/<version>/<path>."
        )
    path = (found["path"] or "").strip("/")
    if ".." in PurePosixPath(path).parts:
        raise InvalidArgument(f"'{text}' leads out of the model version.")
    return SnowAddress(qualify(split_name(found["model"])), found["version"] or "", path)


class ModelFiles:
    """LIST, GET and PUT of files of model versions."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def listing(self, address: SnowAddress) -> list[ListedFile]:
        """The files at or below an address, by name.

        A path means itself or everything below it. Raises ObjectNotFound for an unknown model or
        version.
        """
        model = self.models.get(address.model)
        if not address.version:
            return [
                row
                for version in model.versions
                for row in self._rows(version, version.name, address.path)
            ]
        return self._rows(_version(model, address.version), address.version, address.path)

    def open(self, address: SnowAddress) -> Path:
        """One file, to be read only; raises ObjectNotFound."""
        return self.entry(address).file

    def entry(self, address: SnowAddress) -> ListedFile:
        """The row of exactly one file; raises ObjectNotFound."""
        if address.version and address.path:
            version = _version(self.models.get(address.model), address.version)
            for row in self._rows(version, address.version, address.path):
                if row.name == f"versions/{address.version}/{address.path}":
                    return row
        raise ObjectNotFound(
            "File", f"versions/{address.version}/{address.path}", hint="LIST shows what is there."
        )

    def write(self, address: SnowAddress, file: Path) -> FileEntry:
        """Put one complete file into a live version.

        The file at `file` is copied and may be removed afterwards. Raises ObjectNotFound,
        InvalidArgument when the version is not live or no path is given.
        """
        if not address.version or not address.path:
            raise InvalidArgument("Files can be put into a version only: name version and path.")
        version = _version(self.models.get(address.model), address.version)
        return self.models.put_file(version, address.path, file)

    def _rows(self, version: ModelVersion, shown: str, path: str) -> list[ListedFile]:
        folder = self.models.folder(version)
        return [
            ListedFile(
                name=f"versions/{shown}/{item.path}",
                size_bytes=item.size_bytes,
                md5=item.md5,
                modified_on=item.modified_on,
                file=folder / item.path,
            )
            for item in self.models.files(version)
            if not path or item.path == path or item.path.startswith(f"{path}/")
        ]


def _version(model: Model, written: str) -> ModelVersion:
    """Clients write a version's stored name here; people write it as in SQL."""
    found = model.find(written)
    if found is None and '"' not in written:
        found = model.find(written.upper())
    return found or model.get(parse_identifier(written) if '"' in written else written)
