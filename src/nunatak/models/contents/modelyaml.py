"""model/model.yaml: the client's own description of a version, as far as the server needs it.

The server shows its text as it is (`model_spec`), takes the names and types of inputs and outputs
from its signatures, and tells from it which library made the model and for which task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from msgspec import Struct

from nunatak.errors import InvalidArgument
from nunatak.models.contents.yaml_documents import (
    LIST_LIMIT,
    PerhapsEmpty,
    Word,
    parse_yaml,
    path_inside,
    read_text,
    written,
    wrong,
)
from nunatak.untrusted import typed

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
        """Attributes that SHOW VERSIONS shows as `model_attributes`."""
        client = f"{_CLIENT} {self.client_version}" if self.client_version else ""
        return {"framework": self.framework, "task": self.task, "client": client}

    @property
    def environment(self) -> dict[str, Any]:
        """Environment that SHOW VERSIONS shows as `environment`."""
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


class _Feature(Struct, frozen=True, kw_only=True):
    """An entry of a signature; parameters call its type `dtype`."""

    name: Word
    type: Word | None = None
    dtype: Word | None = None
    nullable: Any = True
    specs: list[_Feature] | None = None
    shape: Any = None
    default_value: Any = None


class _Signature(Struct, frozen=True, kw_only=True):
    """An entry of `signatures`."""

    inputs: list[_Feature] | None = None
    params: list[_Feature] | None = None
    outputs: list[_Feature] | None = None
    sample_input_file_path: Word | None = None


class _Environment(Struct, frozen=True, kw_only=True):
    """The section `env`."""

    snowpark_ml_version: PerhapsEmpty | None = None
    python_version: PerhapsEmpty | None = None
    cuda_version: Word | None = None


class _Properties(Struct, frozen=True, kw_only=True):
    """An entry of `function_properties`."""

    PARTITIONED: Any = None


class _Options(Struct, frozen=True, kw_only=True):
    """The section `options` of an entry of `models`."""

    base_model_name: Word | None = None
    base_model_version: Word | None = None


class _Packed(Struct, frozen=True, kw_only=True):
    """An entry of `models`."""

    options: _Options | None = None


class _Description(Struct, frozen=True, kw_only=True):
    """The whole document."""

    model_type: PerhapsEmpty | None = None
    task: PerhapsEmpty | None = None
    env: _Environment | None = None
    signatures: dict[str, Any] | None = None
    function_properties: dict[str, _Properties | None] | None = None
    models: dict[str, _Packed | None] | None = None


def parse_description(text: str) -> ModelDescription:
    """Read the text of a description; raises InvalidArgument."""
    document = parse_yaml(text, MODEL_FILE, _Description)
    environment = document.env or _Environment()
    return ModelDescription(
        text=text,
        framework=written(document.model_type),
        task=written(document.task, _UNKNOWN_TASK),
        client_version=written(environment.snowpark_ml_version).split("+")[0],
        python=written(environment.python_version),
        cuda=written(environment.cuda_version) or None,
        signatures={
            name: _signature(f"{MODEL_FILE}: signatures.{name}", entry)
            for name, entry in (document.signatures or {}).items()
        },
        partitioned=frozenset(
            name
            for name, properties in (document.function_properties or {}).items()
            if properties is not None and properties.PARTITIONED is True
        ),
        base_models=_base_models(document.models or {}),
    )


def _base_models(models: Mapping[str, _Packed | None]) -> tuple[tuple[str, str], ...]:
    options = [packed.options for packed in models.values() if packed and packed.options]
    return tuple(
        (str(item.base_model_name), str(item.base_model_version))
        for item in options
        if item.base_model_name is not None and item.base_model_version is not None
    )


def _signature(title: str, entry: object) -> Signature:
    found = typed(entry or {}, _Signature, title)
    sample = found.sample_input_file_path
    path = "" if sample is None else path_inside(title, "sample_input_file_path", sample)
    return Signature(
        inputs=_features(title, "inputs", found.inputs),
        params=_features(title, "params", found.params),
        outputs=_features(title, "outputs", found.outputs),
        sample_input_path=f"model/{path}" if path else None,
    )


def _features(title: str, name: str, entries: Sequence[_Feature] | None) -> tuple[Feature, ...]:
    if len(entries or ()) > LIST_LIMIT:
        raise wrong(title, name, f"a list of at most {LIST_LIMIT} items")
    type_key = "dtype" if name == "params" else "type"
    return tuple(
        _feature(entry, _Place(title, f"{name}[{index}]", type_key))
        for index, entry in enumerate(entries or ())
    )


def _feature(entry: _Feature, place: _Place) -> Feature:
    sql_type = _sql_type(entry, place)
    is_nested = sql_type in ("ARRAY", "OBJECT")
    return Feature(
        str(entry.name),
        sql_type,
        entry.nullable is not False,
        reals=_reals(entry, place) if is_nested else None,
        limits=None if is_nested else _limits(place.type_of(entry)),
        default=_default(entry, place),
    )


def _sql_type(entry: _Feature, place: _Place) -> str:
    if entry.shape:
        return "ARRAY"
    if entry.specs is not None:
        return "OBJECT"
    name = place.type_of(entry)
    if name not in _SQL_TYPES:
        raise place.wrong(place.type_key, f"one of {', '.join(_SQL_TYPES)}")
    return _SQL_TYPES[name]


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of an entry: the file and signature, its path there, and how its type is called."""

    title: str
    path: str
    type_key: str

    def type_of(self, entry: _Feature) -> str:
        """The name of the type of Python; raises InvalidArgument when there is none."""
        word = entry.dtype if self.type_key == "dtype" else entry.type
        if word is None:
            raise InvalidArgument(f"{self.title}: '{self.path}.{self.type_key}' is missing.")
        return str(word)

    def member(self, index: int) -> _Place:
        """The place of a member of a group."""
        return _Place(self.title, f"{self.path}.specs[{index}]", self.type_key)

    def wrong(self, key: str, expected: str) -> InvalidArgument:
        """The error for a part of the entry that is not as it must be."""
        return wrong(self.title, f"{self.path}.{key}", expected)


def _limits(name: str) -> tuple[int, int] | None:
    bits = _BITS.get(name)
    if bits is None:
        return None
    return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _reals(entry: _Feature, place: _Place) -> Reals:
    if entry.specs is None:
        return place.type_of(entry) in ("FLOAT", "DOUBLE") or None
    found = {
        str(item.name): _reals(item, place.member(index)) for index, item in enumerate(entry.specs)
    }
    return {name: reals for name, reals in found.items() if reals is not None} or None


def _default(entry: _Feature, place: _Place) -> Any:
    """A group's own default, or what its members' defaults make of it."""
    value = entry.default_value
    if value is not None or entry.specs is None:
        return value
    value = {
        str(item.name): _default(item, place.member(at)) for at, item in enumerate(entry.specs)
    }
    shape = entry.shape or []
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise place.wrong("shape", "a list of whole numbers")
    if prod(shape) > LIST_LIMIT:
        raise place.wrong("shape", f"of at most {LIST_LIMIT} values")
    for size in reversed(shape):
        value = [value] * size if size > 0 else []
    return value
