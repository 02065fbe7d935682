"""Write a model version's folder as the official client would log it, without a server.

Run by path with a client environment's interpreter:

    python make_model.py KIND FOLDER [KIND FOLDER …]

Each FOLDER must be empty or absent. KIND is one of the functions below (``xgboost_regressor`` …).
Beside the version's files nothing is written; the model is trained on numbers from a fixed seed,
so that another process can train the same one.
"""

import argparse
import pathlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

ROWS = 400


def features(count: int, rows: int = ROWS) -> pd.DataFrame:
    """``rows`` random rows of ``count`` float columns F0, F1, …"""
    random = np.random.default_rng(7)
    return pd.DataFrame(random.normal(size=(rows, count)), columns=[f"F{i}" for i in range(count)])


def xgboost_regressor(count: int = 20, trees: int = 100) -> tuple[Any, pd.DataFrame]:
    """100 trees of depth 6 over 20 float columns."""
    import xgboost

    frame = features(count, rows=2000)
    target = frame["F0"] * 3 + frame["F1"] ** 2 - frame["F2"]
    model = xgboost.XGBRegressor(n_estimators=trees, max_depth=6, random_state=0)
    return model.fit(frame, target), frame


def xgboost_categories() -> tuple[Any, pd.DataFrame]:
    """A regressor over three floats and a column of words, with missing values."""
    import xgboost

    frame = features(3)
    frame["COLOUR"] = pd.Series(["red", "green", "blue", "red"] * (ROWS // 4), dtype="category")
    target = frame["F0"] + (frame["COLOUR"] == "red")
    model = xgboost.XGBRegressor(n_estimators=20, enable_categorical=True, random_state=0)
    model.fit(frame, target)
    return model, frame


def mixed() -> tuple[pd.DataFrame, pd.Series]:
    """Three floats, two of them with missing values, and a column of whole numbers; a target."""
    random = np.random.default_rng(7)
    frame = features(4)
    frame["F3"] = (frame["F3"] * 10).round().astype(int)
    target = frame["F0"] * 3 + frame["F1"] ** 2 + (frame["F3"] > 5)
    for name in ("F0", "F1"):
        frame[name] = frame[name].mask(random.random(ROWS) < 0.1)
    return frame, target


def lightgbm_classifier() -> tuple[Any, pd.DataFrame]:
    """Three classes over the same columns."""
    import lightgbm

    frame, target = mixed()
    model = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, random_state=0)
    return model.fit(frame, pd.cut(target, 3, labels=False)), frame


def lightgbm_categories() -> tuple[Any, pd.DataFrame]:
    """A regressor that takes the whole numbers for categories."""
    import lightgbm

    frame, target = mixed()
    frame["F3"] = frame["F3"] % 5
    model = lightgbm.LGBMRegressor(n_estimators=30, verbose=-1, random_state=0)
    return model.fit(frame, target, categorical_feature=["F3"]), frame


def catboost_classifier() -> tuple[Any, pd.DataFrame]:
    """Three classes over the same columns."""
    import catboost

    frame, target = mixed()
    model = catboost.CatBoostClassifier(
        iterations=20, verbose=False, random_seed=0, allow_writing_files=False
    )
    return model.fit(frame, pd.cut(target, 3, labels=False)), frame


def catboost_categories() -> tuple[Any, pd.DataFrame]:
    """A regressor with a column of words as categories."""
    import catboost

    frame, target = mixed()
    frame["COLOUR"] = ["red", "green", "blue", "red"] * (ROWS // 4)
    model = catboost.CatBoostRegressor(
        iterations=20, verbose=False, random_seed=0, allow_writing_files=False
    )
    return model.fit(frame, target + (frame["COLOUR"] == "red"), cat_features=["COLOUR"]), frame


def sklearn_boosting() -> tuple[Any, pd.DataFrame]:
    """Histogram-based boosting, which takes missing values."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    frame, target = mixed()
    return HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(frame, target), frame


def sklearn_forest() -> tuple[Any, pd.DataFrame]:
    """A random forest of three classes over four columns, one of whole numbers."""
    from sklearn.ensemble import RandomForestClassifier

    frame = features(4)
    frame["F3"] = (frame["F3"] * 10).round().astype(int)
    target = (frame["F0"] > 0).astype(int) + (frame["F3"] > 5).astype(int)
    return RandomForestClassifier(n_estimators=20, random_state=0).fit(frame, target), frame


def sklearn_classifier() -> tuple[Any, pd.DataFrame]:
    """A logistic regression over four columns, three classes."""
    from sklearn.linear_model import LogisticRegression

    frame = features(4)
    target = (frame["F0"] > 0).astype(int) + (frame["F1"] > 1).astype(int)
    return LogisticRegression(max_iter=500).fit(frame, target), frame


def torch_rows() -> tuple[Any, Any]:
    """A network of 20, 256, 256 and 3 units, for single numbers."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    wide = [nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
    return nn.Sequential(*wide, nn.Linear(256, 3)), torch.randn(50, 20)


def torch_script() -> tuple[Any, Any]:
    """The same as a script, in double precision."""
    import torch

    model, sample = torch_rows()
    return torch.jit.script(model.double()), sample.double()


def torch_cells() -> tuple[Any, Any]:
    """A convolution over three channels: cells are lists, and so are the outputs."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Conv1d(3, 2, 3), torch.randn(50, 3, 9)


def torch_lists() -> tuple[Any, Any]:
    """Two inputs, one of them numbers of words, and two outputs."""
    import torch
    from torch import nn

    class Two(nn.Module):  # local, so that it is packed by value
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.words = nn.Linear(8, 4), nn.Embedding(10, 4)

        def forward(self, x: Any, words: Any) -> tuple[Any, Any]:
            hidden = self.dense(x) + self.words(words).sum(1)
            return hidden, hidden.sum(1)

    torch.manual_seed(0)
    return Two(), [torch.randn(50, 8), torch.randint(0, 10, (50, 3))]


def torch_noise() -> tuple[Any, Any]:
    """A model that never answers the same twice."""
    import torch

    class Noise(torch.nn.Module):  # local, so that it is packed by value
        def forward(self, x: Any) -> Any:
            return x + torch.rand_like(x)

    return Noise(), torch.randn(50, 4)


def custom() -> tuple[Any, pd.DataFrame]:
    """A custom model with a parameter, an output of every type, and ways to go wrong.

    What a row's LABEL says is done: see the branches.
    """
    import ctypes
    import os
    import sys
    import time

    from snowflake.ml.model import custom_model

    class Moody(custom_model.CustomModel):  # local, so that it is packed by value
        @custom_model.inference_api
        def predict(self, frame: pd.DataFrame, *, factor: float = 2.0) -> pd.DataFrame:
            labels = {label for label in frame["LABEL"] if isinstance(label, str)}
            if "raise" in labels:
                raise ValueError("this model dislikes its input")
            if "exit" in labels:
                sys.exit(3)
            if "die" in labels:
                os._exit(7)
            if "crash" in labels:
                ctypes.string_at(0)
            if "hang" in labels:
                time.sleep(600)
            if "print" in labels:
                print("hello from the model")  # that is what is tested
            if "short" in labels:
                frame = frame.iloc[:-1]
            value = frame["VALUE"].astype("Float64")
            return pd.DataFrame(
                {
                    "scaled": value * factor,
                    "label": frame["LABEL"],
                    "negative": (value < 0).astype("boolean"),
                    "pair": [[1.5, float(at)] for at in range(len(frame))],
                    "facts": [{"row": at, "none": float("nan")} for at in range(len(frame))],
                    "pid": [os.getpid()] * len(frame),
                }
            )

    frame = pd.DataFrame({"VALUE": [1.5, 2.5, -2.0], "LABEL": ["one", "two", "three"]})
    return Moody(custom_model.ModelContext()), frame


def signatures_of(kind: str, model: Any, sample: Any) -> dict[str, Any] | None:
    """What cannot be inferred by the client: a parameter, and words that stand for categories."""
    from snowflake.ml.model import model_signature

    if kind == "xgboost_categories":
        output = pd.DataFrame({"output_feature_0": model.predict(sample)})
        words = sample.astype({"COLOUR": "string"})
        return {"predict": model_signature.infer_signature(words, output)}
    if kind != "custom":
        return None
    params = [
        model_signature.ParamSpec(
            name="factor", dtype=model_signature.DataType.DOUBLE, default_value=2.0
        )
    ]
    output = model.predict(sample)
    return {"predict": model_signature.infer_signature(sample, output, params=params)}


def log(kind: str, folder: pathlib.Path, **options: Any) -> None:
    """Pack the model of ``kind`` into ``folder`` with the client's own composer."""
    from snowflake.ml._internal import file_utils, platform_capabilities
    from snowflake.ml.model._model_composer import model_composer

    kinds: dict[str, Callable[[], tuple[Any, Any]]] = {
        "xgboost_regressor": xgboost_regressor,
        "xgboost_categories": xgboost_categories,
        "sklearn_classifier": sklearn_classifier,
        "sklearn_forest": sklearn_forest,
        "sklearn_boosting": sklearn_boosting,
        "lightgbm_classifier": lightgbm_classifier,
        "lightgbm_categories": lightgbm_categories,
        "catboost_classifier": catboost_classifier,
        "catboost_categories": catboost_categories,
        "torch_rows": torch_rows,
        "torch_script": torch_script,
        "torch_cells": torch_cells,
        "torch_lists": torch_lists,
        "torch_noise": torch_noise,
        "custom": custom,
    }
    if kind == "torch_lists":
        options["multiple_inputs"] = True
    model, sample = kinds[kind]()
    folder.mkdir(parents=True, exist_ok=True)
    with (
        mock.patch.object(file_utils, "upload_directory_to_stage"),
        platform_capabilities.PlatformCapabilities.mock_features({}),
    ):
        composer = model_composer.ModelComposer(
            mock.MagicMock(), "stage", save_location=str(folder)
        )
        composer.save(
            name="M",
            model=model,
            sample_input_data=None if kind == "xgboost_categories" else sample,
            signatures=signatures_of(kind, model, sample),
            options={"relax_version": False, **options},
        )


def main() -> None:
    """Read the command line and write the folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds_and_folders", nargs="+")
    given = parser.parse_args().kinds_and_folders
    for kind, folder in zip(given[::2], given[1::2], strict=True):
        log(kind, pathlib.Path(folder))


if __name__ == "__main__":
    main()
