"""The life of a service: deploy a model, put it to sleep, wake it from SQL and over HTTP, scale it
out and in under load, kill one of its workers, and see that what is in use cannot be dropped.

Every answer must be that of the model in memory, and no request may fail.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from snowflake.ml.registry import Registry
from snowflake.snowpark import Row, Session
from snowflake.snowpark.exceptions import SnowparkSQLException

sys.path.insert(0, str(Path(__file__).parent))
from deployment import access_token, arguments, post, prepare
from steps import finish, same, step

MODEL, VERSION, SERVICE = "LIFECYCLE_MODEL", "V1", "LIFECYCLE_SERVICE"
COLUMNS = ["A", "B", "C"]
TIMEOUT_S = 120.0


class Life:
    """One deployed model, and what it is expected to answer."""

    def __init__(self, session: Session, sample: pd.DataFrame, expected: np.ndarray) -> None:
        self.session = session
        self.sample = sample
        self.expected = expected
        self.url = self.token = ""

    def sql(self, text: str) -> list[Row]:
        """The rows of a statement."""
        rows: list[Row] = self.session.sql(text).collect()
        return rows

    def call_by_sql(self, what: str) -> None:
        """Predict the sample in one statement."""
        values = ", ".join(str(tuple(row)) for row in self.sample.to_numpy().tolist())
        rows = self.sql(
            f"SELECT {SERVICE}!PREDICT(A, B, C):output_feature_0::FLOAT AS Y "
            f"FROM (VALUES {values}) AS T(A, B, C)"
        )
        same(what, sorted(self.expected), sorted(row["Y"] for row in rows), tolerance=1e-4)

    def call_by_http(self, what: str) -> None:
        """Predict the sample in one request."""
        same(what, self.expected, self.answers_over_http(), tolerance=1e-4)

    def answers_over_http(self) -> list[float]:
        """The answers to one request."""
        flat = [[index, *row] for index, row in enumerate(self.sample.to_numpy().tolist())]
        return [row["output_feature_0"] for row in post(self.url, self.token, {"data": flat})]

    def status(self) -> str:
        """What SHOW SERVICES says."""
        return str(self.sql(f"SHOW SERVICES LIKE '{SERVICE}'")[0]["status"])

    def suspend(self) -> None:
        """Put the service to sleep, and wait until it sleeps."""
        self.sql(f"ALTER SERVICE {SERVICE} SUSPEND")
        self._wait("SUSPENDED", lambda: self.status() == "SUSPENDED")

    def ready(self) -> list[Row]:
        """The instances that answer."""
        rows = self.sql(f"SHOW SERVICE INSTANCES IN SERVICE {SERVICE}")
        return [row for row in rows if row["status"] == "READY"]

    def scale(self, count: int) -> None:
        """Ask for exactly so many instances, and wait until as many are ready."""
        self.sql(f"ALTER SERVICE {SERVICE} SET MIN_INSTANCES = {count} MAX_INSTANCES = {count}")

        def scaled() -> bool:
            shown = self.sql(f"SHOW SERVICE INSTANCES IN SERVICE {SERVICE}")
            return len(shown) == len(self.ready()) == count

        self._wait(f"{count} instances", scaled)

    def show_containers(self) -> None:
        """Print what SHOW SERVICE CONTAINERS says of each."""
        for row in self.sql(f"SHOW SERVICE CONTAINERS IN SERVICE {SERVICE}"):
            print(f"  instance {row['instance_id']}: {row['status']}, {row['message']}", flush=True)

    def _wait(self, what: str, is_so: Any) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not is_so():
            if time.monotonic() > deadline:
                self.show_containers()
                sys.exit(f"✗ no {what} within {TIMEOUT_S:g} s; the service is {self.status()}")
            time.sleep(0.1)


@contextmanager
def load(life: Life, what: str, *, clients: int = 2) -> Iterator[None]:
    """Requests without a pause while the block runs and a little longer; one that fails ends the
    program."""
    over, counts, failures = threading.Event(), [0] * clients, list[str]()

    def client(number: int) -> None:
        while not over.is_set():
            try:
                found = life.answers_over_http()
            except (OSError, http.client.HTTPException) as error:
                failures.append(str(error))
                continue
            counts[number] += 1
            if not np.allclose(found, life.expected, atol=1e-4):
                failures.append(f"other answers: {found}")

    threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
        time.sleep(1.0)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    print(f"  {what}: {sum(counts)} requests answered, {len(failures)} failed", flush=True)
    if failures or not all(counts):
        sys.exit(f"✗ {what}: {failures[:3] or 'a client got no answer'}")


def instance_folder() -> Path:
    """The folder of the service's instance; the server keeps one for each."""
    home = Path(os.environ.get("SNOWFLAKE_HOME") or Path.home() / ".nunatak")
    for document in sorted((home / "instances").glob("*/instance.json")):
        if json.loads(document.read_text())["service"].endswith(f".{SERVICE}"):
            return document.parent
    sys.exit(f"✗ no instance of {SERVICE} under {home / 'instances'}")


def workers(folder: Path) -> dict[str, Any]:
    """What an instance says of its workers."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(json.loads((folder / "instance.json").read_text())["socket"])
        connection.request("GET", "/status")
        found: dict[str, Any] = json.load(connection.getresponse())["workers"]
        return found
    finally:
        connection.close()


def kill_a_worker(life: Life) -> None:
    """Kill one worker of the instance with SIGKILL; another takes its place."""
    folder = instance_folder()
    before = workers(folder)
    os.kill(before["pids"][0], signal.SIGKILL)
    deadline = time.monotonic() + TIMEOUT_S
    while (now := workers(folder))["restarts"] == before["restarts"] or now["ready"] < now["size"]:
        if time.monotonic() > deadline:
            life.show_containers()
            sys.exit(f"✗ the worker did not come back: {now}")
        time.sleep(0.05)
    print(f"  worker {before['pids'][0]} killed, ready again: {now['pids'][0]}", flush=True)


def refused(life: Life, statement: str) -> None:
    """A statement that must fail, and name the service."""
    try:
        life.sql(statement)
    except SnowparkSQLException as error:
        if SERVICE not in str(error):
            sys.exit(f"✗ {statement}: the refusal does not name {SERVICE}: {error}")
        print(f"  {statement}: {str(error.message).splitlines()[-1]}", flush=True)
        return
    sys.exit(f"✗ {statement} was not refused")


def deploy(session: Session, index_hosts: str) -> Life:
    """Train, log and deploy a small model on a pool that may grow to two nodes."""
    integration = prepare(session, index_hosts)
    session.sql("ALTER COMPUTE POOL DEMO_POOL SET MAX_NODES = 2").collect()
    values = np.random.default_rng(7).normal(size=(500, len(COLUMNS))).round(3)
    frame = pd.DataFrame(values, columns=COLUMNS)
    model = xgboost.XGBRegressor(n_estimators=20, max_depth=3)
    model.fit(frame, frame["A"] * 2 - frame["B"])
    life = Life(session, frame[:20], model.predict(frame[:20]))
    registry = Registry(session, database_name="DEMO", schema_name="ML")
    with step("log_model"):
        version = registry.log_model(
            model, model_name=MODEL, version_name=VERSION, sample_input_data=frame[:100]
        )
    with step("create_service (build, deploy, wait until it runs)"):
        version.create_service(
            service_name=SERVICE,
            service_compute_pool="DEMO_POOL",
            image_repo="DEMO.ML.IMAGES",
            ingress_enabled=True,
            min_instances=1,
            max_instances=1,
            num_workers=1,
            build_external_access_integrations=[integration] if integration else None,
        )
    address = life.sql(f"SHOW ENDPOINTS IN SERVICE {SERVICE}")[0]["ingress_url"]
    life.url, life.token = f"http://{address}/predict", access_token(session, "LIFECYCLE_TOKEN")
    return life


def sleep_and_wake(life: Life) -> None:
    """Twice asleep, woken once by a statement and once by a request."""
    with step("suspend"):
        life.suspend()
    with step("wake by SQL (the statement waits, and is answered)"):
        life.call_by_sql("SQL")
    with step("suspend again"):
        life.suspend()
        life.show_containers()
    with step("wake by HTTP (the request is held, and answered)"):
        life.call_by_http("HTTP")


def main() -> None:
    """Run every step; exit non-zero at the first difference."""
    options = arguments(__doc__ or "")
    with step("connect"):
        session = Session.builder.config("connection_name", options.connection).create()
    life = deploy(session, options.index_hosts)
    with step("call"):
        life.call_by_sql("SQL")
        life.call_by_http("HTTP")
    sleep_and_wake(life)
    with step("scale out to two instances and back in, under load"), load(life, "meanwhile"):
        life.scale(2)
        life.show_containers()
        life.scale(1)
    with step("kill a worker three times under load"), load(life, "meanwhile"):
        for _ in range(3):
            kill_a_worker(life)
            time.sleep(1.0)  # a request on which two workers die is given up, as its own fault
    with step("what is in use cannot be dropped, running or asleep"):
        refused(life, f"DROP MODEL {MODEL}")
        life.suspend()
        refused(life, f"DROP MODEL {MODEL}")
    with step("drop"):
        life.sql(f"DROP SERVICE {SERVICE}")
        life.sql(f"DROP MODEL {MODEL}")
        if life.sql(f"SHOW SERVICES LIKE '{SERVICE}'") or life.sql(f"SHOW MODELS LIKE '{MODEL}'"):
            sys.exit("✗ something is left")
        life.sql("DROP COMPUTE POOL DEMO_POOL")
    session.close()
    finish("lifecycle")


if __name__ == "__main__":
    main()
