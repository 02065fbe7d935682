"""A pool of two workers over a model with every type of output and every bad habit."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from nunatak.inference.core.columns import ColumnKind, Columns
from nunatak.inference.core.errors import ModelError, RequestExpired, WorkerLost
from nunatak.inference.workers.pool import Start
from nunatak.inference.workers.supervisor import ProcessPool

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

Moods = Callable[..., Columns]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(make_version: Any, run_pool: Any) -> AsyncIterator[ProcessPool]:
    """Two workers, forked."""
    async with run_pool(make_version("custom"), min_run_s=0.2) as running:
        yield running


async def predict(pool: ProcessPool, batch: Columns, *, within_s: float = 60.0) -> Columns:
    """Call PREDICT with a generous deadline."""
    deadline = asyncio.get_running_loop().time() + within_s
    return await pool.predict("PREDICT", batch, deadline=deadline, request_id="request-7")


def values(answer: Columns, name: str) -> list[Any]:
    """One output by name."""
    return next(column for column in answer.columns if column.name == name).to_list()


def log_text(pool: ProcessPool) -> str:
    """What the workers have printed so far."""
    return Path(pool.log_path).read_text()


async def test_every_type_of_output_comes_back_typed(pool: ProcessPool, moods: Moods) -> None:
    answer = await predict(pool, moods("a", None, "ü€"))

    kinds = [(column.name, column.kind) for column in answer.columns]
    assert kinds == [
        ("scaled", ColumnKind.FLOAT64),
        ("label", ColumnKind.TEXT),
        ("negative", ColumnKind.BOOL),
        ("pair", ColumnKind.JSON),
        ("facts", ColumnKind.JSON),
        ("pid", ColumnKind.INT64),
    ]
    assert values(answer, "scaled") == [3.0, 5.0, 7.0]
    assert values(answer, "label") == ["a", None, "ü€"]
    assert values(answer, "negative") == [False, False, False]
    assert values(answer, "pair") == [[1.5, 0.0], [1.5, 1.0], [1.5, 2.0]]
    assert values(answer, "facts")[1] == {"row": 1, "none": None}
    assert set(values(answer, "pid")) <= set(pool.snapshot().pids)


async def test_workers_are_forks_of_one_loaded_model(pool: ProcessPool) -> None:
    snapshot = pool.snapshot()
    assert snapshot.start is Start.FORKED
    assert len(snapshot.pids) == 3


async def test_a_param_is_passed_and_null_means_its_default(
    pool: ProcessPool, moods: Moods
) -> None:
    answer = await predict(pool, moods("a", factor=10.0))
    defaulted = await predict(pool, moods("a", factor=float("nan")))

    assert values(answer, "scaled") == [15.0]
    assert values(defaulted, "scaled") == [3.0]


async def test_what_the_model_raises_is_the_answer_and_the_worker_lives(
    pool: ProcessPool, moods: Moods
) -> None:
    before = pool.snapshot().restarts
    with pytest.raises(ModelError, match="ValueError: this model dislikes its input") as caught:
        await predict(pool, moods("raise"))
    with pytest.raises(ModelError, match="SystemExit: 3"):
        await predict(pool, moods("exit"))

    assert "in predict" in caught.value.traceback
    assert pool.snapshot().restarts == before


async def test_too_few_rows_back_is_an_error(pool: ProcessPool, moods: Moods) -> None:
    with pytest.raises(ModelError, match="returned 1 rows for 2"):
        await predict(pool, moods("short", "a"))


async def test_wrong_columns_and_methods_are_named(pool: ProcessPool, moods: Moods) -> None:
    one_column = Columns(moods("a").columns[:1], 1)
    deadline = asyncio.get_running_loop().time() + 60
    with pytest.raises(ModelError, match="takes 2 to 3 columns, 1 were given"):
        await predict(pool, one_column)
    with pytest.raises(ModelError, match="no method EXPLAIN; there are PREDICT"):
        await pool.predict("EXPLAIN", one_column, deadline=deadline, request_id="r")


async def test_what_the_model_prints_names_the_request(
    pool: ProcessPool, moods: Moods, wait_until: Any
) -> None:
    await predict(pool, moods("print"))

    await wait_until(lambda: "request=request-7 | hello from the model" in log_text(pool), pool)


async def test_a_batch_that_kills_two_workers_is_given_up_and_both_are_replaced(
    pool: ProcessPool, moods: Moods, wait_until: Any
) -> None:
    before = pool.snapshot().restarts
    for mood, end in (("die", "it exited with status 7"), ("crash", "it was ended by SIGSEGV")):
        with pytest.raises(WorkerLost, match=f"two workers died .* {end}"):
            await predict(pool, moods(mood))
        told = f" was lost: {end}"
        await wait_until(lambda told=told: log_text(pool).count(told) == 2, pool)

    await wait_until(lambda: pool.snapshot().restarts >= before + 4, pool)
    await wait_until(lambda: pool.snapshot().ready == 2, pool)
    assert values(await predict(pool, moods("a")), "scaled") == [3.0]


async def test_a_worker_that_is_killed_is_replaced_and_no_request_fails(
    pool: ProcessPool, moods: Moods, wait_until: Any
) -> None:
    await wait_until(lambda: pool.snapshot().ready == 2, pool)
    answers = [asyncio.create_task(predict(pool, moods("a"))) for _ in range(40)]
    await asyncio.sleep(0)
    for worker in pool.snapshot().workers:
        os.kill(worker.pid, signal.SIGKILL)

    assert all(values(answer, "scaled") == [3.0] for answer in await asyncio.gather(*answers))
    await wait_until(lambda: pool.snapshot().ready == 2, pool)


async def test_a_hanging_worker_is_killed_after_the_deadline(
    pool: ProcessPool, moods: Moods, wait_until: Any
) -> None:
    with pytest.raises(RequestExpired) as caught:
        await predict(pool, moods("hang"), within_s=0.1)
    assert caught.value.stage == "running"
    hung = [worker.pid for worker in pool.snapshot().workers if worker.state == "BUSY"]

    await wait_until(lambda: not set(hung) & set(pool.snapshot().pids), pool)
    await wait_until(lambda: pool.snapshot().ready == 2, pool)
    assert len(hung) == 1


async def test_a_large_batch_travels_in_shared_memory(pool: ProcessPool, moods: Moods) -> None:
    labels = [f"label {at}" for at in range(20_000)]

    answer = await predict(pool, moods(*labels))

    assert values(answer, "label") == labels
    assert values(answer, "scaled")[-1] == (20_000 + 0.5) * 2


async def test_when_the_fork_server_dies_all_workers_are_started_anew(
    pool: ProcessPool, moods: Moods, wait_until: Any
) -> None:
    before = set(pool.snapshot().pids)
    server = before - {worker.pid for worker in pool.snapshot().workers}
    os.kill(server.pop(), signal.SIGKILL)

    await wait_until(lambda: not before & set(pool.snapshot().pids), pool)
    await wait_until(lambda: pool.snapshot().ready == 2, pool)
    assert values(await predict(pool, moods("a")), "scaled") == [3.0]
