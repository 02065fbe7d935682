"""A direct call to the library answers as the vendor's own function file does, bit for bit."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nunatak.inference.codecs.arrow import ArrowReader
from nunatak.inference.core.columns import Column, ColumnKind, Columns, Values
from nunatak.inference.core.errors import ModelError
from nunatak.inference.workers.layout import placed_columns
from nunatak.inference.workers.supervisor import ProcessPool
from nunatak.services.calling.call_files import CallFiles
from nunatak.transport.shm.memory_file import OWNED_SEALS, MemoryFile
from support import front

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

WORDS = ("red", "green", "blue", None)


def random_batch(method: dict[str, Any], rows: int, *, missing: bool) -> Columns:
    """Random rows for a method's inputs, with nulls and NaN if asked."""
    random = np.random.default_rng(rows)
    columns = []
    for at, entry in enumerate(method["inputs"]):
        values: Values = random.normal(size=rows) * 2
        nulls = random.random(rows) < 0.2 if missing and at % 2 else None
        kind = ColumnKind.FLOAT64
        if entry["type"] == "ARRAY":
            kind, values = ColumnKind.JSON, lists(random, rows, *cell_of(len(method["inputs"]), at))
            if missing and rows > 1:
                values[-1] = None
        elif entry["type"] == "STRING":
            kind, nulls = ColumnKind.TEXT, None
            values = [WORDS[pick] for pick in random.integers(0, 3 + missing, rows)]
        elif entry["type"] == "BIGINT":
            kind, values = ColumnKind.INT64, random.integers(-20, 20, rows)
        elif missing and not at % 2:
            values = np.where(random.random(rows) < 0.2, np.nan, values)
        columns.append(Column(entry["name"], kind, values, nulls))
    return Columns(tuple(columns), rows)


def cell_of(inputs: int, at: int) -> tuple[int, bool]:
    """How long a cell of the models below is, and whether it holds whole numbers below ten."""
    return (9, False) if inputs == 3 else ((8, False), (3, True))[at]


def lists(random: Any, rows: int, length: int, whole: bool) -> list[Any]:
    """A cell of random numbers for each row."""
    shape = (rows, length)
    cells: list[Any] = (
        random.integers(0, 10, shape) if whole else random.normal(size=shape)
    ).tolist()
    return cells


async def answers(pool: ProcessPool, batches: list[tuple[str, Columns]]) -> list[Any]:
    """Each answer as (name, kind, values), or what was raised."""
    deadline = asyncio.get_running_loop().time() + 120
    outcomes: list[Any] = []
    for method, batch in batches:
        try:
            answer = await pool.predict(method, batch, deadline=deadline, request_id="r")
        except ModelError as error:
            outcomes.append(str(error))
        else:
            outcomes.append([(c.name, c.kind, c.to_list()) for c in answer.columns])
    return outcomes


@pytest.mark.parametrize(
    ("kind", "direct"),
    [
        ("xgboost_regressor", ("PREDICT",)),
        ("xgboost_categories", ()),
        ("lightgbm_categories", ("PREDICT",)),
        ("lightgbm_classifier", ("PREDICT", "PREDICT_PROBA")),
        ("catboost_classifier", ("PREDICT", "PREDICT_PROBA")),
        ("catboost_categories", ()),
        ("sklearn_boosting", ("PREDICT",)),
        ("sklearn_forest", ("PREDICT", "PREDICT_LOG_PROBA", "PREDICT_PROBA")),
        ("sklearn_classifier", ()),
    ],
)
async def test_direct_calls_answer_as_the_function_file_does(
    tree_versions: dict[str, Path],
    run_pool: Any,
    methods_of: Any,
    trees_python: str,
    kind: str,
    direct: tuple[str, ...],
) -> None:
    version = tree_versions[kind]
    batches = [
        (method["name"], random_batch(method, rows, missing=missing))
        for method in methods_of(version)
        for rows in (1, 5, 900, 5000)
        for missing in (False, True)
    ]
    start = partial(run_pool, version, num_workers=1, python=(trees_python,))
    async with start() as pool, start(direct=False) as other:
        quick, general = await asyncio.gather(answers(pool, batches), answers(other, batches))
        assert pool.snapshot().direct_methods == direct
        assert other.snapshot().direct_methods == ()

    assert quick == general
    assert any(not isinstance(outcome, str) for outcome in general)


@pytest.mark.parametrize(
    ("kind", "direct"),
    [
        ("torch_rows", ("FORWARD",)),
        ("torch_script", ("FORWARD",)),
        ("torch_cells", ("FORWARD",)),
        ("torch_lists", ("FORWARD",)),
        ("torch_noise", ()),
    ],
)
async def test_tensors_are_those_that_the_function_file_makes(
    torch_versions: dict[str, Path],
    run_pool: Any,
    methods_of: Any,
    torch_python: str,
    kind: str,
    direct: tuple[str, ...],
) -> None:
    version = torch_versions[kind]
    batches = [
        (method["name"], random_batch(method, rows, missing=missing))
        for method in methods_of(version)
        for rows in (1, 5, 900, 3000)
        for missing in (False, True)
    ]
    start = partial(run_pool, version, num_workers=1, python=(torch_python,))
    async with start() as pool, start(direct=False) as other:
        assert pool.snapshot().direct_methods == direct
        quick, general = await asyncio.gather(answers(pool, batches), answers(other, batches))

    assert not any(isinstance(outcome, str) for outcome in general[::2])
    assert any("cannot handle null values" in str(outcome) for outcome in general[1::2])
    if direct:
        assert quick == general


async def test_rows_of_a_memory_file_answer_as_their_columns_do(
    make_version: Any, run_pool: Any, floats: Any
) -> None:
    columns = floats(20, 5000)
    table = pa.table({column.name: column.values for column in columns.columns})
    with CallFiles().holding(table) as sent:
        file = MemoryFile.take(os.dup(sent.descriptor), sent.size, seals=OWNED_SEALS)
    inputs = front.fields(**dict.fromkeys(columns.names, "DOUBLE"))
    [block] = ArrowReader(front.method(inputs)).read(file).blocks
    assert block.columns is not None
    assert placed_columns(block.columns.slice(1000, 3000), file) is not None
    ends = ((0, 5000), (1000, 3000), (4999, 5000))
    batches = [
        ("PREDICT", source.slice(*rows)) for rows in ends for source in (columns, block.columns)
    ]
    for direct in (True, False):
        version = make_version("xgboost_regressor")
        async with run_pool(version, num_workers=1, direct=direct) as pool:
            found = await answers(pool, batches)
        assert found[::2] == found[1::2]
        assert not any(isinstance(outcome, str) for outcome in found)
        assert file.readers == 0  # each worker has said that it let go
