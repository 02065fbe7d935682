"""Deadlines on the event loop that the servers run on, whose timers differ from asyncio's."""

import asyncio

import uvloop

from nunatak.edge.deadlines import Deadlines
from nunatak.inference.calls import Call, State


def test_whoever_comes_after_its_deadline_expires_and_hurts_nobody() -> None:
    expired: list[float] = []

    def expire(call: Call) -> None:
        expired.append(call.deadline)
        call.end(State.EXPIRED)

    async def run() -> list[Call]:
        loop = asyncio.get_running_loop()
        deadlines: Deadlines[Call] = Deadlines(loop, expire)
        now = loop.time()
        for deadline in (now - 2.0, now - 1.0, now + 60.0):
            deadlines.watch(Call(None, lambda _: None, arrived=0.0, deadline=deadline))
        while len(expired) < 2:
            await asyncio.sleep(0)
        assert expired == [now - 2.0, now - 1.0]
        return deadlines.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(run())) == 1
