"""Serving, parked, serving again, ended: as ordered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nunatak.inference.core.config import load
from nunatak.inference.server.lifecycle import PARKED_FILE, Beside, Lifecycle, Order, Orders
from support.front import FakePool, instance_document

pytestmark = pytest.mark.asyncio


@dataclass
class Living:
    """A life under way."""

    folder: Path
    pool: FakePool
    orders: Orders
    task: asyncio.Task[None]

    @property
    def listens(self) -> bool:
        return (self.folder / "front.sock").exists()

    @property
    def is_parked(self) -> bool:
        return (self.folder / PARKED_FILE).exists()

    async def until(self, attribute: str, *, wanted: bool = True) -> None:
        """Let the loop run until it is so."""
        while getattr(self, attribute) is not wanted:
            assert not self.task.done(), self.task.exception()
            await asyncio.sleep(0)


@asynccontextmanager
async def life(folder: Path, *, beside: Beside | None = None) -> AsyncIterator[Living]:
    """A life that has begun to serve; it is ended in the end."""
    file = folder / "instance.json"
    file.write_text(json.dumps(instance_document(folder)))
    pool, orders = FakePool(), Orders()
    lived = Lifecycle(load(file), pool, config_file=file, orders=orders, beside=beside)
    living = Living(folder, pool, orders, asyncio.create_task(lived.run()))
    await living.until("listens")
    try:
        yield living
    finally:
        orders.give(Order.END)
        await living.task


async def test_it_serves_until_the_end_is_ordered(tmp_path: Path) -> None:
    async with life(tmp_path) as living:
        assert not living.is_parked

    assert not living.listens
    assert (living.pool.started, living.pool.stopped) == (1, 1)


async def test_it_is_parked_and_woken_as_often_as_ordered(tmp_path: Path) -> None:
    async with life(tmp_path) as living:
        for _ in range(3):
            living.orders.give(Order.PARK)
            await living.until("is_parked")
            assert not living.listens
            living.orders.give(Order.SERVE)
            await living.until("listens")
            assert not living.is_parked

    assert (living.pool.started, living.pool.parked, living.pool.stopped) == (4, 3, 1)


async def test_what_runs_beside_does_so_only_while_it_serves(tmp_path: Path) -> None:
    runs: list[bool] = []

    async def beside() -> None:
        runs.append(True)
        try:
            await asyncio.Event().wait()
        finally:
            runs.append(False)

    async with life(tmp_path, beside=beside) as living:
        living.orders.give(Order.PARK)
        await living.until("is_parked")
        parked = list(runs)
        living.orders.give(Order.SERVE)
        await living.until("listens")

    assert parked == [True, False]
    assert runs == [True, False, True, False]


async def test_a_wake_that_comes_while_it_is_being_parked_is_obeyed(tmp_path: Path) -> None:
    async with life(tmp_path) as living:
        living.orders.give(Order.PARK)
        await living.until("listens", wanted=False)
        living.orders.give(Order.SERVE)
        await living.until("listens")

    assert living.pool.started == 2


async def test_the_end_stays_ordered(tmp_path: Path) -> None:
    async with life(tmp_path) as living:
        living.orders.give(Order.END)
        living.orders.give(Order.PARK)
        await living.task

    assert living.pool.parked == 0


async def test_one_that_cannot_be_parked_ends(tmp_path: Path) -> None:
    async with life(tmp_path) as living:
        living.pool.refusal = "no process has the model"
        living.orders.give(Order.PARK)
        await living.task

    assert living.pool.stopped == 1
    assert not living.is_parked


async def test_one_whose_model_is_lost_while_it_is_parked_ends(tmp_path: Path) -> None:
    async with life(tmp_path) as living:
        living.orders.give(Order.PARK)
        await living.until("is_parked")
        assert living.pool.lost is not None
        living.pool.lost.set_result("it was killed")
        await living.task

    assert living.pool.stopped == 1
    assert not living.is_parked


async def test_the_configuration_is_read_again_when_it_wakes(tmp_path: Path) -> None:
    async with life(tmp_path) as living:
        living.orders.give(Order.PARK)
        await living.until("is_parked")
        (tmp_path / "instance.json").write_text("{}")
        living.orders.give(Order.SERVE)
        await living.task

    assert living.pool.started == 1
