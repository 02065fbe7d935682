import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nunatak.worker import convert, model, trial
from nunatak.worker.convert import WireColumn
from nunatak.worker.frames import WorkerFrame

TEMPLATE = """
import pandas as pd
import numpy as np
from _snowflake import vectorized, udf_init_once
runner = None
loads = []

@udf_init_once
def load_model():
    global runner
    loads.append(1)
    runner = lambda frame, **params: pd.DataFrame({"y": frame["x"] * 2, "z": frame["w"]})

@vectorized(input=pd.DataFrame, max_batch_size=None, flatten_object_input=False)
def infer(df):
    if runner is None:
        load_model()
    df.columns = ["x", "w", "factor"]
    out = runner(df[["x", "w"]].astype({"x": float}))
    return out.replace({pd.NA: None, np.nan: None}).to_dict("records")
"""
OWN_WAY = """
import pandas as pd
from _snowflake import vectorized

def runner(frame):
    return pd.DataFrame({"y": frame[0] + 1})

@vectorized(input=pd.DataFrame, max_batch_size=2, flatten_object_input=True)
def infer(df):
    assert len(df) <= 2
    out = runner(df)
    return [{"y": value} for value in out["y"]]
"""
TABLE = """
import pandas as pd
from _snowflake import vectorized

class infer:
    @vectorized(input=pd.DataFrame)
    def end_partition(self, df):
        return pd.DataFrame({"total": [df[0].sum()]})
"""


@pytest.fixture(autouse=True)
def own_interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loading a model changes the interpreter; put everything back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "_xoptions", {})
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name == "_snowflake" or name.startswith("functions"):
            del sys.modules[name]


def load(tmp_path: Path, text: str, **changes: Any) -> model.LoadedModel:
    """A version of one method, from the text of its function file."""
    folder = tmp_path / "functions"
    folder.mkdir()
    (folder / "predict.py").write_text(text)
    method = {
        "name": "PREDICT",
        "handler": "functions.predict.infer",
        "kind": "FUNCTION",
        "inputs": [{"name": "x", "type": "DOUBLE"}, {"name": "w", "type": "STRING"}],
        "params": [{"name": "factor", "type": "DOUBLE"}],
        "outputs": [{"name": "y", "type": "DOUBLE"}, {"name": "z", "type": "STRING"}],
        **changes,
    }
    return model.load({"model_dir": str(tmp_path), "imports": [], "methods": [method]})


def decoded(answer: model.ResultContent) -> dict[str, list[Any]]:
    """The columns of an answer by name."""
    body = bytearray()
    for buffer in answer.buffers:
        body += bytes(buffer) + bytes(-len(buffer) % 8)
    columns, _ = convert.decode(answer.head, memoryview(body))
    return {column.name: list(column.values) for column in columns}


def predict(loaded: model.LoadedModel, *columns: WireColumn) -> dict[str, list[Any]]:
    """Answer one batch."""
    rows = len(columns[0].values)
    encoder = convert.Encoder()
    for column in columns:
        encoder.add(column.name, column.kind, column.values, column.nulls)
    body = b"".join(bytes(part) + bytes(-len(part) % 8) for part in encoder.buffers)
    head = {"method": "PREDICT", "rows": rows, "columns": encoder.entries}
    return decoded(loaded.predict(WorkerFrame(7, 1, head, memoryview(bytearray(body)))))


X = WireColumn("x", "FLOAT64", np.array([1.0, 2.0]))
W = WireColumn("w", "TEXT", ["a", None])


def test_the_vendors_function_file_runs_and_is_initialised_once(tmp_path: Path) -> None:
    loaded = load(tmp_path, TEMPLATE)

    assert predict(loaded, X, W) == {"y": [2.0, 4.0], "z": ["a", None]}
    assert predict(loaded, X, W) == {"y": [2.0, 4.0], "z": ["a", None]}
    assert sys.modules["functions.predict"].loads == [1]
    assert sys._xoptions["snowflake_import_directory"] == f"{tmp_path}/"


def test_the_models_frame_is_taken_past_the_records(tmp_path: Path) -> None:
    loaded = load(tmp_path, TEMPLATE)
    frame = loaded.method("PREDICT").frame([X, W], 2)

    (result,) = loaded.method("PREDICT").call(frame)

    assert isinstance(result, pd.DataFrame)
    assert result["y"].tolist() == [2.0, 4.0]


def test_what_the_model_raises_is_not_tried_twice(tmp_path: Path) -> None:
    failing = "runner = lambda frame: calls.append(1) or 1 / 0"
    text = "calls = []\n" + re.sub("runner = lambda .*", failing, TEMPLATE)
    loaded = load(tmp_path, text)
    with pytest.raises(ZeroDivisionError):
        predict(loaded, X, W)
    assert sys.modules["functions.predict"].calls == [1]


def test_a_handler_that_goes_its_own_way_is_believed(tmp_path: Path) -> None:
    inputs = [{"name": "x", "type": "DOUBLE"}]
    loaded = load(tmp_path, OWN_WAY, inputs=inputs, params=[], outputs=[])

    assert predict(loaded, X) == {"y": [2.0, 3.0]}


def test_a_handlers_largest_batch_is_kept_to(tmp_path: Path) -> None:
    inputs = [{"name": "x", "type": "DOUBLE"}]
    loaded = load(tmp_path, OWN_WAY, inputs=inputs, params=[], outputs=[])
    five = WireColumn("x", "FLOAT64", np.arange(5.0))

    assert predict(loaded, five) == {"y": [1.0, 2.0, 3.0, 4.0, 5.0]}
    assert model.describe(loaded) == {"max_batch_sizes": {"PREDICT": 2}}


def test_an_object_of_all_inputs_is_flattened(tmp_path: Path) -> None:
    loaded = load(tmp_path, TEMPLATE)
    wide = WireColumn("INPUT", "JSON", [{"x": 1, "w": "a"}, {"w": "b"}])

    answer = predict(loaded, wide)

    assert answer["z"] == ["a", "b"]
    assert answer["y"][0] == 2.0


def test_a_table_function_answers_with_rows_of_its_own(tmp_path: Path) -> None:
    loaded = load(tmp_path, TABLE, kind="TABLE_FUNCTION", params=[], outputs=[])
    assert predict(loaded, X, W) == {"total": [3.0]}


def test_every_function_file_shares_one_loaded_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Packager:
        loads = 0

        def __init__(self, path: str) -> None:
            self.local_dir_path = path

        def load(self, **options: Any) -> str:
            Packager.loads += 1
            self.model = object()
            self.meta = "meta"
            return self.meta

    class Module:
        ModelPackager = Packager

    name = "snowflake.ml.model._packager.model_packager"
    monkeypatch.setattr(importlib, "import_module", lambda wanted: {name: Module}[wanted])
    model._memoise_packager()
    first, second, other = Packager("a"), Packager("a"), Packager("b")
    loaded = [packager.load(as_custom_model=True) for packager in (first, second, other)]

    assert loaded == ["meta"] * 3
    assert first.model is second.model
    assert other.model is not first.model
    assert Packager.loads == 2


def test_a_trial_uses_the_recorded_sample_or_stand_ins(tmp_path: Path) -> None:
    loaded = load(tmp_path, TEMPLATE)
    method = loaded.method("PREDICT")
    stand_ins = trial.sample(method, str(tmp_path))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "sample_input_data.json").write_text(
        '{"dataframe_split": {"columns": ["x", "w"], "data": [[4.5, "hello"]]}}'
    )
    recorded = trial.sample(method, str(tmp_path))

    assert [list(column.values) for column in stand_ins] == [[0.0], ["a"]]
    assert [list(column.values) for column in recorded] == [[4.5], ["hello"]]
    assert trial.run(loaded, shortcuts=True) == {"methods": {"PREDICT": ""}, "direct": {}}


def test_stand_ins_have_the_shape_that_the_signature_tells(tmp_path: Path) -> None:
    class Feature:
        def to_dict(self) -> dict[str, Any]:
            return {"name": "x", "type": "DOUBLE", "shape": (2, -1)}

    loaded = load(tmp_path, TEMPLATE + "\nfeatures = [None, None]\n")
    method = loaded.method("PREDICT")
    method.module.features = [Feature(), None]
    method.input_types[0] = "ARRAY"

    columns = trial.sample(method, str(tmp_path))

    assert [column.values for column in columns] == [[[[0.0], [0.0]]], ["a"]]


def test_a_trial_tells_what_a_method_raised(tmp_path: Path) -> None:
    text = TEMPLATE.replace('df.columns = ["x", "w", "factor"]', 'raise KeyError("gone")')
    outcome = trial.run(load(tmp_path, text), shortcuts=True)
    assert outcome["methods"] == {"PREDICT": "KeyError: 'gone'"}
