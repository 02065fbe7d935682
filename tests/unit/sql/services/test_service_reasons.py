"""DESCRIBE and SHOW say at any moment why a thing is as it is, and what to do about it."""

from __future__ import annotations

import threading

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.compute.runtime import Phase
from nunatak.errors import BuildFailed, InvalidArgument, Unsupported
from nunatak.services.documents.specification import parse_specification
from nunatak.services.model.spec import IDLE_SUSPEND_S
from support.plane import DIGEST, World

OTHER = QualifiedName("DB", "S", "OTHER")


def pool(world: World) -> str:
    """What DESCRIBE COMPUTE POOL says."""
    return str(world.row("DESC COMPUTE POOL POOL")["status_message"])


def service(world: World) -> str:
    """What DESCRIBE SERVICE says."""
    return str(world.row("DESC SERVICE SVC")["message"])


def containers(world: World) -> list[str]:
    """What SHOW SERVICE CONTAINERS says of each."""
    return [row["message"] for row in world.rows("SHOW SERVICE CONTAINERS IN SERVICE SVC")]


def test_who_suspended_a_service(running: World) -> None:
    running.rows("ALTER SERVICE SVC SUSPEND")
    running.settle()

    suspended = "The service was suspended by U (role ACCOUNTADMIN). ALTER SERVICE DB.S.SVC RESUME "
    assert service(running).startswith(
        suspended + "starts it, and so does a call. Its model is parked"
    )
    assert containers(running) == [service(running)]
    running.rows("ALTER SERVICE SVC SET AUTO_RESUME = FALSE")
    running.settle()
    assert service(running).startswith(suspended + "starts it: AUTO_RESUME is off.")
    running.rows("ALTER SERVICE SVC RESUME")
    running.settle()
    assert service(running) == "Running"


def test_a_service_that_suspended_itself_says_after_how_long(running: World) -> None:
    running.advance(IDLE_SUSPEND_S + 1)
    running.settle()

    assert f"suspended after {IDLE_SUSPEND_S} s without a request" in service(running)


def test_a_service_suspended_with_its_pool(running: World) -> None:
    running.rows("ALTER COMPUTE POOL POOL SUSPEND")
    running.settle()

    assert "suspended by U (role ACCOUNTADMIN)" in pool(running)
    assert "so does work that needs it" in pool(running)
    assert "suspended with its pool. ALTER COMPUTE POOL POOL RESUME" in service(running)


def test_an_idle_pool_says_after_how_long_it_went_to_sleep(running: World) -> None:
    running.rows("DROP SERVICE SVC")
    running.settle()
    running.advance(3601)
    running.settle()

    assert "suspended after 3600 s without use" in pool(running)


def test_work_without_room_says_what_would_make_room(running: World) -> None:
    running.query_id = "1" * 32
    deploying = running.begin_deploy(running.order(service=OTHER))
    while not running.row("DESC COMPUTE POOL POOL")["error_code"]:
        running.plane.iterate()
    running.plane.iterate()
    (waiting,) = running.rows("SHOW SERVICE CONTAINERS IN SERVICE OTHER")
    described = running.row("DESC COMPUTE POOL POOL")
    running.rows("DROP SERVICE SVC")
    running.finish(deploying)

    assert described["error_code"] == 392508
    assert "MAX_NODES is 1. Raise it" in described["status_message"]
    assert waiting["message"].startswith("Unschedulable due to insufficient resources: ")
    assert "MAX_NODES is 1. Raise it" in waiting["message"]


def test_an_instance_that_is_not_ready_names_its_probe(running: World) -> None:
    running.runtime.become(Phase.UNHEALTHY)
    running.settle()
    running.advance(11)
    running.settle()

    assert containers(running) == ["Readiness probe is failing at path: /healthz, port: 5000"]
    assert service(running) == containers(running)[0]


def test_a_crash_loop_shows_the_last_lines_of_the_log(running: World) -> None:
    for _ in range(3):
        running.runtime.become(Phase.EXITED, exit_code=3)
        running.settle()
        running.advance(10)
        running.settle()
    running.runtime.become(Phase.EXITED, exit_code=3)
    running.settle()

    assert running.state() == "FAILED"
    assert "exit code 3" in service(running)
    assert service(running).count("a line of the log") == 1


def test_too_little_memory_comes_with_advice(running: World) -> None:
    running.runtime.become(Phase.EXITED, exit_code=-9, oom=True)
    running.settle()

    assert "ran out of memory" in containers(running)[0]
    assert "num_workers" in containers(running)[0]


def test_a_failed_build_is_named_with_the_way_to_its_log(running: World) -> None:
    running.rows("DROP SERVICE SVC")
    running.builder.failure = BuildFailed("no set of packages meets all requirements")
    running.builder.problems[DIGEST] = "gone"
    running.query_id = "2" * 32
    with pytest.raises(BuildFailed, match="no set of packages"):
        running.deploy(running.order(force_rebuild=True))
    (failed,) = [row for row in running.rows("SHOW JOB SERVICES") if row["status"] == "FAILED"]
    (row,) = running.rows(f"SHOW SERVICE CONTAINERS IN SERVICE {failed['name']}")

    assert row["message"] == "no set of packages meets all requirements"


def test_stop_all_cancels_jobs_and_keeps_their_records(running: World) -> None:
    running.builder.gate = threading.Event()
    running.query_id = "3" * 32
    deploying = running.begin_deploy(running.order(service=OTHER, force_rebuild=True))
    while not any(row["status"] == "RUNNING" for row in running.rows("SHOW JOB SERVICES")):
        running.plane.iterate()
    running.rows("ALTER COMPUTE POOL POOL STOP ALL OF TYPE JOB")
    with pytest.raises(BuildFailed):
        running.finish(deploying)
    kept = [row["status"] for row in running.rows("SHOW JOB SERVICES")]

    assert "CANCELLED" in kept
    assert [row["name"] for row in running.rows("SHOW SERVICES OF TYPE MODEL_SERVING")] == ["SVC"]
    running.rows("ALTER COMPUTE POOL POOL STOP ALL OF TYPE MODEL_SERVING, 'service'")
    assert running.rows("SHOW SERVICES EXCLUDE JOBS") == []
    with pytest.raises(InvalidArgument, match="is no type of work"):
        running.rows("ALTER COMPUTE POOL POOL STOP ALL OF TYPE NONSENSE")


@pytest.mark.parametrize("name", ['"svc"', "_S", "S_", "A" * 64, '"A B"', "A$B"])
def test_a_service_whose_name_is_no_label_is_refused(running: World, name: str) -> None:
    container = f"{{name: a, image: x/model-inference@sha256:{DIGEST}}}"
    with pytest.raises(InvalidArgument, match="cannot be named"):
        running.rows(
            f"CREATE SERVICE {name} IN COMPUTE POOL POOL FROM SPECIFICATION "
            f"$$spec: {{containers: [{container}]}}$$"
        )


def test_probes_of_a_specification_are_the_servers_own() -> None:
    container = f"spec:\n  containers:\n  - name: a\n    image: x/model-inference@sha256:{DIGEST}\n"
    probes = "    readinessProbe: {port: 5000, path: /healthz}\n    livenessProbe: {port: 5000}\n"

    assert parse_specification(container + probes).image == DIGEST
    with pytest.raises(InvalidArgument, match="port 5000, path /healthz"):
        parse_specification(container + "    readinessProbe: {port: 8000}\n")
    with pytest.raises(Unsupported, match=r"livenessProbe\.periodSeconds"):
        parse_specification(container + "    livenessProbe: {periodSeconds: 5}\n")
    with pytest.raises(Unsupported, match="ALL_ENDPOINTS_USAGE"):
        parse_specification(container + "serviceRoles: [{name: r, endpoints: [inference]}]\n")
