"""MANIFEST.yml: what a model version offers and how it is run.

Read once when a version is made, and again whenever its functions are listed; a manifest that is
accepted here is complete: every runtime that a method names is there, no path leaves the version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nunatak.catalog.names import NAME_LIMIT_CHARS
from nunatak.catalog.sqltypes import parse_type
from nunatak.errors import InvalidArgument
from nunatak.models.contents.yaml_documents import Section, parse_yaml, read_text

MANIFEST_FILE = "MANIFEST.yml"
METHODS_LIMIT = 500
ARGUMENTS_LIMIT = 2_000

_HANDLER = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*+)+\Z")
_METHOD_NAME = re.compile(r"[^\W\d][\w$]*\Z")
"""As methods are called in Python: it becomes a name in SQL and a path over HTTP."""
_RUNTIME_LANGUAGE = "PYTHON"


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
class Runtime:
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
    runtimes: Mapping[str, Runtime]
    target_platforms: tuple[Platform, ...] | None
    lineage_sources: tuple[LineageSource, ...]
    user_data: Mapping[str, Any]
    user_files: tuple[str, ...]


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a version's folder.

    Raises StageUnreadable when there is none, InvalidArgument when it is not as it must be.
    """
    return parse_manifest(read_text(folder / MANIFEST_FILE, MANIFEST_FILE))


def parse_manifest(text: str) -> Manifest:
    """Read the text of a manifest; raises InvalidArgument."""
    document = parse_yaml(text, MANIFEST_FILE)
    version = document.text("manifest_version")
    if version.split(".")[0] != "1":
        raise InvalidArgument(
            f"{MANIFEST_FILE}: manifest_version {version} is not known to this server, which "
            "reads 1.0: log the model with another version of the client."
        )
    runtimes = _runtimes(document.section("runtimes"))
    methods = tuple(_method(section, runtimes) for section in document.sections("methods"))
    if not methods or len(methods) > METHODS_LIMIT:
        raise document.wrong("methods", f"a list of 1 to {METHODS_LIMIT} methods")
    _refuse_twice(MANIFEST_FILE, "method", [method.name for method in methods])
    _refuse_alike([method.name for method in methods])
    return Manifest(
        methods=methods,
        runtimes=runtimes,
        target_platforms=_platforms(document),
        lineage_sources=tuple(
            LineageSource(
                section.text("type").upper(),
                section.text("entity"),
                section.optional_text("version"),
            )
            for section in document.sections("lineage_sources")
        ),
        user_data=document.section("user_data").values,
        user_files=document.paths("user_files"),
    )


def _runtimes(section: Section) -> dict[str, Runtime]:
    found = {name: _runtime(name, section.section(name)) for name in section.values}
    if not found:
        raise InvalidArgument(f"{section.title} is missing or empty; a method needs a runtime.")
    return found


def _runtime(name: str, section: Section) -> Runtime:
    if section.text("language", _RUNTIME_LANGUAGE).upper() != _RUNTIME_LANGUAGE:
        raise section.wrong("language", _RUNTIME_LANGUAGE)
    dependencies = section.section("dependencies")
    return Runtime(
        name=name,
        python=section.text("version"),
        imports=section.paths("imports"),
        conda_file=dependencies.path("conda") if dependencies.has("conda") else None,
        pip_file=dependencies.path("pip") if dependencies.has("pip") else None,
        artifact_repositories=_texts_by_name(dependencies.section("artifact_repository_map")),
        resource_constraint=_texts_by_name(section.section("resource_constraint")),
    )


def _texts_by_name(section: Section) -> dict[str, str]:
    return {key: section.text(key) for key in section.values}


def _method(section: Section, runtimes: Mapping[str, Runtime]) -> MethodEntry:
    kind = section.text("type", MethodKind.FUNCTION).upper()
    if kind not in MethodKind.__members__:
        raise section.wrong("type", " or ".join(MethodKind))
    handler = section.text("handler")
    if not _HANDLER.match(handler):
        raise section.wrong("handler", "a dotted path such as functions.predict.infer")
    runtime = section.text("runtime")
    if runtime not in runtimes:
        raise section.wrong("runtime", f"one of {', '.join(runtimes)}")
    inputs = tuple(_argument(item) for item in section.sections("inputs"))
    params = tuple(_param(item) for item in section.sections("params"))
    if len(inputs) + len(params) > ARGUMENTS_LIMIT:
        raise section.wrong("inputs", f"at most {ARGUMENTS_LIMIT} with the params")
    _refuse_twice(section.title, "argument", [item.name for item in (*inputs, *params)])
    return MethodEntry(
        name=_method_name(section),
        handler=handler,
        kind=MethodKind(kind),
        runtime=runtime,
        inputs=inputs,
        params=params,
        outputs=_outputs(section, MethodKind(kind)),
        volatility=_volatility(section),
    )


def _argument(section: Section) -> Argument:
    return Argument(_name(section), _type(section))


def _param(section: Section) -> Argument:
    value = section.values.get("default")
    default = "NULL" if value is None else section.text("default", "")
    return Argument(_name(section), _type(section), default)


def _outputs(section: Section, kind: MethodKind) -> tuple[Output, ...]:
    found = tuple(
        Output(_type(item), _name(item) if item.has("name") else None)
        for item in section.sections("outputs")
    )
    if kind is MethodKind.FUNCTION and len(found) != 1:
        raise section.wrong("outputs", "a list of one output for a FUNCTION")
    if kind is MethodKind.TABLE_FUNCTION and (not found or None in [out.name for out in found]):
        raise section.wrong("outputs", "a list of named columns for a TABLE_FUNCTION")
    return found


def _name(section: Section) -> str:
    name = section.text("name")
    if len(name) > NAME_LIMIT_CHARS:
        raise section.wrong("name", f"at most {NAME_LIMIT_CHARS} characters long")
    return name


def _method_name(section: Section) -> str:
    name = _name(section)
    if not _METHOD_NAME.match(name):
        raise section.wrong("name", "letters, digits, _ and $, and start with a letter or _")
    return name


def _type(section: Section) -> str:
    text = section.text("type").upper()
    try:
        parse_type(text)
    except InvalidArgument as error:
        raise section.wrong("type", "a SQL data type") from error
    return text


def _volatility(section: Section) -> str | None:
    text = section.optional_text("volatility")
    if text is not None and text.upper() not in ("IMMUTABLE", "VOLATILE"):
        raise section.wrong("volatility", "IMMUTABLE or VOLATILE")
    return text.upper() if text else None


def _platforms(document: Section) -> tuple[Platform, ...] | None:
    if not document.has("target_platforms"):
        return None
    names = [name.upper() for name in document.texts("target_platforms")]
    unknown = [name for name in names if name not in set(Platform)]
    if unknown:
        raise document.wrong("target_platforms", f"a list of {' and '.join(Platform)}")
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
