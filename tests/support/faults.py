"""Deployments whose processes are killed: what must hold after each death.

A `Deployment` runs on a `Ground` and remembers what the server acknowledged. After a kill,
`settle` brings the server back, and raises AssertionError when anything acknowledged is lost, the
service does not answer, or a process or folder is left over.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snowflake import connector
from snowflake.connector.errors import Error

from support.doubler import write_doubler
from support.ground import SCHEMA, SERVICE, WAIT_S, Ground, ask, run, wait_for

MODEL = "DOUBLER"
PREDICT = f"SELECT {SERVICE}!PREDICT(21::DOUBLE):Y::DOUBLE"
_PUT_S = 15
_BODY = {"data": [[0, 21.0]]}


@dataclass(frozen=True)
class Promise:
    """Something that the server acknowledged, and the statement that must find it ever after."""

    look: str
    rows: Sequence[tuple[Any, ...]]


def prepare(ground: Ground) -> None:
    """Log the model, build its environment, and make what deployments need."""
    with tempfile.TemporaryDirectory() as name:
        write_doubler(Path(name))
        folders = [Path(name), *(path for path in Path(name).rglob("*") if path.is_dir())]
        puts = [
            f"PUT 'file://{folder}/*.*' @LOGGED/{_within(folder, name)} AUTO_COMPRESS = FALSE"
            for folder in folders
            if any(path.is_file() for path in folder.iterdir())
        ]
        ground.sql(
            "CREATE COMPUTE POOL P MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S",
            "CREATE IMAGE REPOSITORY IMAGES",
            "CREATE STAGE LOGGED",
            "CREATE STAGE KEPT",
            "CREATE ROLE READER",
            *puts,
            f"CREATE MODEL {MODEL} WITH VERSION V1 FROM @LOGGED/V",
            "CREATE TABLE NUMBERS (N INT)",
        )
    ground.sql(deploy_text(force=False))
    drop(ground)


def drop(ground: Ground) -> None:
    """Drop the service and its builds, and wait until nothing of them is left."""
    names = [item.name for item in ground.objects("SERVICE") if " " not in item.name]
    ground.sql(*(f"DROP SERVICE {name} FORCE" for name in names))
    wait_for("end of all services", lambda: not ground.objects("SERVICE"))
    wait_for("end of all processes", lambda: not ground.strangers())
    assert not ground.leftovers()


class Deployment(threading.Thread):
    """Makes objects of several kinds, deploys, calls, suspends, wakes and calls again, while rows
    are written beside it.

    It ends when it is done or when the server is gone; what was acknowledged stays in it.
    """

    def __init__(
        self, ground: Ground, number: int, *, force_rebuild: bool = False, workers: int = 1
    ) -> None:
        super().__init__(name=f"deployment {number}", daemon=True)
        self._ground = ground
        self._text = deploy_text(force=force_rebuild, workers=workers)
        self._over = threading.Event()
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._name = f"MADE_{number}"
        self.first = number * 1_000_000
        self.promises: list[Promise] = []
        self.numbers: list[int] = []
        self.suspended: bool | None = None
        """What the service was last known to be wanted to be; None while nobody can tell."""
        self.failure: Exception | None = None
        self.done = False

    def run(self) -> None:
        """Go through a service's life."""
        self._writer.start()
        try:
            with self._ground.connection() as opened:
                cursor = opened.cursor()
                run(cursor, f"USE SCHEMA {SCHEMA}")
                self._make(cursor)
                self._serve(cursor)
            self.done = True
        except Exception as error:  # noqa: BLE001  # raised in `end`, in the thread of the test
            self.failure = error
        finally:
            self._over.set()

    def end(self) -> None:
        """Wait until it has noticed what happened."""
        self._over.set()
        self.join(WAIT_S)
        self._writer.join(WAIT_S)
        assert not self.is_alive(), "a statement hangs after its server died"
        # The connector's timers tell a server that is gone to cancel; what they raise belongs here.
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join(WAIT_S)
        if self.failure is not None and not isinstance(self.failure, (Error, OSError)):
            raise self.failure

    def _make(self, cursor: connector.cursor.SnowflakeCursor) -> None:
        name = self._name
        run(cursor, f"CREATE TABLE {name} (N INT)")
        self._promise(f"SELECT COUNT(*) FROM {name}", (0,))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "kept.txt").write_text(f"{name}\n")
            put = f"PUT 'file://{folder}/kept.txt' @KEPT/{name} AUTO_COMPRESS = FALSE"
            cursor.execute(put, timeout=_PUT_S)
        self._promise(f"SELECT $1 FROM @KEPT/{name}/kept.txt", (name,))
        run(cursor, f"ALTER MODEL {MODEL} ADD VERSION {name} FROM @LOGGED/V")
        shown = f'SHOW VERSIONS IN MODEL {MODEL} ->> SELECT "name" FROM $1'
        self._promise(f"{shown} WHERE \"name\" = '{name}'", (name,))
        run(cursor, f"GRANT SELECT ON TABLE {name} TO ROLE READER")
        shown = f'SHOW GRANTS ON TABLE {name} ->> SELECT "privilege" FROM $1'
        self._promise(f"{shown} WHERE \"grantee_name\" = 'READER'", ("SELECT",))

    def _promise(self, look: str, *rows: tuple[Any, ...]) -> None:
        self.promises.append(Promise(look, rows))

    def _serve(self, cursor: connector.cursor.SnowflakeCursor) -> None:
        run(cursor, self._text)
        self.suspended = False
        run(cursor, PREDICT)
        self.suspended = None
        run(cursor, f"ALTER SERVICE {SERVICE} SUSPEND")
        self.suspended = True
        wait_for("suspended service", self._asleep)
        self.suspended = None
        run(cursor, PREDICT)
        self.suspended = False

    def _asleep(self) -> bool:
        return self._over.is_set() or bool(self._ground.services("SUSPENDED"))

    def _write(self) -> None:
        number = self.first
        with contextlib.suppress(Error, OSError), self._ground.connection() as opened:
            cursor = opened.cursor()
            while not self._over.wait(0.2):
                run(cursor, f"INSERT INTO {SCHEMA}.NUMBERS VALUES ({number})")
                self.numbers.append(number)
                number += 1


def check_answers(instances: dict[int, Path]) -> None:
    """Instances answer on their sockets, and answer right, whoever else is gone."""
    for path in instances.values():
        assert ask(path, "/predict", _BODY)["data"][0][1] == {"Y": 42.0}


def check_promises(ground: Ground, promises: Sequence[Promise]) -> None:
    """Everything acknowledged is there."""
    for promise in promises:
        assert ground.sql(promise.look) == list(promise.rows), f"lost: {promise.look}"


def settle(ground: Ground, deployment: Deployment, *, stays: Collection[int] = ()) -> None:
    """After a death: the server runs, nothing acknowledged is lost, the service answers, nothing
    is left over. The service is dropped in the end.

    `stays` are process ids of instances that must be taken over and not replaced.
    """
    if ground.running.process.poll() is not None:
        ground.start()
    deployment.end()
    assert not ground.damage()
    rows = [int(n) for (n,) in ground.sql(f"SELECT N FROM NUMBERS WHERE N >= {deployment.first}")]
    lost = set(deployment.numbers) - set(rows)
    assert not lost, f"{len(lost)} of {len(deployment.numbers)} acknowledged rows are lost"
    assert len(rows) == len(set(rows)), "rows came twice"
    check_promises(ground, deployment.promises)
    _check_wanted(ground, deployment)
    if not any(item.name == SERVICE for item in ground.objects("SERVICE")):
        ground.sql(deploy_text(force=False))  # it was never acknowledged, so its name is free
    assert ground.sql(PREDICT) == [(42.0,)]
    wait_for("service that runs", lambda: ground.services("RUNNING"))
    wait_for("one front", lambda: len(ground.fronts()) == 1, timeout_s=30.0)
    assert not stays or {front.pid for front in ground.fronts()} == set(stays)
    with contextlib.suppress(AssertionError):
        wait_for("end of strangers", lambda: not ground.strangers(), timeout_s=30.0)
    assert not ground.strangers()
    assert not ground.leftovers()
    drop(ground)


def _check_wanted(ground: Ground, deployment: Deployment) -> None:
    """An acknowledged service is there, and is wanted to be as it was last acknowledged."""
    if deployment.suspended is None:
        return
    [service] = [item for item in ground.objects("SERVICE") if item.name == SERVICE]
    assert bool(service.spec.get("suspended")) == deployment.suspended
    if deployment.suspended:
        assert service.state in {"SUSPENDING", "SUSPENDED"}


def deploy_text(*, force: bool, workers: int = 1) -> str:
    """The statement that deploys the model as SERVICE."""
    order = {
        "models": [{"name": f"{SCHEMA}.{MODEL}", "version": "V1"}],
        "image_build": {
            "compute_pool": "P",
            "image_repo": f"{SCHEMA}.IMAGES",
            "force_rebuild": force,
        },
        "service": {
            "name": f"{SCHEMA}.{SERVICE}",
            "compute_pool": "P",
            "min_instances": 1,
            "max_instances": 1,
            "num_workers": workers,
        },
    }
    return f"CALL SYSTEM$DEPLOY_MODEL('{json.dumps(order)}')"


def _within(folder: Path, root: str) -> str:
    """Where a stage keeps a folder of the model's version."""
    return Path("V", folder.relative_to(root)).as_posix()
