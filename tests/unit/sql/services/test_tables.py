"""What TABLE(s!SPCS_GET_LOGS()), …_EVENTS() and …_METRICS() answer."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key
from nunatak.compute.runtime import Phase
from nunatak.errors import ObjectNotFound, PrivilegeMissing
from nunatak.models.versions import MODEL, MODEL_VERSION, ModelSpec, VersionSpec
from nunatak.services.model.spec import service_key
from nunatak.sql.language.functions import functions_in_queries
from nunatak.sql.services import tables
from support.plane import World, told

START = 1_000_000.0
LOG = """1970-01-12T13:46:40.000Z pid=1 request=r1 | one
continued
1970-01-12T13:46:50.000Z pid=1 request=r2 | two
"""


def ask(world: World, function: str, name: str = "SVC", **arguments: Any) -> list[dict[str, Any]]:
    """The rows of a function."""
    table = functions_in_queries(world.injector).service_tables[function]
    batches = table(world.session, (name,), arguments).batches
    return [row for batch in batches for row in batch.to_pylist()]


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def test_a_line_without_a_time_has_that_of_the_one_before(running: World) -> None:
    running.runtime.log = LOG

    rows = ask(running, "SPCS_GET_LOGS")
    later = ask(running, "SPCS_GET_LOGS", START_TIME=moment(START + 5))

    of_model = [row for row in rows if row["CONTAINER_NAME"] == "model-inference"]
    times = [row["TIMESTAMP"] for row in of_model]
    assert sorted({row["CONTAINER_NAME"] for row in rows}) == ["model-inference", "proxy"]
    assert times == sorted(times)
    assert len(set(times)) == 2
    assert {row["LOG"][-3:] for row in later} == {"two"}
    assert {row["INSTANCE_ID"] for row in rows} == {0}


def test_the_log_of_a_build_is_its_containers(running: World) -> None:
    (build,) = [row["name"] for row in running.rows("SHOW JOB SERVICES")]

    rows = ask(running, "SPCS_GET_LOGS", build)

    assert {row["CONTAINER_NAME"] for row in rows} == {"model-build"}
    assert any("installing everything" in row["LOG"] for row in rows)


def test_a_failure_is_an_error_with_its_reason(running: World) -> None:
    running.advance(100)
    running.runtime.become(Phase.EXITED, exit_code=3)
    running.settle()

    rows = ask(running, "SPCS_GET_EVENTS", START_TIME=moment(START + 50))
    before = ask(running, "SPCS_GET_EVENTS", END_TIME=moment(START + 50))

    failed = [row for row in rows if row["SEVERITY"] == "ERROR"]
    details = json.loads(failed[0]["EVENT_DETAILS"])
    assert (failed[0]["EVENT_NAME"], failed[0]["INSTANCE_ID"]) == ("CONTAINER.STATUS_CHANGE", 0)
    assert (details["status"], details["previous_status"]) == ("FAILED", "READY")
    assert "exit code 3" in details["message"]
    assert json.loads(failed[0]["RECORD_ATTRIBUTES"]) == {"actor": "SYSTEM"}
    assert {json.loads(row["EVENT_DETAILS"])["status"] for row in before} == {
        "PENDING",
        "READY",
        "RUNNING",
    }


def test_metrics_of_an_instance_and_of_the_whole_service(running: World) -> None:
    name = "nunatak_inference_requests_total"
    text = told((name, "counter", {"outcome": "answered"}, 7))
    running.metrics.texts = dict.fromkeys(running.runtime.running, text)
    running.advance(20)

    rows = ask(running, "SPCS_GET_METRICS")

    found = {(row["METRIC_NAME"], row["INSTANCE_ID"]): row for row in rows}
    assert found[name, 0]["VALUE"] == found[name, None]["VALUE"] == "7"
    assert json.loads(found[name, 0]["RECORD_ATTRIBUTES"]) == {"outcome": "answered"}
    assert found["container.restarts", 0]["VALUE"] == "0"
    assert found["container.state.ready", 0]["VALUE"] == "1"
    assert found["container.memory.usage", 0]["UNIT"] == "bytes"
    assert found["container.cpu.usage", 0]["CONTAINER_NAME"] == "model-inference"


@pytest.mark.parametrize("function", ["SPCS_GET_LOGS", "SPCS_GET_EVENTS", "SPCS_GET_METRICS"])
def test_each_needs_monitor_and_a_service(running: World, function: str) -> None:
    with pytest.raises(ObjectNotFound):
        ask(running, function, "NOPE")
    running.session.role = "ANALYST"
    with pytest.raises(ObjectNotFound, match="SVC"):
        ask(running, function)
    grants = running.parts.access.grants
    grants.grant(["USAGE"], "SERVICE", "DB.S.SVC", role="ANALYST", by="ACCOUNTADMIN")
    with pytest.raises(PrivilegeMissing, match="MONITOR"):
        ask(running, function)


@pytest.fixture
def in_warehouse(running: World) -> World:
    """Model DB.S.M, whose only version the warehouse has loaded."""
    world = running
    with world.catalog.write() as tx:
        model = tx.create(Key(MODEL, "M", "DB", "S"), "ACCOUNTADMIN", spec=ModelSpec())
        version = VersionSpec(id="v-1")
        tx.create(Key(MODEL_VERSION, "V1", parent_id=model.id), "ACCOUNTADMIN", spec=version)
    calls, served = world.services.warehouse, world.models.model
    world.finish(world.begin(lambda: calls.open(served, threading.Event()))).release()
    world.settle()
    return world


def test_a_model_in_the_warehouse_is_watched_by_its_name(in_warehouse: World) -> None:
    logs, events, metrics = (
        ask(in_warehouse, function, "M")
        for function in ("SPCS_GET_LOGS", "SPCS_GET_EVENTS", "SPCS_GET_METRICS")
    )

    assert {row["CONTAINER_NAME"] for row in logs} == {"model-inference", "proxy"}
    states = {json.loads(row["EVENT_DETAILS"])["status"] for row in events}
    assert states == {"PENDING", "READY", "RUNNING"}
    assert any(row["METRIC_NAME"] == "container.state.ready" for row in metrics)


def test_a_service_of_the_same_name_is_watched_before_the_model(in_warehouse: World) -> None:
    in_warehouse.query_id = in_warehouse.query_id.replace("aa", "bb")
    in_warehouse.pool("OTHER")
    in_warehouse.deploy(in_warehouse.order(service=QualifiedName("DB", "S", "M"), pool="OTHER"))
    in_warehouse.settle()

    rows = ask(in_warehouse, "SPCS_GET_EVENTS", "M")

    states = [json.loads(row["EVENT_DETAILS"])["status"] for row in rows]
    assert states.count("RUNNING") == 1
    in_warehouse.services.commands.drop(service_key(QualifiedName("DB", "S", "M")))
    in_warehouse.settle()
    assert ask(in_warehouse, "SPCS_GET_LOGS", "M")


@pytest.mark.parametrize("name", ["M", "NOPE"])
def test_who_may_not_watch_a_model_is_not_told_whether_it_is_loaded(
    in_warehouse: World, name: str
) -> None:
    in_warehouse.session.role = "ANALYST"

    with pytest.raises(ObjectNotFound, match=f"Service 'DB.S.{name}' does not exist"):
        ask(in_warehouse, "SPCS_GET_LOGS", name)


@pytest.mark.parametrize("function", ["SPCS_GET_LOGS", "SPCS_GET_EVENTS", "SPCS_GET_METRICS"])
def test_a_service_that_takes_the_name_meanwhile_is_not_read_with_the_models_right(
    in_warehouse: World, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = in_warehouse
    world.query_id = world.query_id.replace("aa", "bb")
    world.pool("OTHER")
    world.parts.access.grants.grant(["MONITOR"], MODEL, "DB.S.M", role="ANALYST", by="ACCOUNTADMIN")
    world.session.role = "ANALYST"
    assert ask(world, "SPCS_GET_LOGS", "M")
    asked = tables._key

    def taken_after_the_first(*given: Any) -> Key:
        monkeypatch.setattr(tables, "_key", asked)
        found = asked(*given)
        world.deploy(world.order(service=QualifiedName("DB", "S", "M"), pool="OTHER"))
        return found

    monkeypatch.setattr(tables, "_key", taken_after_the_first)
    with pytest.raises(ObjectNotFound, match=r"Service 'DB\.S\.M' does not exist"):
        ask(world, function, "M")
