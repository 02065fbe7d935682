"""Statements: retries run once, long ones are waited for, results are found again."""

from __future__ import annotations

import asyncio
import errno
import json
import threading
import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from nunatak.catalog.sqltypes import NUMBER, VARIANT
from nunatak.config import Limits
from nunatak.errors import DiskFull, InvalidArgument, QueryCancelled, QueryForgotten
from nunatak.protocol.results.kept_results import StoredResults
from nunatak.protocol.statements.routes import parse_bindings
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.parameters import PARAMETERS
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import (
    Field,
    Result,
    StatementKind,
    affected_result,
    rows_result,
)
from nunatak.warehouse.core.session import Session

from ..asgi import get, post, send
from ..conftest import World, until


def _numbers(rows: int) -> Result:
    batch = pa.RecordBatch.from_pydict({"N": list(range(rows))})
    return Result(fields=(Field("N", NUMBER),), batches=[batch])


@pytest.mark.asyncio
async def test_a_retried_request_runs_once(world: World) -> None:
    first = await world.run("insert", request_id="r1")
    again = await world.run("insert", request_id="r1")
    other = await world.run("insert", request_id="r2")

    assert first == again
    assert other["data"] != first["data"]
    assert world.script.ran == ["insert", "insert"]


@pytest.mark.asyncio
async def test_a_retry_waits_for_the_first_one(world: World, gate: threading.Event) -> None:
    def slow(_: StatementRequest) -> Result:
        gate.wait()
        return affected_result(StatementKind.INSERT, inserted=1)

    world.script.handlers["insert"] = slow
    calls = [asyncio.create_task(world.run("insert", request_id="r")) for _ in range(3)]
    await until(lambda: world.script.ran == ["insert"])
    gate.set()
    answers = await asyncio.gather(*calls)

    assert world.script.ran == ["insert"]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["data"]["rowset"] == [["1"]]


@pytest.mark.asyncio
async def test_requests_of_another_session_are_not_mixed_up(world: World) -> None:
    await world.run("a", request_id="same")
    world.token = world.access.sessions.open("ADMIN")[1].token
    await world.run("b", request_id="same")

    assert world.script.ran == ["a", "b"]


@pytest.mark.asyncio
async def test_an_error_of_any_kind_is_answered(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(_: StatementRequest) -> Result:
        raise MemoryError("secret detail")

    world.script.handlers["crash"] = crash

    answer = await world.run("crash")

    assert answer["success"] is False
    assert answer["code"] == "300002"
    assert "secret detail" not in str(answer)
    assert "secret detail" in caplog.text


@pytest.mark.asyncio
async def test_an_error_while_rows_are_read_is_answered(world: World) -> None:
    def rows() -> Any:
        yield pa.RecordBatch.from_pydict({"N": [1]})
        raise InvalidArgument("Division by zero")

    world.script.handlers["q"] = lambda _: Result(fields=(Field("N", NUMBER),), batches=rows())

    answer = await world.run("q")

    assert "Division by zero" in str(answer["message"])


@pytest.mark.asyncio
async def test_dml_is_answered_in_json_with_its_type(world: World) -> None:
    world.script.handlers["u"] = lambda _: affected_result(StatementKind.UPDATE, updated=3)

    data: Any = (await world.run("u"))["data"]

    assert (data["queryResultFormat"], data["rowset"]) == ("json", [["3"]])
    assert data["statementTypeId"] == 0x3200
    assert data["rowtype"][0]["name"] == "number of rows updated"


@pytest.mark.asyncio
async def test_changed_parameters_and_names_are_told(world: World) -> None:
    def use(request: StatementRequest) -> Result:
        request.session.schema = "my schema"
        request.session.parameters["TIMEZONE"] = "UTC"
        return rows_result([Field("status")], [["ok"]])

    world.script.handlers["use"] = use

    data: Any = (await world.run("use"))["data"]

    assert data["finalSchemaName"] == '"my schema"'
    assert data["finalRoleName"] == "ACCOUNTADMIN"
    assert told(data)["TIMEZONE"] == "UTC"


@pytest.mark.asyncio
async def test_every_answer_tells_all_parameters(world: World) -> None:
    """Drivers read and show values by them, each statement's by its own answer."""
    count = {"MULTI_STATEMENT_COUNT": 0}
    asked = {"TIMEZONE": "UTC", "_UNKNOWN": 1, "BINARY_OUTPUT_FORMAT": "base64"}
    answers: list[Any] = [
        await world.run("a"),
        await world.run("a", describeOnly=True),
        await world.run("a; c", parameters=count),
        await world.run("a", parameters=asked),
    ]

    plain, described, several, own = (told(answer["data"]) for answer in answers)

    defaults = {name: parameter.default for name, parameter in PARAMETERS.items()}
    assert plain == described == defaults
    assert several == defaults | {"MULTI_STATEMENT_COUNT": 0}
    assert own == defaults | {"TIMEZONE": "UTC", "BINARY_OUTPUT_FORMAT": "BASE64"}
    assert plain["CLIENT_SESSION_KEEP_ALIVE"] is False
    assert plain["CLIENT_PREFETCH_THREADS"] == 4
    assert plain["TIMESTAMP_LTZ_OUTPUT_FORMAT"] == ""


def told(data: Any) -> dict[str, Any]:
    return {entry["name"]: entry["value"] for entry in data["parameters"]}


@pytest.mark.asyncio
async def test_results_are_bounded_and_indented_as_the_parameters_say(world: World) -> None:
    document = Result(
        fields=(Field("V", VARIANT),),
        batches=[pa.record_batch([pa.array(['{"a":[1.50,{}],"b":"{,"}', None])], names=["V"])],
    )
    world.script.handlers |= {"v": lambda _: document, "big": lambda _: _numbers(1000)}
    world.script.handlers["u"] = lambda _: affected_result(StatementKind.UPDATE, updated=3)

    few: Any = await world.run("big", parameters={"ROWS_PER_RESULTSET": 7})
    json_rows = {"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON"}
    shown: Any = await world.run("v", parameters=json_rows | {"JSON_INDENT": 2})
    compact: Any = await world.run("v", parameters=json_rows)
    counted: Any = await world.run("u", parameters={"ROWS_PER_RESULTSET": 1})

    assert few["data"]["total"] == 7
    assert shown["data"]["rowset"] == [
        ['{\n  "a": [\n    1.50,\n    {}\n  ],\n  "b": "{,"\n}'],
        [None],
    ]
    assert compact["data"]["rowset"] == [['{"a":[1.50,{}],"b":"{,"}'], [None]]
    assert counted["data"]["rowset"] == [["3"]]


class TestPatience:
    """With no patience at all, every statement is told to be asked for again."""

    @pytest.fixture
    def limits(self, limits: Limits) -> Limits:
        """Answers that come at once."""
        return Limits(answer_wait_s=0.0, statement_threads=2)

    @pytest.mark.asyncio
    async def test_a_long_statement_is_asked_for_again(
        self, world: World, gate: threading.Event
    ) -> None:
        def slow(_: StatementRequest) -> Result:
            gate.wait()
            return _numbers(2)

        world.script.handlers["slow"] = slow
        told: Any = await world.run("slow")
        address = told["data"]["getResultUrl"]
        still = await get(world.app, address, token=world.token)
        gate.set()
        query = world.app.execution.queries.find(told["data"]["queryId"])
        assert query is not None
        await query.done.wait()
        ended = await get(world.app, address, token=world.token)

        assert (told["code"], still["code"], ended["code"]) == ("333333", "333333", None)
        assert ended["data"]["total"] == 2


@pytest.mark.asyncio
async def test_an_asynchronous_statement_is_accepted_at_once(
    world: World, gate: threading.Event
) -> None:
    def slow(_: StatementRequest) -> Result:
        gate.wait()
        return _numbers(2)

    world.script.handlers["slow"] = slow
    accepted: Any = await world.run("slow", asyncExec=True)
    query_id = accepted["data"]["queryId"]
    address = f"/monitoring/queries/{query_id}"
    await until(lambda: bool(world.script.ran))
    during = await get(world.app, address, token=world.token)
    gate.set()
    result = await get(world.app, accepted["data"]["getResultUrl"], token=world.token)
    after = await get(world.app, address, token=world.token)

    assert accepted["code"] == "333334"
    uuid.UUID(query_id)
    assert during["data"]["queries"][0]["status"] == "RUNNING"
    assert after["data"]["queries"][0]["status"] == "SUCCESS"
    assert result["data"]["total"] == 2


@pytest.mark.asyncio
async def test_an_asynchronous_statement_is_cancelled_before_it_starts(
    world: World, gate: threading.Event
) -> None:
    def slow(_: StatementRequest) -> Result:
        gate.wait()
        return _numbers(1)

    world.script.handlers["slow"] = slow
    busy = [await world.run("slow", asyncExec=True) for _ in range(2)]
    await until(lambda: len(world.script.ran) == len(busy))
    waiting: Any = await world.run("waiting", asyncExec=True)
    query_id = waiting["data"]["queryId"]

    await post(world.app, f"/queries/{query_id}/abort-request", token=world.token)
    gate.set()
    ended = await get(world.app, f"/queries/{query_id}/result", token=world.token)
    # Version 5 of the connector asks with two slashes.
    seen = await get(world.app, f"/monitoring/queries//{query_id}", token=world.token)

    assert ended["code"] == "000604"
    assert seen["data"]["queries"][0]["status"] == "ABORTED"
    assert "waiting" not in world.script.ran


@pytest.mark.asyncio
async def test_a_statement_is_cancelled_by_request_and_by_id(world: World) -> None:
    def wait(request: StatementRequest) -> Result:
        request.cancelled.wait()
        raise QueryCancelled("SQL execution canceled")

    world.script.handlers["wait"] = wait
    first = asyncio.create_task(world.run("wait", request_id="r"))
    second: Any = await world.run("wait", asyncExec=True)
    await until(lambda: len(world.script.ran) == 2)

    await post(world.app, "/queries/v1/abort-request", {"requestId": "r"}, token=world.token)
    query_id = second["data"]["queryId"]
    await post(world.app, f"/queries/{query_id}/abort-request", token=world.token)
    ended = await get(world.app, f"/queries/{query_id}/result", token=world.token)
    seen = await get(world.app, f"/monitoring/queries/{query_id}", token=world.token)

    assert (await first)["code"] == ended["code"] == "000604"
    assert seen["data"]["queries"][0]["status"] == "ABORTED"


@pytest.mark.asyncio
async def test_queries_of_an_earlier_user_of_the_name_are_not_seen(world: World) -> None:
    async def opened() -> str:
        world.access.users.create("EVE", owner="ACCOUNTADMIN")
        session = world.access.sessions.open("EVE")[1]
        return session.token

    world.script.handlers["select 1"] = lambda _: _numbers(1)
    body = {"sqlText": "select 1"}
    answer = await post(world.app, "/queries/v1/query-request", body, token=await opened())
    query_id = answer["data"]["queryId"]
    world.clock.now += 1
    world.access.administration.drop_user("EVE")
    eve = await opened()
    kept = StoredResults(world.app.execution.results)
    for restart in (False, True):
        if restart:  # what was in memory is gone
            query = world.app.execution.queries.find(query_id)
            assert query is not None
            world.app.execution.queries.forget(query)
        seen = await get(world.app, f"/monitoring/queries/{query_id}", token=eve)
        assert seen["data"]["queries"] == []
        asked = await get(world.app, f"/queries/{query_id}/result", token=eve)
        assert not asked["success"]
    for session_since, is_told in ((world.clock.now, False), (world.clock.now - 1, True)):
        session = Session(id=1, user="EVE", role="PUBLIC", user_since=session_since)
        with nullcontext() if is_told else pytest.raises(QueryForgotten):
            kept.result(session, query_id)


@pytest.mark.asyncio
async def test_queries_of_other_users_are_not_seen(world: World) -> None:
    accepted: Any = await world.run("mine", asyncExec=True)
    query_id = accepted["data"]["queryId"]
    world.access.users.create("EVE", owner="X")
    eve = world.access.sessions.open("EVE")[1].token

    seen = await get(world.app, f"/monitoring/queries/{query_id}", token=eve)
    read = await get(world.app, f"/queries/{query_id}/result", token=eve)
    stopped = await post(world.app, f"/queries/{query_id}/abort-request", token=eve)

    assert seen["data"]["queries"] == []
    assert read["code"] == "000709"
    assert stopped["code"] == "002003"


@pytest.mark.asyncio
@pytest.mark.parametrize("query_id", ["nonsense", "..", str(uuid.UUID(int=7))])
async def test_unknown_queries_are_told_so(world: World, query_id: str) -> None:
    seen = await get(world.app, f"/monitoring/queries/{query_id}", token=world.token)
    read = await get(world.app, f"/queries/{query_id}/result", token=world.token)

    assert seen["data"]["queries"] == []
    assert read["code"] == "000709"


@pytest.mark.asyncio
async def test_large_results_come_in_signed_chunks(world: World) -> None:
    world.script.handlers["big"] = lambda _: _numbers(1000)

    data: Any = (await world.run("big"))["data"]
    (chunk,) = data["chunks"]
    answer = await send(world.app, "GET", chunk["url"])
    forged = await send(world.app, "GET", chunk["url"].replace("0.arrow", "1.arrow"))

    assert data["total"] == chunk["rowCount"] == 1000
    assert answer.headers["content-type"] == "binary/octet-stream"
    assert pa.ipc.open_stream(answer.body).read_all().num_rows == 1000
    assert forged.status == 400
    world.clock.now += 7 * 3600
    assert (await send(world.app, "GET", chunk["url"])).status == 400


@pytest.mark.asyncio
async def test_several_statements_stop_at_the_first_failure(world: World) -> None:
    def bad(_: StatementRequest) -> Result:
        raise InvalidArgument("no")

    world.script.handlers["bad"] = bad
    count = {"MULTI_STATEMENT_COUNT": 0}

    failed = await world.run("a; bad; c", parameters=count)
    fine: Any = await world.run("a; c", parameters=count)

    assert failed["success"] is False
    assert world.script.ran == ["a", "bad", "a", "c"]
    ids = fine["data"]["resultIds"].split(",")
    results = [await get(world.app, f"/queries/{i}/result", token=world.token) for i in ids]
    assert [result["data"]["total"] for result in results] == [1, 1]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"sqlText": ""}, "001003"),
        ({"sqlText": None}, "001003"),
        ({"sqlText": "a", "parameters": []}, None),
        ({"sqlText": "a", "parameters": [1]}, "001008"),
        ({"sqlText": "a", "bindStage": "@x"}, "001008"),
        ({"sqlText": "a", "bindings": [1]}, "001008"),
        ({"sqlText": "a", "parameters": {"MULTI_STATEMENT_COUNT": "x"}}, "001008"),
        ({"sqlText": "a; b", "parameters": {"MULTI_STATEMENT_COUNT": 3}}, "000008"),
    ],
)
async def test_requests_that_make_no_sense_are_answered(
    world: World, body: dict[str, Any], code: str | None
) -> None:
    answer = await post(world.app, "/queries/v1/query-request", body, token=world.token)

    assert answer["code"] == code


def test_bindings_are_put_in_order() -> None:
    found = parse_bindings(
        {
            "2": {"type": "text", "value": ["a", None]},
            "1": {"type": "FIXED", "value": 7},
            "3": {"type": "BOOLEAN", "value": True},
        }
    )

    assert found == (
        Binding("FIXED", "7"),
        Binding("TEXT", ["a", None]),
        Binding("BOOLEAN", "true"),
    )


def test_bindings_with_names_follow_the_numbered_ones() -> None:
    found = parse_bindings(
        {
            "CATALOG": {"type": "TEXT", "value": "DB%"},
            "1": {"type": "FIXED", "value": "7"},
            "table": {"type": "TEXT", "value": None},
        }
    )

    assert found == (
        Binding("FIXED", "7"),
        Binding("TEXT", "DB%", "CATALOG"),
        Binding("TEXT", None, "table"),
    )


@pytest.mark.asyncio
async def test_several_statements_share_the_values(world: World) -> None:
    seen: dict[str, Any] = {}
    for text in ("a ?", "b", "c ?, ?"):
        world.script.handlers[text] = lambda request: (
            seen.update({request.text: [value.value for value in request.bindings]}) or _numbers(1)
        )
    values = {str(at): {"type": "FIXED", "value": str(at)} for at in (1, 2, 3)}
    count = {"MULTI_STATEMENT_COUNT": 3}

    fine: Any = await world.run("a ?; b; c ?, ?", parameters=count, bindings=values)
    short: Any = await world.run(
        "a ?; c ?", parameters={"MULTI_STATEMENT_COUNT": 2}, bindings=values
    )
    session = world.app.sessions.by_token(world.token).session
    session.parameters["MULTI_STATEMENT_COUNT"] = 0
    of_session: Any = await world.run("b; b")

    assert fine["success"] is True
    assert seen == {"a ?": ["1"], "b": [], "c ?, ?": ["2", "3"]}
    assert short["code"] == "001008"
    assert len(of_session["data"]["resultIds"].split(",")) == 2


@pytest.mark.asyncio
async def test_a_description_counts_the_markers(world: World) -> None:
    data: Any = (await world.run("select ?, '?' from t where x = ?", describeOnly=True))["data"]

    assert data["numberOfBinds"] == 2


@pytest.mark.parametrize("wrong", [{"x": {}}, {"2": {"type": "TEXT"}}, {"1": "x"}, {"1": {}}])
def test_malformed_bindings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        parse_bindings(wrong)


@pytest.mark.asyncio
async def test_the_memory_of_requests_is_bounded(world: World) -> None:
    for number in range(25):
        await world.run("insert", request_id=f"r{number}")

    assert len(list(world.app.execution.queries.history())) == 20
    await world.run("insert", request_id="r24")
    assert len(world.script.ran) == 25


@pytest.mark.asyncio
async def test_a_statement_ends_at_its_timeout(world: World) -> None:
    def wait(request: StatementRequest) -> Result:
        request.cancelled.wait()
        raise QueryCancelled("SQL execution canceled")

    world.script.handlers["wait"] = wait

    session = world.app.sessions.by_token(world.token).session
    session.parameters["STATEMENT_TIMEOUT_IN_SECONDS"] = 0.01  # clients send whole seconds

    answer = await world.run("wait")

    assert answer["code"] == "000630"
    assert "statement timeout" in answer["message"]


@pytest.mark.asyncio
async def test_descriptions_run_nothing_and_are_not_remembered(world: World) -> None:
    data = (await world.run("insert", request_id="r", describeOnly=True))["data"]

    assert [column["name"] for column in data["rowtype"]] == ["C"]
    assert (data["arrayBindSupported"], data["version"]) == (True, 1)
    assert world.script.ran == []
    assert list(world.app.execution.queries.history()) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("application", "parameters", "wanted"),
    [
        ("PythonConnector", {}, "arrow"),
        ("PythonSnowpark", {"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON"}, "json"),
        ("SnowSQL", {}, "arrow"),
        ("Go", {}, "arrow"),
        ("Go", {"GO_QUERY_RESULT_FORMAT": "JSON"}, "json"),
        ("JavaScript", {}, "json"),
        ("JDBC", {}, "json"),
        ("JDBC", {"JDBC_QUERY_RESULT_FORMAT": "ARROW_FORCE"}, "arrow"),
        ("", {}, "json"),
    ],
)
async def test_a_client_gets_the_format_that_it_reads(
    world: World, application: str, parameters: dict[str, str], wanted: str
) -> None:
    world.script.handlers["big"] = lambda _: _numbers(1000)
    context = {"role": "ACCOUNTADMIN"}
    client = {"CLIENT_APP_ID": application}
    opened = world.access.sessions.open("ADMIN", client=client, context=context)
    world.token = opened[1].token
    world.app.sessions.by_token(world.token).session.parameters.update(parameters)

    data: Any = (await world.run("big"))["data"]
    (chunk,) = data["chunks"]
    answer = await send(world.app, "GET", chunk["url"])

    assert data["queryResultFormat"] == wanted
    assert answer.headers["content-type"] == "binary/octet-stream"
    if wanted == "json":
        assert len(json.loads(b"[" + answer.body + b"]")) == 1000
    else:
        assert pa.ipc.open_stream(answer.body).read_all().num_rows == 1000


@pytest.mark.asyncio
async def test_what_was_done_is_not_answered_as_failed_for_want_of_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the result nor the session's names can be written, but the change has committed."""

    def change(request: StatementRequest) -> Result:
        request.session.schema = "OTHER"
        return _numbers(3)

    def refuse(*_: object, **__: object) -> None:
        raise DiskFull("the change")

    def no_room(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    world.script.handlers["change"] = change
    monkeypatch.setattr(Path, "write_bytes", no_room)
    monkeypatch.setattr(world.access.sessions, "save_context", refuse)

    answer = await world.run("change")

    assert answer["success"] is True
    data: Any = answer["data"]
    assert (data["total"], data["finalSchemaName"]) == (3, "OTHER")
    monkeypatch.undo()
    await world.run("again")
    kept = world.access.sessions.by_token(world.token).context
    assert kept["schema"] == "OTHER"
