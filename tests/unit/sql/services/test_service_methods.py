"""Functions of services, `s!SPCS_…`, with CALL and SELECT."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import InvalidArgument, ObjectNotFound
from nunatak.services.commands.deploy import build_name
from nunatak.sql.language.statement import parse_registered
from nunatak.sql.language.system_functions import parse_system_select
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.statement_text import StatementText
from support.plane import QUERY_ID, World, open_world

BUILD = build_name(QUERY_ID)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_world(tmp_path) as opened:
        opened.pool()
        yield opened


def test_waiting_ends_with_the_status_that_is_reached(world: World) -> None:
    world.begin_deploy()
    world.settle()
    assert world.value("CALL DB.S.SVC!SPCS_WAIT_FOR('RUNNING', 60)") == "RUNNING"
    world.rows("ALTER SERVICE SVC SUSPEND")
    waiting = world.begin(lambda: world.value("CALL SVC!SPCS_WAIT_FOR('suspended', 60)"))
    assert world.finish(waiting) == "SUSPENDED"
    assert world.value(f"CALL {BUILD}!SPCS_WAIT_FOR('DONE', 60)") == "DONE"


def test_waiting_ends_when_its_time_is_over(world: World) -> None:
    world.deploy()
    assert world.value("CALL SVC!SPCS_WAIT_FOR('SUSPENDED', 0)") == "RUNNING"


def test_waiting_for_what_will_never_come_ends_at_once(world: World) -> None:
    world.deploy()
    assert world.value(f"CALL {BUILD}!SPCS_WAIT_FOR('CANCELLED', 86400)") == "DONE"


def test_a_job_is_cancelled(world: World) -> None:
    world.builder.gate = threading.Event()
    deploying = world.begin_deploy()
    while not world.snapshot().builds:
        threading.Event().wait(0.001)
    world.plane.iterate()
    assert "being cancelled" in world.value(f"CALL DB.S.{BUILD}!SPCS_CANCEL_JOB()")
    with pytest.raises(Exception, match="cancelled"):
        world.finish(deploying)
    assert world.value(f"CALL {BUILD}!SPCS_WAIT_FOR('CANCELLED', 60)") == "CANCELLED"


def test_what_is_asked_wrongly_is_refused(world: World) -> None:
    world.deploy()
    with pytest.raises(InvalidArgument, match="waits for one of"):
        world.rows("CALL SVC!SPCS_WAIT_FOR('HAPPY', 1)")
    with pytest.raises(InvalidArgument, match="not a job"):
        world.rows("CALL SVC!SPCS_CANCEL_JOB()")
    with pytest.raises(ObjectNotFound):
        world.rows("CALL NONE!SPCS_WAIT_FOR('DONE', 1)")
    world.session.role = "ANALYST"
    with pytest.raises(ObjectNotFound):
        world.rows("CALL SVC!SPCS_WAIT_FOR('DONE', 1)")


def test_select_asks_the_same_and_leaves_methods_of_models_alone(world: World) -> None:
    world.deploy()
    found = parse_system_select(
        TokenCursor(StatementText("SELECT DB.S.SVC!SPCS_WAIT_FOR('RUNNING', 1) AS x"))
    )
    assert found is not None
    result = found.run(world.context(), world.injector)
    rows = [row for batch in result.batches for row in batch.to_pylist()]  # type: ignore[union-attr]
    assert rows == [{"X": "RUNNING"}]
    assert parse_system_select(TokenCursor(StatementText("SELECT SVC!PREDICT(1)"))) is None
    assert parse_registered(TokenCursor(StatementText("SELECT SVC!PREDICT(1)"))) is None
