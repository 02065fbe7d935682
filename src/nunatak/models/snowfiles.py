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
from nunatak.models.contents.yaml_documents import is_inside
from nunatak.models.registry import Models
from nunatak.models.versions import Model, ModelVersion

SCHEME = "snow://model/"
_ADDRESS = re.compile(
    r"snow://model/(?P<model>(?:\"(?:[^\"]|\"\")++\"|[^/\"])++)"
    r"(?:/(?P<versions>versions)(?:/(?P<version>\"(?:[^\"]|\"\")++\"|[^/]*))?(?:/(?P<path>.*))?)?/?\Z",
    re.DOTALL,
)

_VERSION_ID = re.compile(r"[0-9a-f]{32}\Z")

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
    """A row of LIST; `modified_on` in seconds since the epoch."""

    name: str
    size_bytes: int
    md5: str
    modified_on: float
    key: str
    """What a transfer calls the file."""


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
    """LIST, GET and PUT of files of model versions.

    Statements use addresses. Transfers use keys, `<version id>/<path>`: what was listed stays
    what it was, even when the version is renamed before the client comes for it.
    """

    def __init__(self, models: Models) -> None:
        self.models = models

    def listing(self, address: SnowAddress) -> list[ListedFile]:
        """The files at or below an address, by name.

        A path means itself or everything below it. Raises ObjectNotFound for an unknown model or
        version.
        """
        model = self.models.get(address.model)
        if not address.version:
            return [row for item in model.versions for row in self._rows(item, item.name, "")]
        return self._rows(_version(model, address.version), address.version, address.path)

    def upload_prefix(self, address: SnowAddress) -> str:
        """The key, ending in `/`, below which a PUT to an address stores its files.

        Raises ObjectNotFound, InvalidArgument when the version is not live.
        """
        if not address.version:
            raise InvalidArgument("Files can be put into a version only: name the version.")
        version = _version(self.models.get(address.model), address.version)
        if not version.is_live:
            raise InvalidArgument(
                f"Version '{version.name}' of model {address.model} is committed: its files "
                "cannot change. Add a new version."
            )
        return f"{version.id}/{address.path}/" if address.path else f"{version.id}/"

    def open_path(self, key: str) -> Path:
        """The file of a key, to be read only; raises ObjectNotFound."""
        version_id, path = _split_key(key)
        file = self.models.folders.path(version_id) / path
        if self.models.version_by_id(version_id) is None or not file.is_file():
            raise ObjectNotFound("File", path, hint="LIST shows what is there.")
        return file

    def place(self, key: str) -> Path:
        """Place where an upload is written; raises ObjectNotFound, InvalidArgument if not live."""
        version_id, path = _split_key(key)
        return self.models.live.upload_path(self._by_id(version_id), path)

    def stored(self, key: str, *, size_bytes: int, md5: str) -> None:
        """The upload is complete: move it into the version. Raises as `place`."""
        del size_bytes, md5  # measured again when the version is committed
        version_id, path = _split_key(key)
        version = self._by_id(version_id)
        self.models.live.put_file(version, path, self.models.live.upload_path(version, path))

    def _by_id(self, version_id: str) -> ModelVersion:
        found = self.models.version_by_id(version_id)
        if found is None:
            raise ObjectNotFound("Version", version_id)
        return found[1]

    def _rows(self, version: ModelVersion, shown: str, path: str) -> list[ListedFile]:
        return [
            ListedFile(
                name=f"versions/{shown}/{item.path}",
                size_bytes=item.size_bytes,
                md5=item.md5,
                modified_on=item.modified_on,
                key=f"{version.id}/{item.path}",
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


def _split_key(key: str) -> tuple[str, str]:
    version_id, _, path = key.partition("/")
    if not _VERSION_ID.match(version_id) or not is_inside(path):
        raise ObjectNotFound("File", key)
    return version_id, path
