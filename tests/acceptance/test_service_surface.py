"""Pools and services as their owner and an operator see them, with the official connector."""

from __future__ import annotations

from typing import Any

import pytest

from support.server import Client

pytestmark = pytest.mark.acceptance

ROWS = "nunatak_inference_rows_total"


@pytest.mark.timeout(600)
def test_a_service_and_its_pool_from_all_sides(client: Client) -> None:
    found = client("service_surface", "SURFACE")

    _check_pools(found["pools"])
    _check_shown(found["shown"])
    _check_functions(found["functions"])
    _check_observed(found["observed"])
    _check_watcher(found["watcher"])
    asleep = found["suspended"]
    assert asleep["status"] == "SUSPENDED"
    assert "suspended by ADMIN (role ACCOUNTADMIN)" in asleep["message"]
    assert "ALTER SERVICE SURFACE.ML.SVC RESUME starts it, and so does a call" in asleep["message"]
    assert asleep["total"] == found["observed"]["metrics"][-1]["V"]
    assert found["stopped"] == []


def _check_pools(found: dict[str, Any]) -> None:
    created, altered = found["created"], found["altered"]
    assert (created["state"], created["auto_suspend_secs"]) == ("SUSPENDED", 60)
    assert (created["placement_group"], created["comment"]) == ("DISTRIBUTED", "c")
    assert created["backup_instance_families"] == "CPU_X64_S"
    assert "was created suspended" in created["status_message"]
    assert (found["tag"], found["no tag"]) == ("a", None)
    assert (altered["max_nodes"], altered["auto_resume"], altered["comment"]) == (3, "false", "d")
    assert (altered["instance_family"], altered["placement_group"]) == ("CPU_X64_S", None)
    assert (altered["auto_suspend_secs"], altered["backup_instance_families"]) == (
        3600,
        "CPU_X64_M",
    )
    assert "without quotes" in found["quoted"]
    assert (found["family"]["gpu"], found["family"]["gpu_count"]) == ("NVIDIA A10G", 1)


def _check_shown(found: dict[str, Any]) -> None:
    assert found["roles"] == ["ALL_ENDPOINTS_USAGE", "INFERENCE_SERVICE_FUNCTION_USAGE"]
    assert found["images"] == '{"images": ["model-inference"]}'
    assert (found["nodes"], found["status"]) == (["ACTIVE"], ["READY"])
    pool = found["pool"]
    assert [pool[name] for name in ("num_services", "num_jobs", "active_nodes", "idle_nodes")] == [
        1,
        0,
        1,
        0,
    ]
    assert (pool["state"], found["jobs"]) == ("ACTIVE", 1)
    assert (found["service"]["message"], found["service"]["is_job"]) == ("Running", "false")
    assert [item["message"] for item in found["containers"]] == ["Running"]
    assert found["without jobs"] == ["SVC"]
    assert "SVC" in found["serving"]
    reasons = (
        "used by SURFACE.ML.SVC",
        "used by service SURFACE.ML.SVC",
        "was made for a model",
        "RESTORE VOLUME",
        "role SYSADMIN, which owns the service, needs READ on it",
        "between 0 and 10000",
        "is not a job",
        "Every service has ALL_ENDPOINTS_USAGE and INFERENCE_SERVICE_FUNCTION_USAGE",
        "Service 'SURFACE.ML.NOPE' does not exist",
        "Unsupported statement: DESCRIBE",
        "EXECUTE JOB SERVICE",
    )
    assert all(why in text for why, text in zip(reasons, found["refused"], strict=True))


def _check_functions(found: dict[str, Any]) -> None:
    assert found["columns"] == ["PLAIN(1, 2)", "CAREFUL(COLUMN1, 2) IS NULL"]
    assert found["nulls"] == [False, True]
    assert found["failed"] is None
    assert "negative" in found["failed alone"]
    assert found["described"]["null handling"] == "RETURNS NULL ON NULL INPUT"
    assert found["described"]["on_batch_failure"] == "RETURN_NULL"


def _check_observed(found: dict[str, Any]) -> None:
    assert found["request id"] == "surface-request-1"
    assert any(line.endswith("| adding 1 rows") for line in found["log"])
    assert [event["S"] for event in found["events"]] == ["PENDING", "PENDING", "READY", "RUNNING"]
    assert [event["I"] for event in found["events"]] == [None, 0, 0, None]
    assert found["earlier events"] == 0
    metrics = {(item["N"], item["I"]): item["V"] for item in found["metrics"]}
    assert metrics["container.memory.usage", 0] > 0
    assert metrics["container.state.ready", 0] == 1
    assert metrics[ROWS, 0] == metrics[ROWS, None] == 4
    status, page = found["page"]
    assert (status, found["no token"]) == (200, 401)
    assert f'{ROWS}{{instance="0",service="SURFACE.ML.SVC"}} 4.0\n' in page


def _check_watcher(found: dict[str, Any]) -> None:
    assert all("does not exist or not authorized" in text for text in found["before"])
    assert found["page before"] == ""
    assert found["after"] == [""] * 3
    assert found["page after"]
    needed = ("OPERATE", "OWNERSHIP", "OPERATE", "MODIFY", "OWNERSHIP")
    assert all(
        f"{what} is needed" in text for what, text in zip(needed, found["changes"], strict=True)
    )
