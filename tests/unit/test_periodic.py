"""Repeated work: its rhythm, and that a failure costs one round only."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest

from nunatak.periodic import repeat


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_repeats_in_its_rhythm_although_rounds_fail(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    rounds: list[float] = []
    enough = asyncio.Event()

    def work() -> None:
        rounds.append(loop.time())
        if len(rounds) == 2:
            raise ValueError("no luck")
        if len(rounds) == 3:
            loop.call_soon_threadsafe(enough.set)

    with caplog.at_level(logging.ERROR):
        task = asyncio.create_task(repeat(work, every_s=10, name="tidying up"))
        await enough.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert rounds[0] >= 10
    assert all(later - sooner >= 10 for sooner, later in pairwise(rounds))
    assert "tidying up failed" in caplog.text
    assert "no luck" in caplog.text
    assert task.cancelled()
