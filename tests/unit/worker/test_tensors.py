import enum
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from nunatak.worker import tensors
from nunatak.worker.convert import DTYPES, WireColumn
from nunatak.worker.model import WorkerMethod
from nunatak.worker.shim import Vectorized


def feature(dtype: Any, *shape: int) -> tensors.TensorInput:
    """An input as the vendor's signature declares it."""
    return tensors.TensorInput(dtype, shaped=bool(shape))


def numbers(kind: str, *values: float) -> WireColumn:
    """A column of numbers."""
    return WireColumn("a", kind, np.array(list(values), DTYPES[kind]))


@pytest.mark.parametrize(
    ("column", "declared", "takes"),
    [
        (numbers("FLOAT64", 1.5), feature(np.float32), True),
        (numbers("FLOAT32", 1.5), feature(np.float64), True),
        (numbers("FLOAT64", np.nan), feature(np.float32), False),
        (numbers("INT64", 1), feature(np.float32), False),
        (numbers("INT32", 1), feature(np.int64), True),
        (numbers("INT64", 1), feature(np.int32), False),
        (numbers("BOOL", 1), feature(np.int64), False),
        (WireColumn("a", "INT64", np.array([1]), np.array([True])), feature(np.int64), False),
        (WireColumn("a", "JSON", [[1.5], [2.5]]), feature(np.float32, 1), True),
        (WireColumn("a", "JSON", [[1.5], None]), feature(np.float32, 1), False),
        (WireColumn("a", "JSON", [[1.5], "x"]), feature(np.float32, 1), False),
        (WireColumn("a", "JSON", [[1.5]]), feature(np.float32), False),
        (WireColumn("a", "TEXT", ["x"]), feature(np.float32), False),
    ],
)
def test_only_what_becomes_the_same_tensor_is_taken(
    column: WireColumn, declared: tensors.TensorInput, *, takes: bool
) -> None:
    assert declared.takes(column) is takes


@pytest.mark.parametrize("dtype", [np.str_, np.datetime64, np.bool_])
def test_inputs_that_are_no_numbers_are_left_to_the_function_file(dtype: Any) -> None:
    with pytest.raises(TypeError):
        feature(dtype)


class DataType(enum.Enum):
    """Types of the vendor's features, of which the last is numpy's."""

    FLOAT = "float", np.float32
    STRING = "string", np.str_


class Described:
    """A feature that tells of itself."""

    def __init__(self, **told: Any) -> None:
        self._told = told

    def to_dict(self) -> dict[str, Any]:
        """What it tells."""
        return self._told


class Module:
    """A model of PyTorch."""


def wrapped(signature: Any) -> Callable[[], Any]:
    """A function as the vendor's packager makes it."""
    raw_model, multiple_inputs, target_method = Module(), False, "forward"

    def infer() -> Any:
        return raw_model, multiple_inputs, target_method, signature

    return infer


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([Described(type="FLOAT")], True),
        ([Described(type="FLOAT", shape=(2,))], True),
        ([], False),
        ([Described(type="STRING")], False),
        ([Described(type="UNKNOWN")], False),
        ([Described(specs=[])], False),
        ([object()], False),
        (None, False),
        ("no signature", False),
    ],
)
def test_whatever_is_declared_a_model_is_found_or_left_to_the_function_file(
    monkeypatch: pytest.MonkeyPatch, inputs: Any, *, found: bool
) -> None:
    torch = SimpleNamespace(nn=SimpleNamespace(Module=Module))
    monkeypatch.setitem(sys.modules, "torch", cast("Any", torch))
    signatures = SimpleNamespace(DataType=DataType)
    monkeypatch.setitem(sys.modules, "snowflake.ml.model.model_signature", cast("Any", signatures))
    signature = None if isinstance(inputs, str) else SimpleNamespace(inputs=inputs)
    method = cast(
        "WorkerMethod",
        SimpleNamespace(outputs=[], marks=Vectorized(None, flatten_object_input=False)),
    )
    assert (tensors.find(method, wrapped(signature)) is not None) is found
