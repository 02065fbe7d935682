"""model/model.yaml: the client's own description of a version, as far as the server needs it.

The server shows its text as it is (`model_spec`), takes the names and types of inputs and outputs
from its signatures, and tells from it which library made the model and for which task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from nunatak.models.contents.yaml_documents import LIST_LIMIT, Section, parse_yaml, read_text

MODEL_FILE = "model/model.yaml"
_CLIENT = "snowflake-ml-python"
_UNKNOWN_TASK = "UNKNOWN"

_SQL_TYPES = {
    "INT8": "TINYINT",
    "INT16": "SMALLINT",
    "INT32": "INTEGER",
    "INT64": "BIGINT",
    # Unsigned values are widened so that each fits.
    "UINT8": "SMALLINT",
    "UINT16": "INTEGER",
    "UINT32": "BIGINT",
    "UINT64": "BIGINT",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "BOOL": "BOOLEAN",
    "STRING": "STRING",
    "BYTES": "BINARY",
    "TIMESTAMP_NTZ": "TIMESTAMP_NTZ",
    "OBJECT": "OBJECT",
}


_BITS = {"INT8": 8, "INT16": 16, "INT32": 32, "UINT8": 8, "UINT16": 16, "UINT32": 32, "UINT64": 63}
"""How many bits a whole number may have where its SQL type would hold more."""

Reals = bool | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Feature:
    """An input, parameter or output of a signature: its name as the client shows it, and the SQL
    type that holds it. `identifier` is its name in SQL; None where the manifest has none."""

    name: str
    type: str
    nullable: bool = True
    identifier: str | None = None
    reals: Reals = None
    """Where numbers inside an array or object are real ones, even if they are written without a
    fraction: True for all of them, or by the object's keys."""
    limits: tuple[int, int] | None = None
    """The least and the greatest whole number that Python's type holds, where SQL's holds more."""
    default: Any = None
    """What a parameter is when nobody gives it, as Python has it."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a Python method: what it takes and answers."""

    inputs: tuple[Feature, ...]
    params: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    sample_input_path: str | None
    """File with sample rows, relative to the version; None when the client sent none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """The parts of model.yaml that the server uses; empty for a version that has none."""

    text: str = ""
    framework: str = ""
    task: str = _UNKNOWN_TASK
    client_version: str = ""
    python: str = ""
    cuda: str | None = None
    signatures: Mapping[str, Signature]
    partitioned: frozenset[str] = frozenset()
    """Methods that want whole partitions."""
    base_models: tuple[tuple[str, str], ...] = ()
    """(model, version) that an adapter was trained on, names as in SQL."""

    @property
    def attributes(self) -> dict[str, str]:
        """What SHOW VERSIONS shows as `model_attributes`."""
        client = f"{_CLIENT} {self.client_version}" if self.client_version else ""
        return {"framework": self.framework, "task": self.task, "client": client}

    @property
    def environment(self) -> dict[str, Any]:
        """What SHOW VERSIONS shows as `environment`."""
        known = {
            "python_version": self.python,
            "cuda_version": self.cuda,
            "snowpark_ml_version": self.client_version,
        }
        return {name: value for name, value in known.items() if value}


def read_description(folder: Path) -> ModelDescription:
    """Read the description in a version's folder; raises InvalidArgument.

    A version that was put together by hand may have none: the manifest then tells all there is.
    """
    file = folder / MODEL_FILE
    if not file.is_file():
        return ModelDescription(signatures={})
    return parse_description(read_text(file, MODEL_FILE))


def parse_description(text: str) -> ModelDescription:
    """Read the text of a description; raises InvalidArgument."""
    document = parse_yaml(text, MODEL_FILE)
    environment = document.section("env")
    signatures = document.section("signatures")
    properties = document.section("function_properties")
    return ModelDescription(
        text=text,
        framework=document.text("model_type", ""),
        task=document.text("task", _UNKNOWN_TASK),
        client_version=environment.text("snowpark_ml_version", "").split("+")[0],
        python=environment.text("python_version", ""),
        cuda=environment.optional_text("cuda_version"),
        signatures={name: _signature(signatures.section(name)) for name in signatures.values},
        partitioned=frozenset(
            name
            for name in properties.values
            if properties.section(name).values.get("PARTITIONED") is True
        ),
        base_models=_base_models(document.section("models")),
    )


def _base_models(models: Section) -> tuple[tuple[str, str], ...]:
    options = [models.section(name).section("options") for name in models.values]
    return tuple(
        (item.text("base_model_name"), item.text("base_model_version"))
        for item in options
        if item.has("base_model_name") and item.has("base_model_version")
    )


def _signature(section: Section) -> Signature:
    sample = section.path("sample_input_file_path") if section.has("sample_input_file_path") else ""
    return Signature(
        inputs=tuple(_feature(item, "type") for item in section.sections("inputs")),
        params=tuple(_feature(item, "dtype") for item in section.sections("params")),
        outputs=tuple(_feature(item, "type") for item in section.sections("outputs")),
        sample_input_path=f"model/{sample}" if sample else None,
    )


def _feature(section: Section, type_key: str) -> Feature:
    nullable = section.values.get("nullable", True) is not False
    sql_type = _sql_type(section, type_key)
    reals = _reals(section, type_key) if sql_type in ("ARRAY", "OBJECT") else None
    return Feature(
        section.text("name"),
        sql_type,
        nullable,
        reals=reals,
        limits=None if sql_type in ("ARRAY", "OBJECT") else _limits(section.text(type_key)),
        default=_default(section),
    )


def _limits(name: str) -> tuple[int, int] | None:
    bits = _BITS.get(name)
    if bits is None:
        return None
    return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _reals(section: Section, type_key: str) -> Reals:
    if not section.has("specs"):
        return section.text(type_key) in ("FLOAT", "DOUBLE") or None
    found = {item.text("name"): _reals(item, type_key) for item in section.sections("specs")}
    return {name: reals for name, reals in found.items() if reals is not None} or None


def _default(section: Section) -> Any:
    """A group's own default, or what its members' defaults make of it."""
    value = section.values.get("default_value")
    if value is not None or not section.has("specs"):
        return value
    value = {item.text("name"): _default(item) for item in section.sections("specs")}
    shape = section.values.get("shape") or []
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise section.wrong("shape", "a list of whole numbers")
    if prod(shape) > LIST_LIMIT:
        raise section.wrong("shape", f"of at most {LIST_LIMIT} values")
    for size in reversed(shape):
        value = [value] * size if size > 0 else []
    return value


def _sql_type(section: Section, type_key: str) -> str:
    if section.values.get("shape"):
        return "ARRAY"
    if section.has("specs"):
        return "OBJECT"
    name = section.text(type_key)
    if name not in _SQL_TYPES:
        raise section.wrong(type_key, f"one of {', '.join(_SQL_TYPES)}")
    return _SQL_TYPES[name]
