"""Work is done in order, a share of it in each turn of the loop, and at once when there is room."""

import asyncio
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.transport.loop_share import Turns


@given(bursts=st.lists(st.integers(0, 30), max_size=8), share=st.integers(1, 9))
def test_no_turn_does_more_than_its_share_and_the_order_is_kept(
    bursts: list[int], share: int
) -> None:
    done: list[tuple[int, int]] = []
    turn = 0

    def work(number: int) -> None:
        done.append((turn, number))

    async def main() -> None:
        nonlocal turn
        turns = Turns(asyncio.get_running_loop(), share=share)
        number = 0
        for count in bursts:
            for _ in range(count):
                turns.do(partial(work, number))
                number += 1
            await asyncio.sleep(0)
            turn += 1
        while turns.is_behind:
            await asyncio.sleep(0)
            turn += 1

    asyncio.run(main())
    assert [number for _, number in done] == list(range(sum(bursts)))
    # What is done between two looks at the sockets: the rest of one share, and the next.
    for at in range(turn + 1):
        assert sum(when == at for when, _ in done) <= 2 * share


@pytest.mark.asyncio
async def test_work_is_done_at_once_while_the_turn_has_room() -> None:
    turns = Turns(asyncio.get_running_loop(), share=2)
    done: list[str] = []
    turns.do(lambda: done.append("a"))
    turns.do(lambda: done.append("b"))
    turns.do(lambda: done.append("c"))
    assert done == ["a", "b"]
    assert turns.is_behind
    await asyncio.sleep(0)
    assert done == ["a", "b", "c"]
    await asyncio.sleep(0)
    turns.do(lambda: done.append("d"))
    assert done[-1] == "d"


@pytest.mark.asyncio
async def test_work_that_fails_costs_no_other_its_turn() -> None:
    loop = asyncio.get_running_loop()
    failures: list[str] = []
    loop.set_exception_handler(lambda _, context: failures.append(context["message"]))
    turns = Turns(loop, share=1)
    done: list[str] = []
    turns.do(lambda: done.append("a"))
    turns.do(lambda: done.remove("never there"))
    turns.do(lambda: done.append("b"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert done == ["a", "b"]
    assert len(failures) == 1
