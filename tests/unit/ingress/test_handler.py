"""What callers of endpoints see, and what instances behind the ingress are asked."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from nunatak.errors import ObjectNotFound, ServiceUnavailable
from nunatak.ingress.call import EndpointCall
from nunatak.ingress.gate import Gate
from nunatak.ingress.handler import Ingress
from nunatak.services.calling.routes import RouteTarget
from nunatak.services.model.states import ServiceState
from nunatak.transport.admission.admission import Class
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.mux.frames import PIECE_BYTES, LinkAnswer, answer_frame
from support.credentials import KINDS
from support.front import Answer
from support.ingress import (
    BODY,
    ROUTE,
    Authorities,
    Caller,
    Ground,
    Instance,
    Table,
    echo,
    request,
    request_id,
    world,
)


def code(answer: Answer) -> str:
    return str(answer.json["error"]["code"])


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


def break_links(instance: Instance) -> None:
    for link in list(instance.links):
        link.end("it died")


@pytest.fixture(params=KINDS)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    """Where the instances listen."""
    return Ground(tmp_path, request.param)


@pytest.mark.asyncio
async def test_a_request_reaches_the_method_without_its_credential(ground: Ground) -> None:
    async with world(ground) as made:
        got = await made.caller.post(
            sf_context_current_user="ROOT", x_nunatak_class="bulk", cookie="secret=1"
        )
        seen = made.instances[0].requests[0]
    assert (got.status, got.body) == (200, BODY)
    assert (seen.method, seen.target) == (b"POST", b"/predict")
    assert seen.headers[b"sf-context-current-user"] == b"\\xc4d\\xe4"
    assert seen.headers[b"content-type"] == b"application/json"
    assert set(seen.headers) == {
        b"x-nunatak-deadline-ms",
        b"sf-context-current-user",
        b"x-request-id",
        b"content-type",
    }
    assert 59_000 < int(seen.headers[b"x-nunatak-deadline-ms"]) <= 60_000
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["x-request-id"].encode() == request_id(seen)


@pytest.mark.asyncio
async def test_nothing_of_a_request_waits_for_the_garbage_collector(ground: Ground) -> None:
    gc.collect()
    gc.disable()
    try:
        async with world(ground) as made:
            statuses = [
                (await made.caller.post()).status,
                (await made.another().post(token="bad")).status,
                (await made.another().post(path="/ep/unknown/predict")).status,
            ]
            made.instances[0].play = lambda exchange: None
            leaver = made.another()
            leaves = asyncio.create_task(leaver.post())
            await until(lambda: len(made.instances[0].requests) == 2)
            leaver.connection.connection_lost(None)
            leaves.cancel()
            del leaver, leaves
        left = [thing for thing in gc.get_objects() if isinstance(thing, EndpointCall)]
    finally:
        gc.enable()
    assert statuses == [200, 401, 404]
    assert left == []


@pytest.mark.asyncio
async def test_all_requests_to_an_instance_share_one_link(ground: Ground) -> None:
    async with world(ground) as made:
        callers = [made.another() for _ in range(5)]
        found = await asyncio.gather(*(caller.post() for caller in callers))
        found += [await made.caller.post() for _ in range(5)]
        assert [answer.status for answer in found] == [200] * 10
        assert made.instances[0].connections == 1


@pytest.mark.asyncio
async def test_answers_come_to_whom_they_belong_in_any_order(ground: Ground) -> None:
    async with world(ground) as made:
        [instance] = made.instances
        kept: list[Exchange] = []
        instance.play = kept.append
        callers = [made.another() for _ in range(8)]
        tasks = [
            asyncio.create_task(caller.post(b"%d" % number))
            for number, caller in enumerate(callers)
        ]
        await until(lambda: len(kept) == 8)
        for exchange in reversed(kept):
            echo(exchange)
        found = [answer.body for answer in await asyncio.gather(*tasks)]
    assert found == [b"%d" % number for number in range(8)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        ({"token": None}, 401, "unauthorized"),
        ({"token": "bad"}, 401, "unauthorized"),
        ({"token": "bad", "path": "/ep/unknown/predict"}, 401, "unauthorized"),
        ({"token": "stranger"}, 404, "not_found"),
        ({"path": "/ep/unknown/predict"}, 404, "not_found"),
        ({"method": "GET"}, 405, "method_not_allowed"),
        ({"method": "GET", "token": "bad"}, 401, "unauthorized"),
        ({"method": "GET", "token": "stranger"}, 404, "not_found"),
        ({"method": "TRACE"}, 405, "method_not_allowed"),
        ({"body": b"x" * 901}, 413, "too_large"),
        ({"body": b"x" * 901, "token": "bad"}, 413, "too_large"),
    ],
)
async def test_refusals(
    ground: Ground, changes: dict[str, Any], status: int, expected: str
) -> None:
    async with world(ground) as made:
        for _ in range(2):  # before and after the token is known
            got = await made.another().post(**changes)
            assert (got.status, code(got)) == (status, expected)
            assert got.headers["cache-control"] == "no-store"
        assert made.instances[0].requests == []


@pytest.mark.asyncio
async def test_chunks_over_the_limit_are_refused_while_they_come(ground: Ground) -> None:
    async with world(ground) as made:
        await made.caller.post()
        head = request(b"", transfer_encoding="chunked").replace(b"content-length: 0\r\n", b"")
        made.caller.connection.data_received(head + b"3e8\r\n" + b"x" * 1000)
        got = await made.caller.answer(1)
        assert (got.status, code(got)) == (413, "too_large")
        assert made.caller.transport.closed


@pytest.mark.asyncio
async def test_an_endpoint_that_is_not_public_is_not_found(ground: Ground) -> None:
    async with world(ground) as made:
        assert made.table.route is not None
        made.table.route = replace(made.table.route, public=False)
        assert code(await made.caller.post()) == "not_found"


@pytest.mark.asyncio
async def test_a_body_in_pieces_is_put_together(ground: Ground) -> None:
    async with world(ground) as made:
        got = await made.caller.post(b"0123456789" * 20, pieces=7)
        assert got.body == b"0123456789" * 20


@pytest.mark.asyncio
async def test_large_bodies_cross_the_link_both_ways(ground: Ground) -> None:
    body = bytes(range(256)) * 1500
    async with world(ground, body_limit_bytes=len(body)) as made:
        large = asyncio.create_task(made.caller.post(body))
        small = await made.another().post(b"small")
        assert small.body == b"small"
        assert (await large).body == body


@pytest.mark.asyncio
async def test_who_asks_is_told_to_send_the_body_only_when_let_in(ground: Ground) -> None:
    async with world(ground) as made:
        head = request(b"ok", expect="100-continue")[:-2]
        made.caller.connection.data_received(head)
        assert (await made.caller.answer()).status == 100
        made.caller.connection.data_received(b"ok")
        assert (await made.caller.answer(1)).body == b"ok"
        stranger = made.another()
        stranger.connection.data_received(request(b"ok", token="bad", expect="100-continue")[:-2])
        assert (await stranger.answer()).status == 401


@pytest.mark.asyncio
async def test_answers_are_passed_on_whatever_they_are(ground: Ground) -> None:
    async with world(ground) as made:

        def full(exchange: Exchange) -> None:
            body = b'{"error":{"code":"busy","message":"m"}}'
            exchange.respond(429, body, extra=b"retry-after: 3\r\n")

        made.instances[0].play = full
        got = await made.caller.post(x_request_id="mine")
    assert (got.status, got.headers["retry-after"], code(got)) == (429, "3", "busy")
    assert got.headers["x-request-id"] == "mine"


@pytest.mark.asyncio
async def test_requests_go_to_the_instance_with_the_fewest(ground: Ground) -> None:
    async with world(ground, instances=2) as made:
        kept: list[Exchange] = []
        for instance in made.instances:
            instance.play = kept.append
        tasks = [asyncio.create_task(made.another().post()) for _ in range(6)]
        await until(lambda: len(kept) == 6)
        for exchange in kept:
            echo(exchange)
        await asyncio.gather(*tasks)
        assert [len(instance.requests) for instance in made.instances] == [3, 3]


@pytest.mark.asyncio
async def test_a_request_is_sent_again_only_if_no_byte_of_an_answer_came(ground: Ground) -> None:
    async with world(ground, instances=2) as made:
        first, second = made.instances

        def break_off(exchange: Exchange) -> None:
            [link] = second.links
            begun = LinkAnswer(200, b"text/plain", b"", PIECE_BYTES + 1, b"abc")
            link.send(answer_frame(exchange.number, begun))  # type: ignore[attr-defined]
            link.close()

        first.play = lambda _: break_links(first)
        assert (await made.caller.post()).status == 200
        assert (len(first.requests), len(second.requests)) == (1, 1)
        second.play = break_off
        got = await made.caller.post()
        assert (got.status, code(got)) == (502, "bad_gateway")
        assert len(second.requests) == 2


@pytest.mark.asyncio
async def test_a_request_that_kills_every_instance_is_given_up(ground: Ground) -> None:
    async with world(ground, instances=2) as made:
        for instance in made.instances:
            instance.play = lambda _, instance=instance: break_links(instance)  # type: ignore[misc]
        assert code(await made.caller.post()) == "bad_gateway"
        assert sum(len(instance.requests) for instance in made.instances) == 3


@pytest.mark.asyncio
async def test_an_instance_that_is_not_there_is_passed_over(ground: Ground) -> None:
    async with world(ground) as made:
        assert made.table.route is not None
        nobody = RouteTarget("9", ground.nowhere())
        made.table.route = replace(made.table.route, targets=(nobody, *made.table.route.targets))
        assert (await made.caller.post()).status == 200
        made.table.route = replace(made.table.route, targets=(nobody,))
        assert code(await made.caller.post()) == "bad_gateway"
        assert made.table.losses == [nobody.address] * 4


@pytest.mark.asyncio
async def test_a_request_waits_for_the_instance_in_place_of_one_that_ended(
    ground: Ground,
) -> None:
    async with world(ground) as made:
        assert made.table.route is not None
        made.table.woken = made.table.route
        nowhere = ground.nowhere()
        made.table.route = replace(ROUTE, targets=(RouteTarget("9", nowhere),))
        assert (await made.caller.post(x_nunatak_deadline_ms="5000")).status == 200
        assert made.table.losses == [nowhere]
        assert 4.0 < made.table.waits[0] <= 5.0


@pytest.mark.asyncio
async def test_an_instance_that_is_taken_out_answers_what_it_has(ground: Ground) -> None:
    async with world(ground, instances=2) as made:
        first, second = made.instances
        route = made.table.route
        assert route is not None
        made.table.route = replace(route, targets=route.targets[:1])
        kept: list[Exchange] = []
        first.play = kept.append
        waiting = asyncio.create_task(made.caller.post(b"kept"))
        await until(lambda: kept)
        made.table.route = replace(route, targets=route.targets[1:])
        assert (await made.another().post()).status == 200
        assert first.links
        echo(kept[0])
        assert (await waiting).body == b"kept"
        await until(lambda: not first.links)
        assert (len(first.requests), len(second.requests)) == (1, 1)


@pytest.mark.asyncio
async def test_who_does_not_speak_the_link_is_no_instance(ground: Ground) -> None:
    async with world(ground) as made:
        made.instances[0].request = lambda exchange: exchange.respond(404, b"")  # type: ignore[method-assign]
        got = await made.caller.post()
        assert code(got) == "bad_gateway"
        assert "does not speak" in got.json["error"]["message"]


@pytest.mark.asyncio
async def test_a_sleeping_service_is_woken_while_the_request_is_held(ground: Ground) -> None:
    async with world(ground) as made:
        made.table.woken = made.table.route
        made.table.route = replace(ROUTE, state=ServiceState.SUSPENDED)
        assert (await made.caller.post(x_nunatak_deadline_ms="5000")).status == 200
        assert 4.0 < made.table.waits[0] <= 5.0


@pytest.mark.asyncio
async def test_a_service_that_cannot_be_woken_is_unavailable_or_gone(ground: Ground) -> None:
    async with world(ground) as made:
        made.table.route = replace(ROUTE, state=ServiceState.SUSPENDED)
        made.table.refusal = ServiceUnavailable("no node", retry_after_s=7.2)
        got = await made.caller.post()
        assert (got.status, got.headers["retry-after"]) == (503, "8")
        made.table.refusal = ObjectNotFound("Service", "1")
        assert (await made.caller.post()).status == 404


@pytest.mark.asyncio
async def test_a_bug_costs_one_request_its_answer(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(ground) as made:
        ready, made.table.route = made.table.route, replace(ROUTE, state=ServiceState.SUSPENDED)
        made.table.refusal = KeyError("a bug")
        got = await made.caller.post()
        assert (got.status, code(got)) == (500, "internal")
        assert "a bug" in caplog.text
        made.table.route = ready
        assert (await made.caller.post()).status == 200


@pytest.mark.asyncio
async def test_when_the_caller_leaves_so_does_the_request(ground: Ground) -> None:
    async with world(ground) as made:
        [instance] = made.instances
        instance.play = lambda _: None
        made.caller.connection.data_received(request())
        await until(lambda: instance.requests)
        made.caller.connection.connection_lost(None)
        await until(lambda: instance.left)
        assert instance.left == instance.requests
        instance.play = echo
        assert (await made.another().post()).status == 200
        assert instance.connections == 1


@pytest.mark.asyncio
async def test_without_room_a_request_is_refused_here_and_now(ground: Ground) -> None:
    async with world(ground) as made:
        await made.caller.post()
        [instance] = made.instances
        admission = made.ingress._instances[instance.address].admission
        user, now = "Ädä", made.caller.clock()
        count = admission.policy.most
        for _ in range(count):
            admission.enter(user, Class.INTERACTIVE, size_bytes=1, now=now)
        made.caller.connection.data_received(request())
        refused = made.caller.answers[1]
        assert (refused.status, code(refused)) == (503, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        for _ in range(count):
            admission.leave(user, Class.INTERACTIVE, size_bytes=1, now=now, answered=False)
        assert (await made.caller.post()).status == 200
        assert len(instance.requests) == 2


@pytest.mark.asyncio
async def test_what_is_refused_or_answered_holds_nothing(ground: Ground) -> None:
    async with world(ground) as made:
        for changes in ({}, {"token": "bad"}, {"method": "GET"}, {"body": b"x" * 1000}):
            await made.another().post(**changes)
        ingress = made.ingress
        [instance] = ingress._instances.values()
        assert (ingress._in_flight, ingress._held_bytes) == (0, 0)
        assert (instance.admission.inside, instance.admission.held_bytes) == (0, 0)


@pytest.mark.asyncio
async def test_requests_sent_ahead_are_answered_in_order(ground: Ground) -> None:
    async with world(ground) as made:
        made.caller.connection.data_received(
            request(b"1") + request(b"2", token="bad") + request(b"3", method="GET")
        )
        statuses = [(await made.caller.answer(number)).status for number in range(3)]
        assert statuses == [200, 401, 405]


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["abc.example.com", "ABC.Example.com:8085"])
async def test_a_domain_makes_addresses_of_hosts(ground: Ground, host: str) -> None:
    async with world(ground, domain="example.com") as made:
        got = await made.caller.post(path="/predict", host=host)
        assert got.status == 200
        exchange = made.instances[0].requests[0]
        assert exchange.target == b"/predict"


@pytest.mark.asyncio
async def test_what_is_unusual_in_a_path_stays_encoded(ground: Ground) -> None:
    async with world(ground) as made:
        await made.caller.post(path="/ep/abc/a%20b%0d%0ac%C3%A9?q=1")
        assert made.instances[0].requests[0].target == b"/a%20b%0D%0Ac%C3%A9"


@pytest.mark.asyncio
async def test_a_chosen_request_id_is_kept_if_it_is_fit(ground: Ground) -> None:
    async with world(ground) as made:
        fit = await made.caller.post(x_request_id="mine-1")
        assert fit.headers["x-request-id"] == "mine-1"
        assert len((await made.caller.post(x_request_id="x" * 500)).headers["x-request-id"]) == 32
        refused = await made.caller.post(x_request_id="mine-2", token="bad")
        assert refused.headers["x-request-id"] == "mine-2"


def test_it_works_on_the_loop_that_the_server_runs_on(ground: Ground) -> None:
    async def scenario() -> int:
        async with world(ground) as made:
            return (await made.caller.post()).status

    assert uvloop.run(scenario()) == 200


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_body_that_stands_still_ends_with_the_deadline() -> None:
    loop = asyncio.get_running_loop()
    gate = Gate(Authorities(), clock=loop.time)
    ingress = Ingress(Table(ROUTE), gate, body_limit_bytes=900, clock=loop.time)
    caller = Caller(ingress)
    caller.connection.data_received(request(x_nunatak_deadline_ms="2000")[:-1])
    got = await caller.answer()
    assert got.status == 504
    assert "being read" in got.json["error"]["message"]
    ingress.close()
