"""Deadlines on the event loop that the servers run on, whose timers differ from asyncio's."""

import asyncio

import uvloop

from nunatak.inference.scheduling.calls import Call, State
from nunatak.transport.deadlines import Deadlines


def test_whoever_comes_after_its_deadline_expires_and_hurts_nobody() -> None:
    async def run() -> list[Call]:
        loop = asyncio.get_running_loop()
        expired: list[float] = []
        both = asyncio.Event()

        def expire(call: Call) -> None:
            expired.append(call.deadline)
            call.end(State.EXPIRED)
            if len(expired) == 2:
                both.set()

        deadlines: Deadlines[Call] = Deadlines(loop, expire)
        now = loop.time()
        for deadline in (now - 2.0, now - 1.0, now + 60.0):
            deadlines.watch(Call(lambda _: None, arrived=0.0, deadline=deadline))
        await both.wait()
        assert expired == [now - 2.0, now - 1.0]
        return deadlines.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(run())) == 1
