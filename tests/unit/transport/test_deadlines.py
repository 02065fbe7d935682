"""Deadlines fire in order, once, and forget who has ended."""

import asyncio

import pytest

from nunatak.inference.scheduling.calls import Call, State
from nunatak.transport.deadlines import Deadlines

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def call(deadline: float) -> Call:
    return Call(lambda _: None, arrived=0.0, deadline=deadline)


async def test_requests_expire_at_their_deadlines_in_any_order_of_arrival() -> None:
    loop = asyncio.get_running_loop()
    expired: list[tuple[float, float]] = []
    start = loop.time()

    def expire(late: Call) -> None:
        expired.append((late.deadline - start, round(loop.time() - start, 3)))
        late.end(State.EXPIRED)

    deadlines: Deadlines[Call] = Deadlines(loop, expire)
    for seconds in (3.0, 1.0, 2.0):
        deadlines.watch(call(start + seconds))
    ended = call(start + 1.5)
    deadlines.watch(ended)
    ended.end(State.ANSWERED)
    await asyncio.sleep(5)
    assert expired == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    assert deadlines.close() == []


async def test_requests_that_ended_take_no_memory_for_long() -> None:
    deadlines: Deadlines[Call] = Deadlines(asyncio.get_running_loop(), lambda _: None)
    for _ in range(10_000):
        one = call(1e6)
        deadlines.watch(one)
        one.end(State.ANSWERED)
    assert len(deadlines) <= 2048
    deadlines.close()


async def test_closing_gives_back_who_still_waits() -> None:
    deadlines: Deadlines[Call] = Deadlines(asyncio.get_running_loop(), lambda _: None)
    waits, ended = call(10.0), call(10.0)
    for one in (waits, ended):
        deadlines.watch(one)
    ended.end(State.ANSWERED)
    assert deadlines.close() == [waits]
