from typing import Any

import numpy as np
import pytest

from nunatak.worker import tensors
from nunatak.worker.convert import DTYPES, Column


def feature(dtype: Any, *shape: int) -> tensors.Feature:
    """An input as the vendor's signature declares it."""
    return tensors.Feature(dtype, shaped=bool(shape))


def numbers(kind: str, *values: float) -> Column:
    """A column of numbers."""
    return Column("a", kind, np.array(list(values), DTYPES[kind]))


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
        (Column("a", "INT64", np.array([1]), np.array([True])), feature(np.int64), False),
        (Column("a", "JSON", [[1.5], [2.5]]), feature(np.float32, 1), True),
        (Column("a", "JSON", [[1.5], None]), feature(np.float32, 1), False),
        (Column("a", "JSON", [[1.5], "x"]), feature(np.float32, 1), False),
        (Column("a", "JSON", [[1.5]]), feature(np.float32), False),
        (Column("a", "TEXT", ["x"]), feature(np.float32), False),
    ],
)
def test_only_what_becomes_the_same_tensor_is_taken(
    column: Column, declared: tensors.Feature, *, takes: bool
) -> None:
    assert declared.takes(column) is takes


@pytest.mark.parametrize("dtype", [np.str_, np.datetime64, np.bool_])
def test_inputs_that_are_no_numbers_are_left_to_the_function_file(dtype: Any) -> None:
    with pytest.raises(TypeError):
        feature(dtype)
