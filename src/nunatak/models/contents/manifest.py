"""MANIFEST.yml: what a model version offers and how it is run.

Read once when a version is made, and again whenever its functions are listed; a manifest that is
accepted here is complete: every runtime that a method names is there, no path leaves the version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from nunatak.catalog.names import NAME_LIMIT_CHARS
from nunatak.catalog.sqltypes import parse_type
from nunatak.errors import InvalidArgument
from nunatak.models.contents.yaml_documents import (
    LIST_LIMIT,
    Word,
    parse_yaml,
    path_inside,
    read_text,
    written,
    wrong,
)
from nunatak.untrusted import typed

MANIFEST_FILE = "MANIFEST.yml"
METHODS_LIMIT = 500
ARGUMENTS_LIMIT = 2_000

_HANDLER = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*+)+\Z")
_METHOD_NAME = re.compile(r"[^\W\d][\w$]*\Z")
"""As methods are called in Python: it becomes a name in SQL and a path over HTTP."""
_RUNTIME_LANGUAGE = "PYTHON"
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT_CHARS)] | int | float
_T = TypeVar("_T")
Items = Annotated[list[_T], Meta(max_length=LIST_LIMIT)] | None
"""A list; null is an empty one."""


class MethodKind(StrEnum):
    """The kind of a method: called once per row, or as a table function."""

    FUNCTION = "FUNCTION"
    TABLE_FUNCTION = "TABLE_FUNCTION"


class Platform(StrEnum):
    """A platform that a version may run on."""

    WAREHOUSE = "WAREHOUSE"
    SERVICES = "SNOWPARK_CONTAINER_SERVICES"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a method as SQL sees it; `type` is the SQL type's text."""

    name: str
    type: str
    default: str | None = None
    """A SQL literal as text; None for an input, which has no default."""


@dataclass(frozen=True, slots=True)
class Output:
    """A result of a method; a function that answers one value has no name for it."""

    type: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodEntry:
    """A method of the manifest."""

    name: str
    handler: str
    kind: MethodKind
    runtime: str
    inputs: tuple[Argument, ...]
    params: tuple[Argument, ...]
    outputs: tuple[Output, ...]
    volatility: str | None

    @property
    def module_path(self) -> str:
        """The path of the handler's module, relative to an import folder."""
        return "/".join(self.handler.split(".")[:-1]) + ".py"

    @property
    def target(self) -> str:
        """The Python method's name: the handler's module is called like it."""
        return self.handler.split(".")[-2]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRuntime:
    """A Python environment that methods run in; paths are relative to the version."""

    name: str
    python: str
    imports: tuple[str, ...]
    conda_file: str | None
    pip_file: str | None
    artifact_repositories: Mapping[str, str]
    resource_constraint: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LineageSource:
    """The origin of a version: DATASET, EXPERIMENT (an object and its version) or QUERY."""

    type: str
    entity: str
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole manifest. `target_platforms` None means every platform."""

    methods: tuple[MethodEntry, ...]
    runtimes: Mapping[str, PythonRuntime]
    target_platforms: tuple[Platform, ...] | None
    lineage_sources: tuple[LineageSource, ...]
    user_data: Mapping[str, Any]
    user_files: tuple[str, ...]


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a version's folder.

    Raises StageUnreadable when there is none, InvalidArgument when it is not as it must be.
    """
    return parse_manifest(read_text(folder / MANIFEST_FILE, MANIFEST_FILE))


class _Argument(Struct, frozen=True, kw_only=True):
    """An entry of `inputs` or `params`."""

    name: Name
    type: Word
    default: str | int | float | None = None


class _Output(Struct, frozen=True, kw_only=True):
    """An entry of `outputs`."""

    type: Word
    name: Name | None = None


class _Method(Struct, frozen=True, kw_only=True):
    """An entry of `methods`."""

    name: Name
    handler: Word
    runtime: Word
    type: Word = MethodKind.FUNCTION.value
    inputs: Items[_Argument] = []
    params: Items[_Argument] = []
    outputs: Items[_Output] = []
    volatility: Word | None = None


class _Dependencies(Struct, frozen=True, kw_only=True):
    """The section `dependencies` of a runtime."""

    conda: Word | None = None
    pip: Word | None = None
    artifact_repository_map: dict[str, Word] | None = None


class _Runtime(Struct, frozen=True, kw_only=True):
    """An entry of `runtimes`."""

    version: Word
    language: Word = _RUNTIME_LANGUAGE
    imports: Items[str] = []
    dependencies: _Dependencies | None = None
    resource_constraint: dict[str, Word] | None = None


class _Source(Struct, frozen=True, kw_only=True):
    """An entry of `lineage_sources`."""

    type: Word
    entity: Word
    version: Word | None = None


class _Manifest(Struct, frozen=True, kw_only=True):
    """The whole document."""

    manifest_version: Word
    methods: Annotated[list[_Method], Meta(min_length=1, max_length=METHODS_LIMIT)]
    runtimes: dict[str, Any]
    target_platforms: Items[str] = []
    lineage_sources: Items[_Source] = []
    user_data: dict[str, Any] | None = None
    user_files: Items[str] = []


def parse_manifest(text: str) -> Manifest:
    """Read the text of a manifest; raises InvalidArgument."""
    document = parse_yaml(text, MANIFEST_FILE, _Manifest)
    version = str(document.manifest_version)
    if version.split(".")[0] != "1":
        raise InvalidArgument(
            f"{MANIFEST_FILE}: manifest_version {version} is not known to this server, which "
            "reads 1.0: log the model with another version of the client."
        )
    runtimes = {name: _runtime(name, entry) for name, entry in document.runtimes.items()}
    if not runtimes:
        raise InvalidArgument(f"{MANIFEST_FILE}: runtimes is empty; a method needs a runtime.")
    methods = tuple(
        _method(entry, f"methods[{index}]", runtimes)
        for index, entry in enumerate(document.methods)
    )
    _refuse_twice(MANIFEST_FILE, "method", [method.name for method in methods])
    _refuse_alike([method.name for method in methods])
    return Manifest(
        methods=methods,
        runtimes=runtimes,
        target_platforms=_platforms(document.target_platforms or []),
        lineage_sources=tuple(
            LineageSource(str(item.type).upper(), str(item.entity), written(item.version) or None)
            for item in document.lineage_sources or []
        ),
        user_data=document.user_data or {},
        user_files=_paths("user_files", document.user_files),
    )


def _wrong(place: str, expected: str) -> InvalidArgument:
    return wrong(MANIFEST_FILE, place, expected)


def _paths(place: str, paths: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(
        path_inside(MANIFEST_FILE, f"{place}[{index}]", path)
        for index, path in enumerate(paths or ())
    )


def _runtime(name: str, entry: object) -> PythonRuntime:
    place = f"runtimes.{name}"
    runtime = typed(entry, _Runtime, f"{MANIFEST_FILE}: {place}")
    if str(runtime.language).upper() != _RUNTIME_LANGUAGE:
        raise _wrong(f"{place}.language", _RUNTIME_LANGUAGE)
    dependencies = runtime.dependencies or _Dependencies()
    files = {
        key: None
        if path is None
        else path_inside(MANIFEST_FILE, f"{place}.dependencies.{key}", path)
        for key, path in (("conda", dependencies.conda), ("pip", dependencies.pip))
    }
    return PythonRuntime(
        name=name,
        python=str(runtime.version),
        imports=_paths(f"{place}.imports", runtime.imports),
        conda_file=files["conda"],
        pip_file=files["pip"],
        artifact_repositories=_texts_by_name(dependencies.artifact_repository_map),
        resource_constraint=_texts_by_name(runtime.resource_constraint),
    )


def _texts_by_name(words: Mapping[str, Word] | None) -> dict[str, str]:
    return {key: str(word) for key, word in (words or {}).items()}


def _method(entry: _Method, place: str, runtimes: Mapping[str, PythonRuntime]) -> MethodEntry:
    kind = str(entry.type).upper()
    if kind not in MethodKind.__members__:
        raise _wrong(f"{place}.type", " or ".join(MethodKind))
    handler, runtime, name = str(entry.handler), str(entry.runtime), str(entry.name)
    if not _HANDLER.match(handler):
        raise _wrong(f"{place}.handler", "a dotted path such as functions.predict.infer")
    if runtime not in runtimes:
        raise _wrong(f"{place}.runtime", f"one of {', '.join(runtimes)}")
    inputs = _arguments(entry.inputs, f"{place}.inputs", are_params=False)
    params = _arguments(entry.params, f"{place}.params", are_params=True)
    if len(inputs) + len(params) > ARGUMENTS_LIMIT:
        raise _wrong(f"{place}.inputs", f"at most {ARGUMENTS_LIMIT} with the params")
    title = f"{MANIFEST_FILE}: {place}"
    _refuse_twice(title, "argument", [item.name for item in (*inputs, *params)])
    if not _METHOD_NAME.match(name):
        expected = "letters, digits, _ and $, and start with a letter or _"
        raise _wrong(f"{place}.name", expected)
    return MethodEntry(
        name=name,
        handler=handler,
        kind=MethodKind(kind),
        runtime=runtime,
        inputs=inputs,
        params=params,
        outputs=_outputs(entry.outputs or [], f"{place}.outputs", MethodKind(kind)),
        volatility=_volatility(entry, place),
    )


def _arguments(
    entries: Sequence[_Argument] | None, place: str, *, are_params: bool
) -> tuple[Argument, ...]:
    """Inputs, which have no default, or params, whose default is NULL unless it is said."""
    return tuple(
        Argument(
            str(entry.name),
            _type(entry.type, f"{place}[{index}]"),
            written(entry.default, "NULL") if are_params else None,
        )
        for index, entry in enumerate(entries or ())
    )


def _outputs(entries: Sequence[_Output], place: str, kind: MethodKind) -> tuple[Output, ...]:
    found = tuple(
        Output(
            _type(entry.type, f"{place}[{index}]"), None if entry.name is None else str(entry.name)
        )
        for index, entry in enumerate(entries)
    )
    if kind is MethodKind.FUNCTION and len(found) != 1:
        raise _wrong(place, "a list of one output for a FUNCTION")
    if kind is MethodKind.TABLE_FUNCTION and (not found or None in [out.name for out in found]):
        raise _wrong(place, "a list of named columns for a TABLE_FUNCTION")
    return found


def _type(word: Word, place: str) -> str:
    text = str(word).upper()
    try:
        parse_type(text)
    except InvalidArgument as error:
        raise _wrong(f"{place}.type", "a SQL data type") from error
    return text


def _volatility(entry: _Method, place: str) -> str | None:
    text = written(entry.volatility).upper()
    if text not in ("", "IMMUTABLE", "VOLATILE"):
        raise _wrong(f"{place}.volatility", "IMMUTABLE or VOLATILE")
    return text or None


def _platforms(given: Sequence[str]) -> tuple[Platform, ...] | None:
    names = [name.upper() for name in given]
    if any(name not in set(Platform) for name in names):
        raise _wrong("target_platforms", f"a list of {' and '.join(Platform)}")
    return tuple(platform for platform in Platform if platform in names) or None


def _refuse_alike(names: list[str]) -> None:
    """Paths over HTTP know no case, so two such methods could not both be called."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise InvalidArgument(
                f"{MANIFEST_FILE}: methods '{other}' and '{name}' differ only in case: rename one."
            )


def _refuse_twice(title: str, what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgument(f"{title}: {what} '{twice[0]}' is there twice.")
