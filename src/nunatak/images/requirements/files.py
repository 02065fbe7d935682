"""Files of a model version that say what it needs: their structures, read within bounds.

Keys that nobody asks for are ignored: newer clients write more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from nunatak.errors import InvalidArgument, LimitExceeded
from nunatak.images.errors import DeclarationInvalid
from nunatak.untrusted import Bounds, load_yaml, typed

FILE_LIMIT_BYTES = 1024 * 1024
LIST_LIMIT = 10_000
TEXT_LIMIT_CHARS = 2_000
_BOUNDS = Bounds(chars=FILE_LIMIT_BYTES, values=250_000)
T = TypeVar("T")
Text = Annotated[str, Meta(max_length=TEXT_LIMIT_CHARS)]
Word = Text | int | float
"""A text; a number is taken as it is written."""
Texts = Annotated[list[Text], Meta(max_length=LIST_LIMIT)] | None
"""A list of texts; null is an empty one."""


class _Part(Struct, frozen=True, kw_only=True):
    """A part of a file."""


class ArtifactRepositories(_Part, frozen=True, kw_only=True):
    """The section `artifact_repository_map`."""

    pip: Word | None = None


class Constraint(_Part, frozen=True, kw_only=True):
    """The section `resource_constraint` of a runtime."""

    architecture: Word | None = None


class Dependencies(_Part, frozen=True, kw_only=True):
    """The section `dependencies` of a runtime: paths of two files."""

    conda: Word | None = None
    pip: Word | None = None
    artifact_repository_map: ArtifactRepositories | None = None


class EnvironmentSection(Dependencies, frozen=True, kw_only=True):
    """The section `env` of model.yaml."""

    python_version: Word | None = None
    cuda_version: Word | None = None
    pip_extra_index_urls: Texts = None


class RuntimeSection(_Part, frozen=True, kw_only=True):
    """An entry of `runtimes`, of the manifest or of model.yaml."""

    version: Word | None = None
    dependencies: Dependencies | None = None
    imports: Texts = None
    resource_constraint: Constraint | None = None
    cuda_version: Word | None = None
    pip_extra_index_urls: Texts = None


class MethodSection(_Part, frozen=True, kw_only=True):
    """An entry of `methods` of the manifest."""

    runtime: Word | None = None


class ManifestFile(_Part, frozen=True, kw_only=True):
    """MANIFEST.yml; its runtimes are read when they are chosen."""

    methods: Annotated[list[MethodSection], Meta(max_length=LIST_LIMIT)] | None = None
    runtimes: dict[str, Any] | None = None


class ModelFile(_Part, frozen=True, kw_only=True):
    """model.yaml; its runtimes are read when they are chosen."""

    name: Word | None = None
    env: EnvironmentSection | None = None
    runtimes: dict[str, Any] | None = None


class PipEntry(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The entry of `dependencies` of conda.yml that has requirements of pip."""

    pip: Annotated[list[str], Meta(max_length=LIST_LIMIT)]


class CondaFile(_Part, frozen=True, kw_only=True):
    """conda.yml, a conda environment."""

    dependencies: Annotated[list[str | PipEntry], Meta(max_length=LIST_LIMIT)] | None = None
    channels: Texts = None


def read_document(root: Path, relative: str, structure: type[T]) -> T:
    """Document that a YAML file of the version in `root` holds; raises DeclarationInvalid."""
    text = read_text(root, relative)
    title = f"File {relative}"
    try:
        return typed(load_yaml(text, title, bounds=_BOUNDS), structure, title)
    except (InvalidArgument, LimitExceeded) as error:
        raise DeclarationInvalid(error.message) from error


def runtime_of(runtimes: dict[str, Any], name: str, relative: str) -> RuntimeSection:
    """The runtime `name` of the file `relative`; raises DeclarationInvalid."""
    entry = {} if runtimes[name] is None else runtimes[name]
    try:
        return typed(entry, RuntimeSection, f"File {relative}: runtimes.{name}")
    except InvalidArgument as error:
        raise DeclarationInvalid(error.message) from error


def read_text(root: Path, relative: str) -> str:
    """The text of a file of the version in `root`; raises DeclarationInvalid."""
    path = root / path_inside(root, Path(), relative)
    try:
        if path.stat().st_size > FILE_LIMIT_BYTES:
            raise DeclarationInvalid(f"File {relative} is larger than {FILE_LIMIT_BYTES} bytes.")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise DeclarationInvalid(f"The model version has no file {relative}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationInvalid(
            f"File {relative} cannot be read: it must be a file of UTF-8 text."
        ) from error


def path_inside(root: Path, base: Path, relative: str) -> str:
    """`relative` under `base`, as a path relative to `root`; raises DeclarationInvalid for one that
    leads out of it."""
    leads_out = "\0" in relative or Path(relative).is_absolute()
    if leads_out or not (root / base / relative).resolve().is_relative_to(root.resolve()):
        raise DeclarationInvalid(f"Path '{relative}' leads out of the model version.")
    return (base / relative).as_posix()
