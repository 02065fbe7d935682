"""Declared requirements of a model version, read from its own files.

For the warehouse the runtime of MANIFEST.yml counts. For services the files of
``model/runtimes/<cpu|gpu>/`` come first, then ``model/env/`` (both named by model/model.yaml),
then the manifest's runtime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from nunatak.errors import InvalidArgument, LimitExceeded
from nunatak.images.errors import DeclarationInvalid, GpuUnsupported
from nunatak.images.requirements.conda_specs import (
    LINE_LIMIT_CHARS,
    CondaDependency,
    parse_conda,
    translate,
)
from nunatak.untrusted import Bounds, load_yaml

MANIFEST = "MANIFEST.yml"
MODEL_FOLDER = "model"
SUPPORTED_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
FILE_LIMIT_BYTES = 1024 * 1024
_BOUNDS = Bounds(chars=FILE_LIMIT_BYTES, values=250_000)
REQUIREMENTS_LIMIT = 1_000
_HOME_CHANNELS = frozenset({"", "snowflake", "nodefaults", "defaults"})
_RESERVED = {"python": "set the Python version of the model", "cuda": "set its CUDA version"}


_WAREHOUSE_PACKAGES = ("pyarrow",)


class Target(StrEnum):
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

    target: Target
    python: str
    conda: tuple[CondaDependency, ...] = ()
    pip: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    extra_indexes: tuple[str, ...] = ()
    artifact_repository: str | None = None
    cuda: str | None = None
    architecture: str | None = None

    @property
    def imports_zip(self) -> tuple[str, ...]:
        """The imports that are zip archives, to be put on the import path as they are."""
        return tuple(item for item in self.imports if item.endswith(".zip"))

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


def read_declared(version_root: Path, target: Target) -> Declared:
    """Read what the version in `version_root` declares for `target`.

    Raises DeclarationInvalid when a file is missing or malformed, GpuUnsupported when the target
    is gpu and the version declares a CPU runtime only.
    """
    manifest = _read_yaml(version_root, MANIFEST)
    runtime = _manifest_runtime(manifest)
    if target is Target.WAREHOUSE:
        return _from_runtime(version_root, Path(), runtime, target, str(runtime.get("version")))
    if not (version_root / MODEL_FOLDER / "model.yaml").is_file():
        return _from_runtime(version_root, Path(), runtime, target, str(runtime.get("version")))
    model = _read_yaml(version_root, f"{MODEL_FOLDER}/model.yaml")
    environment = _mapping(model.get("env"), "env of model.yaml")
    runtimes = _mapping(model.get("runtimes"), "runtimes of model.yaml")
    cuda = environment.get("cuda_version")
    if target is Target.GPU and "gpu" not in runtimes and not cuda:
        raise GpuUnsupported(
            f"GPUs were requested, but model '{model.get('name', '')}' declares a CPU runtime only:"
            " deploy it without gpu_requests, or log it again with a CUDA version."
        )
    python = str(environment.get("python_version") or runtime.get("version"))
    base = Path(MODEL_FOLDER)
    if target.value in runtimes:
        chosen = dict(_mapping(runtimes[target.value], f"runtime '{target}' of model.yaml"))
    else:
        chosen = {"dependencies": environment, "imports": ()}
    if target is Target.GPU:
        chosen["pip_extra_index_urls"] = environment.get("pip_extra_index_urls") or ()
        chosen["cuda_version"] = cuda
    return _from_runtime(version_root, base, chosen, target, python)


def _from_runtime(
    root: Path, base: Path, runtime: Mapping[str, Any], target: Target, python: str
) -> Declared:
    dependencies = _mapping(runtime.get("dependencies"), "dependencies of a runtime")
    conda: list[CondaDependency] = []
    pip: list[str] = []
    channels: list[str] = []
    if dependencies.get("conda"):
        document = _read_yaml(root, (base / str(dependencies["conda"])).as_posix())
        conda, pip, channels = read_conda_file(document)
    if dependencies.get("pip"):
        pip += read_requirements(_read_text(root, (base / str(dependencies["pip"])).as_posix()))
    if len(conda) + len(pip) > REQUIREMENTS_LIMIT:
        raise DeclarationInvalid(f"More than {REQUIREMENTS_LIMIT} dependencies are declared.")
    repositories = _mapping(dependencies.get("artifact_repository_map"), "artifact_repository_map")
    constraint = _mapping(runtime.get("resource_constraint"), "resource_constraint")
    repository = repositories.get("pip")
    architecture = constraint.get("architecture")
    cuda = runtime.get("cuda_version")
    return Declared(
        target=target,
        python=_python_version(python, conda),
        conda=tuple(item for item in conda if item.name != "python"),
        pip=tuple(dict.fromkeys(pip)),
        channels=tuple(channels),
        imports=tuple(
            _inside(root, base, str(item)) for item in _texts(runtime.get("imports"), "imports")
        ),
        extra_indexes=_texts(runtime.get("pip_extra_index_urls"), "pip_extra_index_urls"),
        artifact_repository=str(repository) if repository else None,
        cuda=str(cuda) if cuda else None,
        architecture=str(architecture) if architecture else None,
    )


def read_conda_file(
    document: Mapping[str, Any],
) -> tuple[list[CondaDependency], list[str], list[str]]:
    """Dependencies, pip requirements and foreign channels of a parsed conda.yml."""
    conda: list[CondaDependency] = []
    pip: list[str] = []
    entries = document.get("dependencies") or []
    if not isinstance(entries, list):
        raise DeclarationInvalid("'dependencies' of conda.yml must be a list.")
    for entry in entries:
        if isinstance(entry, str):
            conda.append(parse_conda(entry))
        elif isinstance(entry, dict) and set(entry) == {"pip"} and isinstance(entry["pip"], list):
            pip += read_requirements("\n".join(map(str, entry["pip"])))
        else:
            raise DeclarationInvalid(f"conda.yml has an entry that is no dependency: {entry!r}.")
    names = _texts(document.get("channels"), "channels of conda.yml")
    return conda, pip, [name for name in names if not is_home_channel(name)]


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


def _python_version(text: str, conda: list[CondaDependency]) -> str:
    found = re.match(r"(\d+\.\d+)", text)
    if found is None:
        raise DeclarationInvalid(f"Python version '{text}' is not of the form 3.11.")
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


def _manifest_runtime(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    runtimes = _mapping(manifest.get("runtimes"), "runtimes of MANIFEST.yml")
    methods = manifest.get("methods") or [{}]
    first = methods[0] if isinstance(methods, list) and isinstance(methods[0], dict) else {}
    name = str(first.get("runtime") or "python_runtime")
    if name not in runtimes:
        raise DeclarationInvalid(f"MANIFEST.yml has no runtime '{name}' under 'runtimes'.")
    return _mapping(runtimes[name], f"runtime '{name}' of MANIFEST.yml")


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DeclarationInvalid(f"The {what} must be a mapping.")
    return value


def _texts(value: object, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise DeclarationInvalid(f"The {what} must be a list of texts.")
    return tuple(value)


def _inside(root: Path, base: Path, relative: str) -> str:
    """`relative` under `base`, as a path relative to `root`; never outside of it."""
    path = (root / base / relative).resolve()
    if Path(relative).is_absolute() or not path.is_relative_to(root.resolve()):
        raise DeclarationInvalid(f"Path '{relative}' leads out of the model version.")
    return (base / relative).as_posix()


def _read_text(root: Path, relative: str) -> str:
    path = root / _inside(root, Path(), relative)
    try:
        if path.stat().st_size > FILE_LIMIT_BYTES:
            raise DeclarationInvalid(f"File {relative} is larger than {FILE_LIMIT_BYTES} bytes.")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise DeclarationInvalid(f"The model version has no file {relative}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationInvalid(f"File {relative} cannot be read: {error}.") from error


def _read_yaml(root: Path, relative: str) -> Mapping[str, Any]:
    text = _read_text(root, relative)
    try:
        document = load_yaml(text, f"File {relative}", bounds=_BOUNDS)
    except (InvalidArgument, LimitExceeded) as error:
        raise DeclarationInvalid(error.message) from error
    if not isinstance(document, dict):
        raise DeclarationInvalid(f"File {relative} must hold a mapping.")
    return document
