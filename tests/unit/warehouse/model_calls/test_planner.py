"""Model calls in statements: the same rows as calling the model row by row, in fewer calls."""

from __future__ import annotations

from typing import Any

import pytest

from nunatak.catalog.sqltypes import FLOAT
from nunatak.errors import InvalidArgument, ModelCallFailed, ObjectNotFound, Unsupported
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.model_calls.planner import MethodParameter
from support.calls import Model, Runner, World, model


def world(**models: Model) -> World:
    made = World(models or {"M": model(), "SVC_F": native()})
    made.connection.execute(
        "CREATE TABLE T AS SELECT i AS ID, i % 7 - 3.0 AS A, CASE WHEN i % 5 = 0 THEN NULL ELSE"
        " i % 11 END::DOUBLE AS B, i % 3 AS G FROM range(5000) r(i)"
    )
    made.connection.execute("CREATE TABLE U AS SELECT i AS K, i * 10.0 AS V FROM range(3) r(i)")
    return made


def native() -> Model:
    return model(
        function=lambda a: {"y": None if a is None else a * a},
        inputs=(MethodParameter("A", FLOAT),),
        outputs=(Field("y", FLOAT),),
        is_native=True,
    )


SAME = [
    "SELECT ID, M!F(A, B):s::FLOAT AS P FROM T ORDER BY ID",
    "SELECT ID, M!F(A, B)['sign'] AS P FROM T ORDER BY ID",
    "SELECT M!F(A, B) AS P FROM T ORDER BY ID LIMIT 20",
    "SELECT *, M!F(A, B):s::FLOAT AS P FROM T ORDER BY ID",
    "SELECT t.*, u.V, M!F(t.A, u.V):s::FLOAT FROM T t JOIN U u ON t.G = u.K ORDER BY t.ID",
    "SELECT MODEL(M, V1)!F(1, 2):s::FLOAT AS X",
    "SELECT SVC_F(A) AS X FROM T ORDER BY ID",
    "SELECT SVC_F(M!F(A, B):s::FLOAT) AS X, SVC_F(SVC_F(A)) AS Y FROM T ORDER BY ID",
    "SELECT ID FROM T WHERE M!F(A, B):s::FLOAT > 3 AND G = 1 ORDER BY ID",
    "SELECT ID, SVC_F(A) AS Y FROM T WHERE SVC_F(A) > 3 ORDER BY ID",
    "SELECT ID, SVC_F(A) AS Y FROM T WHERE Y > 3 AND ID < 900 ORDER BY Y, ID",
    "SELECT A + 1 AS A2, SVC_F(A2) AS Y FROM T ORDER BY ID",
    "SELECT G, AVG(SVC_F(A)) AS Y, COUNT(*) AS N FROM T GROUP BY G ORDER BY G",
    "SELECT SVC_F(A) AS Y, COUNT(*) AS N FROM T GROUP BY 1 ORDER BY 1",
    "SELECT SVC_F(A) AS Y, COUNT(*) AS N FROM T GROUP BY Y HAVING COUNT(*) > 3 ORDER BY Y",
    "SELECT SVC_F(A) AS Y, COUNT(*) AS N FROM T GROUP BY ALL ORDER BY Y",
    "SELECT G, SVC_F(SUM(A)) AS Y FROM T WHERE ID > 9 GROUP BY G ORDER BY G",
    "SELECT G, SVC_F(SUM(A)) + MAX(B) AS Y FROM T GROUP BY G HAVING SVC_F(SUM(A)) >= 0 ORDER BY G",
    "SELECT G, SVC_F(SUM(SVC_F(A))) AS Y FROM T GROUP BY G ORDER BY G",
    "SELECT G, SVC_F(G) AS Y, COUNT(*) AS N FROM T GROUP BY G ORDER BY G",
    "SELECT DISTINCT G, SVC_F(G) AS Y FROM T ORDER BY G",
    "SELECT ID, SVC_F(LAG(A) OVER (ORDER BY ID)) AS Y FROM T ORDER BY ID",
    (
        "SELECT ID, SVC_F(A) AS Y FROM T QUALIFY ROW_NUMBER() OVER (PARTITION BY G ORDER BY ID) = 1"
        " ORDER BY ID"
    ),
    "SELECT ID, SUM(SVC_F(A)) OVER (PARTITION BY G ORDER BY ID) AS Y FROM T ORDER BY ID",
    "SELECT ID FROM T ORDER BY SVC_F(A), ID LIMIT 7",
    "SELECT ID, SVC_F(A) AS Y FROM T ORDER BY ID DESC LIMIT 5 OFFSET 2",
    "SELECT X.P::INT FROM (SELECT ID, M!F(A, B):sign AS P FROM T) X ORDER BY X.ID",
    "SELECT CAST(R['s'] AS DOUBLE), R:sign FROM (SELECT *, M!F(A, B) AS R FROM T) ORDER BY ID",
    "SELECT R['s']::FLOAT, R FROM (SELECT *, M!F(A, B) AS R FROM T) ORDER BY ID LIMIT 5",
    "WITH P AS (SELECT ID, SVC_F(A) AS Y FROM T) SELECT COUNT(*), SUM(Y) FROM P WHERE Y > 1",
    (
        "WITH P AS (SELECT ID, SVC_F(A) AS Y FROM T) SELECT COUNT(*) FROM P X JOIN P Z"
        " ON X.ID = Z.ID AND X.Y = Z.Y"
    ),
    (
        "WITH P AS (SELECT ID, SVC_F(A) AS Y FROM T), Q AS (SELECT * FROM P WHERE Y > 0)"
        " SELECT SUM(X.Y) FROM Q X JOIN Q Z ON X.ID = Z.ID"
    ),
    "WITH P(I, Y) AS (SELECT ID, SVC_F(A) FROM T) SELECT I, SVC_F(Y) FROM P ORDER BY I",
    (
        "SELECT ID, SVC_F(A) FROM T WHERE ID < 5 UNION ALL SELECT ID, SVC_F(B) FROM T WHERE ID < 9"
        " ORDER BY 1, 2"
    ),
    "SELECT ID, (SELECT MAX(SVC_F(V)) FROM U) AS W FROM T WHERE ID < 4 ORDER BY ID",
    "SELECT ID, (SELECT SVC_F(T.A)) AS W FROM T ORDER BY ID",
    "SELECT ID, SVC_F(A) AS Y, (SELECT MAX(V) FROM U WHERE U.K = T.G) AS W FROM T ORDER BY ID",
    "SELECT ID FROM T WHERE SVC_F(A) IN (SELECT SVC_F(V / 10) FROM U) ORDER BY ID",
    "SELECT T.ID, U.V FROM T JOIN U ON SVC_F(T.A) = U.K AND U.K = T.G ORDER BY 1",
    'SELECT ID, SVC_F(A) AS "y z" FROM T WHERE "y z" = 4 ORDER BY 1',
    "SELECT COUNT(*) FROM T WHERE EXISTS (SELECT 1 FROM U WHERE SVC_F(V) = 100)",
    "SELECT CASE WHEN G = 1 THEN SVC_F(A) ELSE B END AS Y FROM T ORDER BY ID",
    "SELECT SVC_F(COLUMN1) FROM (VALUES (1), (2), (NULL)) AS V(COLUMN1) ORDER BY 1",
    "SELECT SVC_F(A) FROM T WHERE FALSE",
]


def same(rows: list[Any]) -> list[Any]:
    """JSON texts as numbers, so that 1 and 1.0 are one."""
    return [tuple(_plain(value) for value in row) for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] != "{":
        return float(value) if value != "null" else None
    return value.replace(" ", "").replace(".0", "") if isinstance(value, str) else value


@pytest.mark.parametrize("sql", SAME)
def test_the_answer_is_that_of_calling_row_by_row(sql: str) -> None:
    here = world()
    assert same(here.query(sql)) == same(here.reference(sql))
    assert all(m.opened == m.closed for m in here.models.values())


def test_the_clients_check_for_the_order_column_runs_no_model() -> None:
    here = world()
    sql = (
        'SELECT "ID" FROM (WITH X AS (SELECT ID, A, B FROM T) SELECT *, MODEL(M, V1)!F(A, B) AS R'
        " FROM X) LIMIT 1"
    )
    assert here.query(sql) == [(0,)]
    assert here.models["M"].opened == 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM (SELECT *, SVC_F(A) AS R FROM T)",
        "WITH P AS (SELECT ID, SVC_F(A) AS R FROM T) SELECT ID FROM P",
        "SELECT ID FROM (SELECT * FROM (SELECT *, SVC_F(A) AS R FROM T))",
        "SELECT * EXCLUDE (R) FROM (SELECT *, SVC_F(A) AS R FROM T)",
        "SELECT U.* FROM (SELECT G, SVC_F(A) AS R FROM T) X JOIN U ON X.G = U.K",
    ],
)
def test_a_result_that_nobody_reads_is_not_computed(sql: str) -> None:
    here = world()
    here.query(sql)
    assert here.models["SVC_F"].opened == 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM (SELECT *, SVC_F(A) AS R FROM T)",
        "SELECT ID FROM (SELECT *, SVC_F(A) AS R FROM T) WHERE R > 0",
        "SELECT ID FROM (SELECT DISTINCT ID, SVC_F(A) AS R FROM T)",
        "SELECT ID FROM (SELECT *, SVC_F(A) AS R FROM T ORDER BY R)",
        "SELECT ID FROM (SELECT * FROM (SELECT *, SVC_F(A) AS R FROM T)) ORDER BY R",
    ],
)
def test_a_result_that_somebody_reads_is(sql: str) -> None:
    here = world()
    here.query(sql)
    assert here.models["SVC_F"].rows == 5000


def test_reading_fields_builds_no_object() -> None:
    here = world()
    runner = Runner(here)
    runner.run(
        "SELECT CAST(R['s'] AS DOUBLE) FROM (SELECT *, M!F(A, B) AS R FROM T) ORDER BY \"ID\""
    )
    runner.close()
    assert "OBJECT_CONSTRUCT" not in runner.plan


def test_columns_of_a_star_that_nobody_reads_are_not_carried() -> None:
    here = world()
    runner = Runner(here)
    runner.run("SELECT R['s']::FLOAT FROM (SELECT *, M!F(A, B) AS R FROM T) ORDER BY ID")
    [reader] = runner.registered.values()
    runner.close()
    assert reader.schema.names == ["__C2", "__R0_0", "__R0_1"]


def test_the_same_call_twice_is_made_once() -> None:
    here = world()
    here.query("SELECT SVC_F(A), SVC_F(A) + 1 FROM T WHERE SVC_F(A) > 100")
    assert here.models["SVC_F"].rows == 5000


def test_rows_that_cheap_conditions_leave_out_are_not_given_to_the_model() -> None:
    here = world()
    here.query("SELECT SVC_F(A) FROM T WHERE ID < 10 AND SVC_F(B) > 0")
    assert here.models["SVC_F"].rows <= 20


@pytest.mark.parametrize(
    "sql", ["SELECT SVC_F(A) FROM T LIMIT 3", "SELECT SVC_F(A) FROM T ORDER BY B LIMIT 1 OFFSET 2"]
)
def test_a_limit_reaches_the_input(sql: str) -> None:
    here = world()
    here.query(sql)
    assert here.models["SVC_F"].rows == 3


def test_batches_start_small_and_stay_within_what_the_model_takes() -> None:
    here = world(M=model(batch_rows=3000))
    here.query("SELECT SUM(M!F(A, B):s::FLOAT) FROM T")
    assert here.models["M"].batches == [512, 2048, 2440]


def test_create_and_insert_take_their_rows_from_calls() -> None:
    here = world()
    here.query("CREATE TABLE R AS SELECT ID, SVC_F(A) AS Y FROM T")
    here.query("INSERT INTO R SELECT ID, SVC_F(B) FROM T")
    assert here.connection.execute("SELECT COUNT(*), COUNT(Y) FROM R").fetchall() == [(10000, 9000)]


def test_describing_runs_nothing() -> None:
    here = world()
    runner = Runner(here, describe_only=True)
    planned = runner.planned("WITH P AS (SELECT *, SVC_F(A) AS Y FROM T) SELECT * FROM P, P Q")
    columns = runner.cursor().sql(planned).columns
    runner.close()
    assert columns[:5] == ["ID", "A", "B", "G", "Y"]
    assert here.models["SVC_F"].opened == 0


def test_names_of_columns_are_kept() -> None:
    here = world()
    runner = Runner(here)
    planned = runner.planned('SELECT T.ID, A AS "a", M!F(A, B) AS R FROM T')
    assert runner.cursor().sql(planned).columns == ["ID", "a", "R"]
    runner.close()


class TestArguments:
    def params(self) -> World:
        return world(
            M=model(
                function=lambda a, b, k=1.0, m=10.0: {"s": a + b + k + m, "sign": 0},
                params=(MethodParameter("k", FLOAT, "1.0"), MethodParameter("m", FLOAT, "10.0")),
            )
        )

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ("1, 2", 14.0),
            ("1, 2, 3", 16.0),
            ("1, 2, 3, 4", 10.0),
            ("A => 1, B => 2", 14.0),
            ("B => 2, A => 1, m => 4", 8.0),
            ("1, 2, m => 5", 9.0),
            ("'1', 2::NUMBER", 14.0),
        ],
    )
    def test_positions_names_and_defaults(self, arguments: str, expected: float) -> None:
        assert self.params().query(f"SELECT M!F({arguments}):s::FLOAT AS X") == [(expected,)]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("1", "'B' is missing"),
            ("1, 2, 3, 4, 5", "Too many arguments"),
            ("1, 2, z => 3", "no parameter 'z'"),
            ("1, 2, a => 3", "given twice"),
        ],
    )
    def test_wrong_ones_are_refused_with_the_methods_name(
        self, arguments: str, message: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=message):
            self.params().query(f"SELECT M!F({arguments})")


def test_an_error_of_the_model_names_the_method_and_the_rows() -> None:
    here = world(M=model(function=lambda a, b: {"s": 1 / (a + 3), "sign": 1}))
    runner = Runner(here)
    reader = list(runner_readers(runner, "SELECT M!F(A, B) FROM T"))
    with pytest.raises(ModelCallFailed, match=r"M!F failed \(rows 1 to 512 of its input\): Zero"):
        reader[0].read_all()
    runner.close()


def runner_readers(runner: Runner, sql: str) -> list[Any]:
    runner.planned(sql)
    return list(runner.registered.values())


def test_unknown_models_are_refused() -> None:
    with pytest.raises(ObjectNotFound):
        world().query("SELECT NOBODY!F(1)")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM T, TABLE(M!F(A, B))",
        "SELECT * FROM T, TABLE(M!F(A, B) OVER (PARTITION BY G))",
        "SELECT A FROM T UNION ALL SELECT A FROM T ORDER BY SVC_F(A)",
        "CREATE TABLE X (A FLOAT DEFAULT SVC_F(1))",
    ],
)
def test_places_that_no_operator_fits_are_refused_by_name(sql: str) -> None:
    with pytest.raises(Unsupported):
        world().query(sql)
