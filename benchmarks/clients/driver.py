"""Official clients under a harness's command: JSON requests on stdin, JSON answers on stdout.

Runs in an environment of clients, against the connection named nunatak. A request is
``{"do": name, …arguments}``; the answer is ``{"ok": value}`` or ``{"error": text}``.
"""

import json
import os
import sys
import time
import traceback
from typing import Any

import numpy as np
import pandas as pd
from snowflake.ml.model import custom_model
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

COLUMNS = [f"F{i}" for i in range(20)]
DATABASE, POOL = "BENCH", "BENCH_POOL"
_POOL_OPTIONS = "MIN_NODES=1 MAX_NODES=3 INSTANCE_FAMILY=CPU_X64_S"  # a node for each instance


class Weights(custom_model.CustomModel):
    """A model that is mostly one large array, as embeddings and networks are."""

    def __init__(self, context: custom_model.ModelContext) -> None:
        super().__init__(context)
        self.weights = np.load(context.path("weights"))

    @custom_model.inference_api
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row of weights for each row, added up."""
        chosen = frame["F0"].abs().astype(int).to_numpy() % len(self.weights)
        return pd.DataFrame({"output_feature_0": self.weights[chosen].sum(axis=1)})


def frame_of(rows: int) -> pd.DataFrame:
    """Random rows, the same ones each time."""
    values = np.random.default_rng(1).normal(size=(rows, len(COLUMNS)))
    return pd.DataFrame(values, columns=COLUMNS)


class Driver:
    """What the harness may ask for. Times are seconds, taken here around the client's call."""

    def __init__(self) -> None:
        self.session = Session.builder.config("connection_name", "nunatak").create()
        for statement in (
            f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
            f"CREATE SCHEMA IF NOT EXISTS {DATABASE}.ML",
            f"CREATE COMPUTE POOL IF NOT EXISTS {POOL} {_POOL_OPTIONS}",
            f"CREATE IMAGE REPOSITORY IF NOT EXISTS {DATABASE}.ML.REPO",
            f"USE SCHEMA {DATABASE}.ML",
        ):
            self.session.sql(statement).collect()
        self.registry = Registry(self.session, database_name=DATABASE, schema_name="ML")

    def sql(self, text: str) -> dict[str, Any]:
        """Run a statement and fetch everything."""
        cursor = self.session.connection.cursor()
        started = time.perf_counter()
        rows = cursor.execute(text).fetchall()
        return {"seconds": time.perf_counter() - started, "rows": [list(map(str, r)) for r in rows]}

    def select_one(self, count: int) -> dict[str, list[float]]:
        """SELECT 1 through the connector, so many times, and as often its heartbeat."""
        connection = self.session.connection
        cursor = connection.cursor()

        def select() -> None:
            assert cursor.execute("SELECT 1").fetchall() == [(1,)]

        heartbeat = connection.rest._heartbeat  # noqa: SLF001 there is no public way to send one
        ways = {"SELECT 1": select, "heartbeat": heartbeat}
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(count):
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                found[name].append(time.perf_counter() - started)
        return found

    def has(self, kind: str, name: str) -> bool:
        """Whether there is an object of that kind (in the plural) and name."""
        return bool(self.session.sql(f"SHOW {kind} LIKE '{name}'").collect())

    def points(self, rows: int) -> None:
        """The table POINTS: ``rows`` x 20 random numbers, and a number for each row."""
        columns = ", ".join(f"NORMAL(0, 1, RANDOM())::FLOAT AS {name}" for name in COLUMNS)
        self.session.sql(
            f"CREATE OR REPLACE TABLE POINTS AS SELECT SEQ4() AS ID, {columns} "
            f"FROM TABLE(GENERATOR(ROWCOUNT => {rows}))"
        ).collect()

    def log_xgboost(self, name: str, version: str) -> None:
        """100 trees of depth 6 over 20 columns."""
        import xgboost

        frame = frame_of(2000)
        model = xgboost.XGBRegressor(n_estimators=100, max_depth=6, random_state=0)
        model.fit(frame, frame["F0"] * 3 + frame["F1"] ** 2 - frame["F2"])
        self._log(model, name, version)

    def log_weights(self, name: str, version: str, size_bytes: int, folder: str) -> None:
        """A custom model with an array of so many bytes."""
        path = os.path.join(folder, "weights.npy")
        np.save(path, np.random.default_rng(1).random((size_bytes // 8 // 1024, 1024)))
        self._log(Weights(custom_model.ModelContext(weights=path)), name, version)

    def _log(self, model: Any, name: str, version: str) -> None:
        self.registry.log_model(
            model, model_name=name, version_name=version, sample_input_data=frame_of(100)
        )

    def deploy(self, name: str, version: str, service: str, workers: int | None) -> float:
        """create_service, until the service runs."""
        started = time.perf_counter()
        self.registry.get_model(name).version(version).create_service(
            service_name=service,
            service_compute_pool=POOL,
            image_repo=f"{DATABASE}.ML.REPO",
            ingress_enabled=True,
            min_instances=1,
            max_instances=1,
            num_workers=workers,
        )
        return time.perf_counter() - started

    def endpoint(self, service: str) -> dict[str, str]:
        """Where a service answers over HTTP, and the token of this session."""
        rows = self.session.sql(f"SHOW ENDPOINTS IN SERVICE {service}").collect()
        return {"url": rows[0]["ingress_url"], "token": self.session.connection.rest.token}

    def memory(self, name: str, version: str, rows: int, seconds: float) -> dict[str, float]:
        """The logged model loaded into this process and called with frames of so many rows."""
        model = self.registry.get_model(name).version(version).load(force=True)
        frame = frame_of(rows)
        took: list[float] = []
        model.predict(frame)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or len(took) < 3:
            started = time.perf_counter()
            model.predict(frame)
            took.append(time.perf_counter() - started)
        middle = sorted(took)[len(took) // 2]
        return {"p50_ms": 1000 * middle, "rows_per_s": rows / middle}


def main() -> None:
    """Answer requests until stdin ends; whatever clients print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    driver = Driver()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": getattr(driver, request.pop("do"))(**request)}
        except Exception:
            answer = {"error": traceback.format_exc()[-4000:]}
        print(json.dumps(answer), file=answers, flush=True)
    driver.session.close()


if __name__ == "__main__":
    main()
