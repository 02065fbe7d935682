"""Write a model version's folder as the official client would log it, without a server.

Run by path with a client environment's interpreter:

    python make_model.py KIND FOLDER

FOLDER must be empty or absent. KIND is one of the functions below (``xgboost_regressor`` …).
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


def sklearn_classifier() -> tuple[Any, pd.DataFrame]:
    """A logistic regression over four columns, three classes."""
    from sklearn.linear_model import LogisticRegression

    frame = features(4)
    target = (frame["F0"] > 0).astype(int) + (frame["F1"] > 1).astype(int)
    return LogisticRegression(max_iter=500).fit(frame, target), frame


def custom() -> tuple[Any, pd.DataFrame]:
    """A custom model with one parameter, every type of output, and ways to go wrong."""
    import misbehaving

    frame = pd.DataFrame({"VALUE": [1.5, None, -2.0], "LABEL": ["one", None, "three"]})
    return misbehaving.build(), frame


def log(kind: str, folder: pathlib.Path, **options: Any) -> None:
    """Pack the model of ``kind`` into ``folder`` with the client's own composer."""
    from snowflake.ml._internal import file_utils, platform_capabilities
    from snowflake.ml.model._model_composer import model_composer

    kinds: dict[str, Callable[[], tuple[Any, pd.DataFrame]]] = {
        "xgboost_regressor": xgboost_regressor,
        "sklearn_classifier": sklearn_classifier,
        "custom": custom,
    }
    model, sample = kinds[kind]()
    folder.mkdir(parents=True, exist_ok=True)
    with (
        mock.patch.object(file_utils, "upload_directory_to_stage"),
        platform_capabilities.PlatformCapabilities.mock_features({}),
    ):
        composer = model_composer.ModelComposer(
            mock.MagicMock(), "stage", save_location=str(folder)
        )
        options = {"relax_version": False, **options}
        composer.save(name="M", model=model, sample_input_data=sample, options=options)


def main() -> None:
    """Read the command line and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    log(arguments.kind, arguments.folder)


if __name__ == "__main__":
    main()
