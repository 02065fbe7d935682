"""What features of the vendor's signatures tell of themselves."""

from __future__ import annotations

import enum
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from nunatak.worker.features import keep_bytes, numpy_type_of, shape_of

SIGNATURES = "snowflake.ml.model.model_signature"


class DataType(enum.Enum):
    """As the vendor's: a name, the type of a table and that of an array."""

    BYTES = ("bytes", "BINARY", bytes)
    DOUBLE = ("double", "DOUBLE", float)


class FeatureSpec:
    """A feature as the vendor writes it into a manifest."""

    def __init__(self, dtype: DataType, shape: tuple[int, ...] | None = None) -> None:
        self._type, self._cell = dtype, shape

    def as_dtype(self, force_numpy_dtype: bool = False) -> Any:
        return list if self._cell else self._type.value[-1]

    def to_dict(self) -> dict[str, Any]:
        shape = {} if self._cell is None else {"shape": self._cell}
        return {"name": "x", "type": self._type.name, **shape}


class FeatureGroup:
    """Features under one name have no type in common."""

    def to_dict(self) -> dict[str, Any]:
        return {"name": "x", "specs": []}


@pytest.fixture(autouse=True)
def signatures(monkeypatch: pytest.MonkeyPatch) -> type[FeatureSpec]:
    """The vendor's module, with a feature class of its own that may be changed."""
    changed = type("FeatureSpec", (FeatureSpec,), {})
    module = SimpleNamespace(DataType=DataType, FeatureSpec=changed)
    monkeypatch.setitem(sys.modules, SIGNATURES, module)
    return changed


@pytest.mark.parametrize(
    ("feature", "shape"),
    [
        (FeatureSpec(DataType.DOUBLE), None),
        (FeatureSpec(DataType.DOUBLE, (2, -1)), (2, -1)),
        (FeatureGroup(), None),
        (None, None),
    ],
)
def test_the_shape_of_a_cell(feature: object, shape: tuple[int, ...] | None) -> None:
    assert shape_of(feature) == shape


def test_the_type_of_an_array_of_values() -> None:
    assert numpy_type_of(FeatureSpec(DataType.DOUBLE)) is float
    assert numpy_type_of(FeatureSpec(DataType.BYTES, (3,))) is bytes
    with pytest.raises(KeyError):
        numpy_type_of(FeatureGroup())


def test_bytes_reach_a_model_as_they_are(signatures: type[FeatureSpec]) -> None:
    keep_bytes()

    assert signatures(DataType.BYTES).as_dtype() is object
    assert signatures(DataType.BYTES).as_dtype(force_numpy_dtype=True) is object
    assert signatures(DataType.BYTES, (2,)).as_dtype() is list
    assert signatures(DataType.DOUBLE).as_dtype() is float


def test_an_environment_without_signatures_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, SIGNATURES, None)

    keep_bytes()
