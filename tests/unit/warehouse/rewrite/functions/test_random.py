"""Random values: one draw for each row, and the same draws for the same seed."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from nunatak.config import Settings
from nunatak.errors import NunatakError, Unsupported
from nunatak.warehouse.warehouse import Warehouse

from ...conftest import Sql, new_session

ROWS = "table(generator(rowcount => 5000))"
DRAWS = (
    "random(42)",
    "abs(random(1)) % 1000000",
    "uniform(1, 100, random(42))",
    "uniform(0::float, 1::float, random(42))",
    "normal(0, 1, random(7))",
    "zipf(1, 10, random(7))",
    "randstr(8, random(3))",
    "randstr(8, seq4())",
    "uniform(1, 100, seq4())",
)


@pytest.mark.parametrize("draw", DRAWS)
def test_the_same_seed_draws_the_same_in_every_run(tmp_path: Path, draw: str) -> None:
    runs = []
    for number in (1, 2):
        warehouse = Warehouse(Settings(home=tmp_path / str(number)))
        warehouse.create_database("DB")
        sql = Sql(warehouse, new_session())
        sql.warehouse.engine.connect().execute(f"SET threads = {number}")
        runs += [sql(f"select {draw} from {ROWS}") for _ in range(2)]
        warehouse.close()
    assert runs[0] == runs[1] == runs[2] == runs[3]
    assert len(set(runs[0])) > 9


FREE = ("random()", "uniform(1, 9000000000, random())", "randstr(12, random())")


@pytest.mark.parametrize("draw", FREE)
def test_every_row_has_its_own_draw(sql: Sql, draw: str) -> None:
    rows = sql(f"select {draw} from {ROWS}")
    assert len(set(rows)) > 4990
    assert sql(f"select {draw} from {ROWS}") != rows


def test_draws_of_one_row(sql: Sql) -> None:
    rows = sql(f"select random(1), random(1), random(2), random(), random() from {ROWS}")
    assert all(a == b for a, b, *_ in rows)
    assert not any(a == c or d == e for a, _, c, d, e in rows)


def test_a_constant_generator_draws_the_same_for_all_rows(sql: Sql) -> None:
    rows = sql(f"select uniform(1, 1000, 5), randstr(9, 5), normal(0, 1, 5) from {ROWS}")
    assert len(set(rows)) == 1


def test_distributions(sql: Sql) -> None:
    whole = [x for (x,) in sql(f"select uniform(1, 6, random(1)) from {ROWS}")]
    assert set(whole) == {1, 2, 3, 4, 5, 6}
    assert abs(statistics.mean(whole) - 3.5) < 0.1
    real = [x for (x,) in sql(f"select uniform(-1::float, 1::float, random(1)) from {ROWS}")]
    assert all(-1 <= x < 1 for x in real)
    assert abs(statistics.mean(real)) < 0.05
    normal = [x for (x,) in sql(f"select normal(10, 2, random(1)) from {ROWS}")]
    assert abs(statistics.mean(normal) - 10) < 0.1
    assert abs(statistics.stdev(normal) - 2) < 0.1
    zipf = [x for (x,) in sql(f"select zipf(1, 3, random(1)) from {ROWS}")]
    assert set(zipf) == {1, 2, 3}
    assert abs(zipf.count(1) / len(zipf) - 6 / 11) < 0.03
    texts = [x for (x,) in sql(f"select randstr(5, random(1)) from {ROWS}")]
    assert all(len(x) == 5 and x.isalnum() for x in texts)


def test_seeds_are_independent_of_each_other(sql: Sql) -> None:
    query = "select corr(uniform(0::float, 1::float, {}), uniform(0::float, 1::float, {})) from {}"
    assert abs(sql.value(query.format("random(1)", "random(2)", ROWS))) < 0.05


@pytest.mark.parametrize(
    "query",
    [
        "select i from t where uniform(0::float, 1::float, random(1)) < 0.5",
        "select * from t where random(1) > 0",
        "select t.* from t where random(1) > 0 and t.i > 1",
        "select x.i from (select i from t) x where random(1) > 0",
        "select avg(uniform(1, 100, random(1))) from t",
        "select uniform(1, 9, random(1)) k, count(*) from t group by k order by k",
        "select sum(random(1) % 100) over (order by i) from t",
        "select i from t order by random(1)",
        "select i from t qualify random(1) > 0",
        "select i from t sample (50) seed (1)",
        "select i from t tablesample bernoulli (10) repeatable (3)",
        "select * from (select *, abs(random(1)) % 1000000 c from t) where c < 500000",
    ],
)
def test_wherever_the_draw_stands(sql: Sql, query: str) -> None:
    sql(f"create table t as select seq4() i from {ROWS}")
    rows = sql(query)
    assert rows
    assert sql(query) == rows
    assert all("NUNATAK" not in field.name for field in sql.describe(query))
    assert query.startswith("select avg") or len(set(rows)) > 8


def test_rows_that_are_written(sql: Sql) -> None:
    sql("create table t(i int)")
    sql("insert into t values (uniform(1, 1000000, random(1))), (uniform(1, 1000000, random(1)))")
    sql(f"insert into t select uniform(1, 1000000, random(2)) from {ROWS}")
    assert len(set(sql("select i from t"))) > 4950
    sql("update t set i = uniform(1, 1000000, random(3))")
    first = sql("select i from t")
    assert len(set(first)) > 4950
    sql("update t set i = uniform(1, 1000000, random(3))")
    assert sql("select i from t") == first


def test_null_draws_null(sql: Sql) -> None:
    assert sql("select uniform(1, 2, null), normal(0, 1, null), randstr(3, null)") == [
        (None, None, None)
    ]


@pytest.mark.parametrize(
    "query",
    ["select zipf(1, 0, random())", "select randstr(-1, 1)", "select randstr(100000000, 1)"],
)
def test_arguments_out_of_range_are_refused(sql: Sql, query: str) -> None:
    with pytest.raises(NunatakError, match=r"^(ZIPF|RANDSTR) "):
        sql(query)


def test_a_draw_for_rows_without_a_number_is_refused(sql: Sql) -> None:
    sql(f"create table t as select seq4() i from {ROWS}")
    with pytest.raises(Unsupported, match="RANDOM with a seed"):
        sql("select 1 from t a join t b on a.i = b.i where random(1) > 0")
