"""Statements in the audit log."""

from __future__ import annotations

import pytest

from nunatak.access.privileges.requirement import Requirement
from nunatak.audit.log import RecordStream
from nunatak.errors import PrivilegeMissing
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result, status_result

from ..conftest import World


@pytest.mark.asyncio
async def test_statements_are_recorded_when_they_have_ended(world: World) -> None:
    def refuse(_: StatementRequest) -> Result:
        raise PrivilegeMissing("no")

    def use(request: StatementRequest) -> Result:
        request.accessed.note(Requirement("SELECT", "TABLE", "DB.S.T"))
        return status_result("done")

    world.script.handlers |= {"refused": refuse, "used": use}
    for text in ("used", "refused", "one; two"):
        await world.run(text, parameters={"MULTI_STATEMENT_COUNT": 0})
    await world.run("described", describeOnly=True)

    records = list(world.audit.newest_first(RecordStream.STATEMENTS, most=99))[::-1]
    assert [(r["text"], r["status"], r["code"]) for r in records] == [
        ("used", "SUCCESS", None),
        ("refused", "FAILED_WITH_ERROR", "003001"),
        ("one", "SUCCESS", None),
        ("two", "SUCCESS", None),
        ("one; two", "SUCCESS", None),
    ]
    assert {(r["user"], r["role"]) for r in records} == {("ADMIN", "ACCOUNTADMIN")}
    assert [r["accessed"] for r in records if r["accessed"]] == [[["SELECT", "TABLE", "DB.S.T"]]]
    assert [r["event"] for r in world.audit.newest_first(RecordStream.ACCESS, most=9)] == [
        "REFUSAL"
    ]
