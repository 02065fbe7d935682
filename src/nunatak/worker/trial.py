"""A prediction on sample rows: shows that a process can compute, before anyone depends on it."""

import json
import os
from typing import Any, Optional

from . import convert, direct
from .convert import WireColumn
from .features import shape_of
from .model import LoadedModel, WorkerMethod

SAMPLE = os.path.join("model", "sample_input_data.json")
_STAND_INS: dict[str, Any] = {"TEXT": "a", "BINARY": b"a", "BOOL": False}


def run(model: LoadedModel, *, shortcuts: bool) -> dict[str, Any]:
    """Call every method once; for each, an empty text or why it raised.

    With ``shortcuts`` also prove which methods may call their library directly, and let them.
    """
    outcomes = {name: _try(model, method) for name, method in model.methods.items()}
    proved: dict[str, bool] = {}
    for name, method in model.methods.items():
        shortcut = None
        if shortcuts and not outcomes[name]:
            shortcut = direct.prove(method, sample(method, model.directory))
        if shortcut is not None:
            model.shortcuts[name] = shortcut
            proved[name] = shortcut.nulls
    return {"methods": outcomes, "direct": proved}


def adopt(model: LoadedModel, proved: dict[str, bool]) -> None:
    """Let methods call their library directly, as proved in a process forked from the same one."""
    for name, nulls in proved.items():
        shortcut = direct.find(model.methods[name])
        if shortcut is not None:
            shortcut.nulls = nulls
            model.shortcuts[name] = shortcut


def _try(model: LoadedModel, method: WorkerMethod) -> str:
    try:
        columns = sample(method, model.directory)
        rows = len(columns[0].values) if columns else 1
        method.answer(method.frame(columns, rows), rows)
    except Exception as error:  # noqa: BLE001  # the boundary of a trial: a model may raise anything
        return f"{type(error).__name__}: {str(error)[:500]}"
    return ""


def sample(method: WorkerMethod, directory: str) -> list[WireColumn]:
    """Input columns: the version's own sample if it fits the method, else stand-ins."""
    recorded = _recorded(directory)
    names = [name.upper() for name in method.inputs]
    if recorded is None or [name.upper() for name, _ in recorded] != names:
        shapes = [shape_of(feature) for feature in _features(method)]
        recorded = [(name, [_zeros(shape)]) for name, shape in zip(method.inputs, shapes)]
    kinds = [convert.sql_kind(kind) for kind in method.input_types]
    return [_column(name, kind, values) for (name, values), kind in zip(recorded, kinds)]


def _features(method: WorkerMethod) -> list[Any]:
    """Features of each input in the vendor's function file; None where it knows nothing."""
    features = getattr(method.module, "features", None)
    known = isinstance(features, (list, tuple)) and len(features) == len(method.inputs)
    return list(features) if known and features else [None] * len(method.inputs)


def _zeros(shape: Any) -> Any:
    """Zeros in a shape, lengths that are open being 1; None if there is no shape."""
    if not shape:
        return None
    inner = _zeros(shape[1:])
    return [0.0 if inner is None else inner] * max(1, int(shape[0]))


def _recorded(directory: str) -> Optional[list[tuple[str, list[Any]]]]:
    try:
        with open(os.path.join(directory, SAMPLE), encoding="utf-8") as file:
            split = json.load(file)["dataframe_split"]
        return [
            (str(name), [row[at] for row in split["data"]])
            for at, name in enumerate(split["columns"])
        ]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None  # a version need not have a sample


def _column(name: str, kind: str, values: list[Any]) -> WireColumn:
    import numpy as np

    if kind not in convert.DTYPES:
        stand_in = _STAND_INS.get(kind)
        return WireColumn(name, kind, [stand_in if value is None else value for value in values])
    filled = [0 if value is None else value for value in values]
    return WireColumn(name, kind, np.array(filled, dtype=convert.DTYPES[kind]))
