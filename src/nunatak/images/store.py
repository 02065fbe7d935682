"""Images on disk: a manifest after the OCI's pattern, kept under its own digest.

An image names what an instance consists of: the locked environment, the model version and the
inference server. Its parts lie where they are (environments in ``environments/``, versions in
``models/``); the image holds their digests, so equal parts give the same image.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nunatak
from nunatak.images.building.environment import Environment
from nunatak.images.building.lock import Lock, digest_of
from nunatak.images.requirements.declared import TargetPlatform
from nunatak.version import installed_version

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.nunatak.model.config.v1+json"
_LOCK_TYPE = "application/vnd.nunatak.model.lock.v1+text"
_ENVIRONMENT_TYPE = "application/vnd.nunatak.model.environment.v1"
_VERSION_TYPE = "application/vnd.nunatak.model.version.v1"
SERVER_PACKAGES = ("inference", "worker", "egress", "transport")
"""The packages whose code the inference server is made of."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image; `environment` and `python` belong to its model's own environment."""

    digest: str
    environment: Path
    python: Path
    lock_digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that go into an image."""

    lock: Lock
    environment: Environment
    model_digest: str
    target: TargetPlatform
    inference_version: str


@dataclass(frozen=True, slots=True)
class ImageNeeds:
    """The needs of a stored image: the digest of its environment, and the inference server that it
    was made for."""

    environment: str
    inference_version: str


class ImageStore:
    """Images in folders named by their digests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, parts: Parts) -> Image | None:
        """The stored image of these parts."""
        digest = hashlib.sha256(_manifest(parts)).hexdigest()
        if not (self.folder / digest / "manifest.json").is_file():
            return None
        os.utime(self.folder / digest)
        return _image(digest, parts.environment)

    def put(self, parts: Parts) -> Image:
        """Store the image of these parts, or find it there."""
        manifest = _manifest(parts)
        digest = hashlib.sha256(manifest).hexdigest()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=self.folder))
        try:
            (work / "manifest.json").write_bytes(manifest)
            (work / "config.json").write_bytes(_config(parts))
            (work / "lock.txt").write_text(parts.lock.text, "utf-8")
            work.rename(self.folder / digest)
        except OSError:
            if not (self.folder / digest / "manifest.json").is_file():
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return _image(digest, parts.environment)

    def needs(self, digest: str) -> ImageNeeds | None:
        """Needs of the image `digest`; None when it is not stored, or not readable."""
        folder = self.folder / digest
        try:
            config = json.loads((folder / "config.json").read_text("utf-8"))
            return ImageNeeds(_environment_of(folder / "manifest.json"), config["inferenceServer"])
        except (OSError, ValueError, KeyError, IndexError):
            return None

    def environments(self) -> Iterator[tuple[str, str]]:
        """Digest of every stored image, and of the environment that it needs."""
        for path in sorted(self.folder.glob("*/manifest.json")):
            try:
                yield path.parent.name, _environment_of(path)
            except (OSError, ValueError, KeyError, IndexError):
                yield path.parent.name, ""

    def remove(self, digest: str) -> None:
        """Remove the image `digest`."""
        shutil.rmtree(self.folder / digest, ignore_errors=True)


def _environment_of(manifest: Path) -> str:
    layers = json.loads(manifest.read_text("utf-8"))["layers"]
    needed = [item for item in layers if item["mediaType"] == _ENVIRONMENT_TYPE]
    return str(needed[0]["digest"]).removeprefix("sha256:")


def _image(digest: str, environment: Environment) -> Image:
    return Image(
        digest, environment.path, environment.python, environment.digest, environment.size_bytes
    )


def _config(parts: Parts) -> bytes:
    document = {
        "target": parts.target.value,
        "python": parts.lock.python,
        "platform": parts.lock.platform,
        "inferenceServer": parts.inference_version,
        "model": f"sha256:{parts.model_digest}",
        "packages": list(parts.lock.packages),
    }
    return json.dumps(document, sort_keys=True, indent=1).encode()


def _manifest(parts: Parts) -> bytes:
    lock, config = parts.lock.text.encode(), _config(parts)
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "artifactType": "application/vnd.nunatak.model.image.v1",
        "config": _descriptor(_CONFIG_TYPE, hashlib.sha256(config).hexdigest(), len(config)),
        "layers": [
            _descriptor(_LOCK_TYPE, hashlib.sha256(lock).hexdigest(), len(lock)),
            _descriptor(_ENVIRONMENT_TYPE, parts.environment.digest, parts.environment.size_bytes),
            _descriptor(_VERSION_TYPE, parts.model_digest, 0),
        ],
    }
    return json.dumps(document, sort_keys=True, indent=1).encode()


def _descriptor(media_type: str, digest: str, size_bytes: int) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size_bytes}


def tree_digest(root: Path) -> str:
    """SHA-256 over the names and contents of all files in `root`; links count by their target."""
    entries = []
    for path in sorted(item for item in root.rglob("*") if item.is_symlink() or item.is_file()):
        if path.is_symlink():
            content = f"link:{path.readlink()}"
        else:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        entries.append([path.relative_to(root).as_posix(), content])
    return digest_of(entries)


def inference_version() -> str:
    """Version of the inference server: changes with its code, and images are built anew then."""
    home = Path(nunatak.__file__).parent
    parts = [
        [f"{package}/{path.relative_to(home / package).as_posix()}", path.read_text("utf-8")]
        for package in SERVER_PACKAGES
        for path in sorted((home / package).rglob("*.py"))
    ]
    return f"{installed_version()}+{digest_of(parts)[:12]}"
