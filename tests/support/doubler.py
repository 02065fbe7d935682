"""The smallest model that can be deployed: y = 2 x, with nothing but pandas to install."""

from __future__ import annotations

from pathlib import Path

import yaml

_MANIFEST = {
    "manifest_version": "1.0",
    "methods": [
        {
            "name": "PREDICT",
            "handler": "functions.predict.infer",
            "type": "FUNCTION",
            "runtime": "python_runtime",
            "inputs": [{"name": "X", "type": "DOUBLE"}],
            "outputs": [{"type": "OBJECT"}],
        }
    ],
    "runtimes": {
        "python_runtime": {
            "language": "PYTHON",
            "version": "3.11",
            "imports": ["model/"],
            "dependencies": {"pip": "runtimes/python_runtime/env/requirements.txt"},
        }
    },
}
_DESCRIPTION = {
    "version": "2023-12-01",
    "min_snowpark_ml_version": "1.0.12",
    "name": "DOUBLER",
    "model_type": "custom",
    "task": "UNKNOWN",
    "creation_timestamp": "2026-01-01 00:00:00",
    "env": {"pip": "env/requirements.txt", "python_version": "3.11"},
    "models": {},
    "signatures": {
        "predict": {
            "inputs": [{"name": "X", "type": "DOUBLE", "nullable": False}],
            "outputs": [{"name": "Y", "type": "DOUBLE", "nullable": False}],
            "params": [],
        }
    },
    "function_properties": {},
}
_FUNCTION = """
import pandas as pd
from _snowflake import vectorized


@vectorized(input=pd.DataFrame, max_batch_size=None, flatten_object_input=False)
def infer(frame):
    return [{"Y": 2.0 * float(value)} for value in frame.iloc[:, 0]]
"""
_REQUIREMENTS = "pandas<3\n"


def write_doubler(folder: Path) -> None:
    """Write the version's files, as a stage holds them before CREATE MODEL."""
    texts = {
        "MANIFEST.yml": yaml.safe_dump(_MANIFEST),
        "functions/predict.py": _FUNCTION,
        "model/model.yaml": yaml.safe_dump(_DESCRIPTION),
        "model/env/requirements.txt": _REQUIREMENTS,
        "runtimes/python_runtime/env/requirements.txt": _REQUIREMENTS,
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
