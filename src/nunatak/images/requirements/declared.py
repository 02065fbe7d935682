"""Declared requirements of a model version, read from its own files.

For the warehouse the runtime of MANIFEST.yml counts. For services the files of
``model/runtimes/<cpu|gpu>/`` come first, then ``model/env/`` (both named by model/model.yaml),
then the manifest's runtime.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from msgspec import structs
from packaging.requirements import InvalidRequirement, Requirement

from nunatak.images.errors import DeclarationInvalid, GpuUnsupported
from nunatak.images.requirements.conda_specs import (
    LINE_LIMIT_CHARS,
    CondaDependency,
    parse_conda,
    translate,
)
from nunatak.images.requirements.files import (
    ArtifactRepositories,
    CondaFile,
    Constraint,
    Dependencies,
    EnvironmentSection,
    ManifestFile,
    ModelFile,
    RuntimeSection,
    Word,
    path_inside,
    read_document,
    read_text,
    runtime_of,
)

MANIFEST = "MANIFEST.yml"
MODEL_FOLDER = "model"
MODEL_FILE = f"{MODEL_FOLDER}/model.yaml"
SUPPORTED_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
REQUIREMENTS_LIMIT = 1_000
_HOME_CHANNELS = frozenset({"", "snowflake", "nodefaults", "defaults"})
_RESERVED = {"python": "set the Python version of the model", "cuda": "set its CUDA version"}


_WAREHOUSE_PACKAGES = ("pyarrow",)


class TargetPlatform(StrEnum):
    """The target that a version is to run on."""

    WAREHOUSE = "warehouse"
    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Dependencies of one model version for one target.

    `python` is ``major.minor``; `pip` are normalised PEP 508 texts; `channels` are conda channels
    beyond the vendor's own; `imports` are paths relative to the version's folder (the model, and
    the zipped client library when it came along); `extra_indexes` are package indexes that the
    version itself names (used only where a build's integrations allow their hosts).
    """

    target: TargetPlatform
    python: str
    conda: tuple[CondaDependency, ...] = ()
    pip: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    extra_indexes: tuple[str, ...] = ()
    artifact_repository: str | None = None
    cuda: str | None = None
    architecture: str | None = None

    def in_the_warehouse(self) -> Declared:
        """The same with what every runtime of the vendor's warehouse has, in addition."""
        return replace(self, pip=(*self.pip, *_WAREHOUSE_PACKAGES))

    def requirements(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """PyPI requirements: conda's, pip's, and notes on what was translated.

        Raises DeclarationInvalid for a conda package without a counterpart.
        """
        translated = [translate(dependency) for dependency in self.conda]
        conda = tuple(sorted(item.requirement for item in translated if item.requirement))
        notes = tuple(item.note for item in translated if item.note)
        return conda, tuple(sorted(self.pip)), notes


def read_declared(version_root: Path, target: TargetPlatform) -> Declared:
    """Read what the version in `version_root` declares for `target`.

    Raises DeclarationInvalid when a file is missing or malformed, GpuUnsupported when the target
    is gpu and the version declares a CPU runtime only.
    """
    runtime = _manifest_runtime(read_document(version_root, MANIFEST, ManifestFile))
    if target is TargetPlatform.WAREHOUSE or not (version_root / MODEL_FILE).is_file():
        return _from_runtime(version_root, Path(), runtime, target, runtime.version)
    model = read_document(version_root, MODEL_FILE, ModelFile)
    environment = model.env or EnvironmentSection()
    runtimes = model.runtimes or {}
    if target is TargetPlatform.GPU and "gpu" not in runtimes and not environment.cuda_version:
        raise GpuUnsupported(
            f"GPUs were requested, but model '{model.name or ''}' declares a CPU runtime only:"
            " deploy it without gpu_requests, or log it again with a CUDA version."
        )
    if target.value in runtimes:
        chosen = runtime_of(runtimes, target.value, MODEL_FILE)
    else:
        chosen = RuntimeSection(dependencies=environment)
    if target is TargetPlatform.GPU:
        chosen = structs.replace(
            chosen,
            pip_extra_index_urls=environment.pip_extra_index_urls,
            cuda_version=environment.cuda_version,
        )
    python = environment.python_version or runtime.version
    return _from_runtime(version_root, Path(MODEL_FOLDER), chosen, target, python)


def _from_runtime(
    root: Path, base: Path, runtime: RuntimeSection, target: TargetPlatform, python: Word | None
) -> Declared:
    dependencies = runtime.dependencies or Dependencies()
    conda: list[CondaDependency] = []
    pip: list[str] = []
    channels: list[str] = []
    if dependencies.conda:
        relative = (base / str(dependencies.conda)).as_posix()
        conda, pip, channels = read_conda_file(read_document(root, relative, CondaFile))
    if dependencies.pip:
        pip += read_requirements(read_text(root, (base / str(dependencies.pip)).as_posix()))
    if len(conda) + len(pip) > REQUIREMENTS_LIMIT:
        raise DeclarationInvalid(f"More than {REQUIREMENTS_LIMIT} dependencies are declared.")
    repositories = dependencies.artifact_repository_map or ArtifactRepositories()
    constraint = runtime.resource_constraint or Constraint()
    return Declared(
        target=target,
        python=_python_version(python, conda),
        conda=tuple(item for item in conda if item.name != "python"),
        pip=tuple(dict.fromkeys(pip)),
        channels=tuple(channels),
        imports=tuple(path_inside(root, base, item) for item in runtime.imports or ()),
        extra_indexes=tuple(runtime.pip_extra_index_urls or ()),
        artifact_repository=_text(repositories.pip),
        cuda=_text(runtime.cuda_version),
        architecture=_text(constraint.architecture),
    )


def _text(word: Word | None) -> str | None:
    return str(word) if word else None


def read_conda_file(
    document: CondaFile,
) -> tuple[list[CondaDependency], list[str], list[str]]:
    """Dependencies, pip requirements and foreign channels of a conda.yml."""
    conda: list[CondaDependency] = []
    pip: list[str] = []
    for entry in document.dependencies or ():
        if isinstance(entry, str):
            conda.append(parse_conda(entry))
        else:
            pip += read_requirements("\n".join(entry.pip))
    return conda, pip, [name for name in document.channels or () if not is_home_channel(name)]


def is_home_channel(channel: str) -> bool:
    """Whether `channel` (a name or an address) is the vendor's own or a placeholder."""
    return channel.lower() in _HOME_CHANNELS or channel.rstrip("/").endswith("/pkgs/snowflake")


def read_requirements(text: str) -> list[str]:
    """Normalised requirements of a requirements file.

    Raises DeclarationInvalid for pip options, addresses and paths: where packages come from is
    the server's configuration, not the model's.
    """
    lines = text.replace("\\\n", " ").splitlines()
    stripped = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in lines)
    return [_requirement(line) for line in stripped if line]


def _requirement(line: str) -> str:
    if len(line) > LINE_LIMIT_CHARS:
        raise DeclarationInvalid(f"A requirement has at most {LINE_LIMIT_CHARS} characters.")
    if line.startswith("-"):
        raise DeclarationInvalid(
            f"Pip option '{line.split()[0].split('=')[0]}' is not allowed in a model's"
            " requirements: package indexes are configured on the server."
        )
    try:
        requirement = Requirement(line)
    except (InvalidRequirement, RecursionError) as error:
        raise DeclarationInvalid(
            f"'{line}' is not a package requirement: write name and version, no path or address."
        ) from error
    if requirement.url:
        raise DeclarationInvalid(
            f"Requirement '{requirement.name}' names an address: only packages of an index are"
            " allowed. Publish it to a package index, or ship it with code_paths."
        )
    if requirement.name.lower() in _RESERVED:
        raise DeclarationInvalid(
            f"'{requirement.name}' is no package: {_RESERVED[requirement.name.lower()]} instead."
        )
    return str(requirement)


def _python_version(given: Word | None, conda: list[CondaDependency]) -> str:
    if given is None:
        raise DeclarationInvalid(
            f"{MANIFEST} names no Python version: its runtime needs a 'version' of the form 3.11."
        )
    found = re.match(r"(\d+\.\d+)", str(given))
    if found is None:
        raise DeclarationInvalid(f"Python version '{given}' is not of the form 3.11.")
    version = found[1]
    if version not in SUPPORTED_PYTHONS:
        raise DeclarationInvalid(
            f"Python {version} is not supported: models run on {', '.join(SUPPORTED_PYTHONS)}."
        )
    for dependency in conda:
        pinned = re.match(r"={1,2}(\d+\.\d+)", dependency.constraint)
        if dependency.name == "python" and pinned and pinned[1] != version:
            raise DeclarationInvalid(
                f"The runtime says Python {version}, its conda.yml '{dependency}'."
            )
    return version


def _manifest_runtime(manifest: ManifestFile) -> RuntimeSection:
    """The runtime of the first method."""
    runtimes = manifest.runtimes or {}
    named = manifest.methods[0].runtime if manifest.methods else None
    name = str(named or "python_runtime")
    if name not in runtimes:
        raise DeclarationInvalid(f"{MANIFEST} has no runtime '{name}' under 'runtimes'.")
    return runtime_of(runtimes, name, MANIFEST)
