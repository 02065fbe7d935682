import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nunatak.worker import convert, direct
from nunatak.worker.convert import WireColumn
from nunatak.worker.model import Shortcut, WorkerMethod


class RandomForestLike:
    """Adds a row's values up; `quirk` makes it treat a matrix unlike a data frame."""

    def __init__(self, quirk: str = "") -> None:
        self.quirk = quirk

    def predict(self, data: Any) -> Any:
        table = np.asarray(data, dtype=float)
        if isinstance(data, np.ndarray):
            if self.quirk == "differs":
                return table.sum(axis=1) + 1e-12
            if self.quirk == "raises":
                raise ValueError("a frame, please")
        elif self.quirk == "no nulls" and np.isnan(table).any():
            raise ValueError("Input contains NaN")
        return np.nansum(table, axis=1)


RandomForestLike.__module__ = "sklearn.ensemble"


def wrapped(raw_model: Any, inputs: dict[str, str], *, params: bool = False) -> WorkerMethod:
    """A method over the model, wrapped as the vendor's packager and function file do it."""
    target_method = "predict"

    class Custom:
        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"y": getattr(raw_model, target_method)(frame)})

    def infer(frame: pd.DataFrame) -> Any:
        frame.columns = pd.Index(list(inputs))
        out = module.runner(frame.astype(module.dtype_map))
        return out.replace({pd.NA: None, np.nan: None}).to_dict("records")

    module = SimpleNamespace(runner=functools.partial(Custom().predict), dtype_map=inputs)
    spec = {
        "name": "PREDICT",
        "kind": "FUNCTION",
        "inputs": [{"name": name, "type": "DOUBLE"} for name in inputs],
        "params": [{"name": "p", "type": "DOUBLE"}] if params else [],
        "outputs": [{"name": "y", "type": "DOUBLE"}],
    }
    return WorkerMethod(spec, infer, module)


FLOATS = {"a": "float64", "b": "float64"}
SAMPLE = [WireColumn("a", "FLOAT64", np.array([1.5])), WireColumn("b", "FLOAT64", np.array([-2.0]))]


def prove(quirk: str = "", **changes: Any) -> Shortcut | None:
    """Prove a method over two floats."""
    return direct.prove(wrapped(RandomForestLike(quirk), FLOATS, **changes), SAMPLE)


def values(answer: Any) -> list[float]:
    """The only output of an answer."""
    body = b"".join(bytes(part) for part in answer.buffers)
    (column,), _ = convert.decode(answer.head, memoryview(bytearray(body)))
    return list(column.values)


def test_a_library_call_that_agrees_is_taken() -> None:
    proved = prove()

    assert proved is not None
    assert proved.nulls
    ones = WireColumn("a", "FLOAT32", np.ones(2, np.float32))
    whole = WireColumn("b", "INT32", np.array([3, 4], np.int32))
    assert values(proved.answer([ones, whole], 2)) == [4.0, 5.0]


@pytest.mark.parametrize("quirk", ["differs", "raises"])
def test_one_that_does_not_agree_is_not(quirk: str) -> None:
    assert prove(quirk) is None


def test_a_method_with_params_goes_the_general_way() -> None:
    assert prove(params=True) is None


def test_missing_values_go_the_general_way_unless_proved() -> None:
    proved = prove("no nulls")

    assert proved is not None
    assert not proved.nulls
    assert proved.answer([*SAMPLE[:1], WireColumn("b", "FLOAT64", np.array([np.nan]))], 1) is None
    marked = WireColumn("b", "FLOAT64", np.array([1.0]), np.array([True]))
    assert proved.answer([*SAMPLE[:1], marked], 1) is None
    assert proved.answer(SAMPLE, 1) is not None


def test_other_libraries_and_kinds_of_model_are_left_alone() -> None:
    class LogisticRegression(RandomForestLike):
        """Its sums depend on the order of a matrix in memory."""

    LogisticRegression.__module__ = "sklearn.linear_model"
    assert direct.prove(wrapped(LogisticRegression(), FLOATS), SAMPLE) is None
    assert direct.find(wrapped(RandomForestLike(), {"a": "string", "b": "float64"})) is None


@pytest.mark.parametrize(
    ("column", "declared", "fits"),
    [
        (WireColumn("a", "INT64", np.array([2**53])), "int64", True),
        (WireColumn("a", "INT64", np.array([2**53 + 1])), "int64", False),
        (WireColumn("a", "INT64", np.array([1])), "int32", False),
        (WireColumn("a", "FLOAT64", np.array([1.0])), "int64", False),
        (WireColumn("a", "INT64", np.array([2**60])), "float64", True),
        (WireColumn("a", "BOOL", np.array([True])), "float64", False),
        (WireColumn("a", "TEXT", ["x"]), "float64", False),
    ],
)
def test_a_column_fits_where_no_conversion_could_differ(
    column: WireColumn, declared: str, fits: bool
) -> None:
    assert direct.fits(column, np.dtype(declared)) is fits


def test_a_batch_of_other_shape_goes_the_general_way() -> None:
    proved = prove()
    assert proved is not None
    assert proved.answer(SAMPLE[:1], 1) is None
    assert proved.answer([WireColumn("a", "FLOAT64", np.zeros(0))] * 2, 0) is None
