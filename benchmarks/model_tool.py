"""Runs in the model's environment: writes request bodies, times the model in memory."""

import json
import sys
import time
from pathlib import Path

import numpy as np


def _tables(rows: int, count: int) -> "list[np.ndarray]":
    """The same ones each time."""
    random = np.random.default_rng(1)
    return [random.normal(size=(rows, 20)) for _ in range(count)]


def bodies(folder: Path, rows: int, count: int, how: str) -> list[str]:
    """Write request bodies; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, table in enumerate(_tables(rows, count)):
        path = folder / f"{rows}-{number}.{how}"
        path.write_bytes(_arrow(table) if how == "arrow" else _json(table))
        names.append(str(path))
    return names


def _json(table: "np.ndarray") -> bytes:
    data = [[index, *row] for index, row in enumerate(table.tolist())]
    return json.dumps({"data": data}).encode()


def _arrow(table: "np.ndarray") -> bytes:
    import pyarrow

    batch = pyarrow.record_batch([*table.T], names=[f"F{i}" for i in range(table.shape[1])])
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def answers(path: Path, rows: int, count: int) -> list[str]:
    """What the model says to each body, as JSON."""
    import xgboost

    model = xgboost.XGBRegressor()
    model.load_model(path)
    return [json.dumps(model.predict(table).tolist()) for table in _tables(rows, count)]


def memory(path: Path, rows: int, seconds: float) -> list[str]:
    """Rows a second of the model called in memory with data frames, by the median call."""
    import pandas
    import xgboost

    model = xgboost.XGBRegressor()
    model.load_model(path)
    names = [f"F{i}" for i in range(20)]
    frame = pandas.DataFrame(np.random.default_rng(1).normal(size=(rows, 20)), columns=names)
    model.predict(frame)
    took: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(took) < 3:
        started = time.perf_counter()
        model.predict(frame)
        took.append(time.perf_counter() - started)
    return [str(rows / sorted(took)[len(took) // 2])]


if __name__ == "__main__":
    what, path, rows, count, how = sys.argv[1:]
    if what == "bodies":
        print(json.dumps(bodies(Path(path), int(rows), int(count), how)))
    elif what == "answers":
        print(json.dumps(answers(Path(path), int(rows), int(count))))
    else:
        print(json.dumps(memory(Path(path), int(rows), float(how))))
