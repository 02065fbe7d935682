"""Model calls where they cannot be operators: functions of the engine answer the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from nunatak.catalog.sqltypes import FLOAT, NUMBER, OBJECT, TEXT
from nunatak.errors import InvalidArgument, ModelCallFailed, QueryCancelled, Unsupported
from nunatak.warehouse.core.cancel import Cancellation
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.model_calls.planner import MethodParameter
from support.calls import World, model

from ..conftest import MadeWith, rows_of
from .test_planner import native, same, world
from .test_random_model_calls import calls


@pytest.fixture(scope="module")
def reference() -> Iterator[World]:
    here = world()
    yield here
    here.connection.close()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ID, (SELECT MAX(SVC_F(U.V + T.A)) FROM U) AS W FROM T ORDER BY ID",
        "SELECT ID FROM T WHERE EXISTS (SELECT 1 FROM U WHERE U.K = T.G AND SVC_F(T.A) > U.V)",
        "SELECT ID, (SELECT MAX(M!F(T.A, U.V):s::FLOAT) FROM U WHERE U.K = T.G) AS W FROM T",
        "SELECT ID, (SELECT MAX(M!F(T.A, B => U.V)['sign']::INT) FROM U WHERE U.K = T.G) FROM T",
        "SELECT T.ID, U.V FROM T LEFT JOIN U ON T.G = U.K AND SVC_F(T.A) > U.V",
        "SELECT T.ID, U.V FROM T LEFT JOIN U ON SVC_F(SVC_F(T.A)) > U.V WHERE T.ID < 500",
        "SELECT ID, SVC_F(A) AS Y, U.V FROM T LEFT JOIN U ON SVC_F(T.G) > U.V WHERE Y > 1",
        """WITH RECURSIVE P AS (SELECT 2::DOUBLE AS A, 1 AS N UNION ALL
        SELECT SVC_F(A), N + 1 FROM P WHERE N < 4) SELECT * FROM P""",
        "SELECT ID, SVC_F(A) + (SELECT SUM(SVC_F(U.V - T.ID)) FROM U) AS W FROM T WHERE ID < 300",
    ],
)
def test_rows_are_those_of_calling_row_by_row(made: MadeWith, reference: World, text: str) -> None:
    here = world()
    ours, theirs = same(made(here)(text)), same(reference.reference(text))
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)
    assert all(item.opened == item.closed for item in here.models.values())


@settings(max_examples=40)
@given(call=calls())
def test_an_operator_and_a_function_give_the_same(
    made: MadeWith, reference: World, call: str
) -> None:
    """The same random call in the SELECT list, and in a subquery that depends on the row."""
    sql = made(world())
    one_row = f"(SELECT {call} FROM U WHERE U.K = 0 AND T.ID >= 0)"
    operator = same(sql(f"SELECT ID, {call} AS V FROM T ORDER BY ID"))
    function = same(sql(f"SELECT ID, {one_row} AS V FROM T ORDER BY ID"))
    assert operator == function
    assert operator == same(reference.reference(f"SELECT ID, {call} AS V FROM T ORDER BY ID"))


def test_update_sets_what_a_model_answers(made: MadeWith) -> None:
    sql = made(world())
    sql("CREATE OR REPLACE TABLE W AS SELECT ID, A, B, 0::FLOAT AS P FROM T")
    assert sql("UPDATE W SET P = SVC_F(A) + 1 WHERE SVC_F(A) >= 4") == [(2858, 0)]
    assert sql("SELECT COUNT(*) FROM W WHERE P = A * A + 1") == [(2858,)]
    sql("UPDATE W SET P = M!F(W.A, U.V):s FROM U WHERE U.K = W.ID")
    assert sql("SELECT P FROM W WHERE ID < 3 ORDER BY ID") == [(-3.0,), (18.0,), (39.0,)]


def test_delete_merge_and_values_take_calls(made: MadeWith) -> None:
    sql = made(world())
    sql("CREATE OR REPLACE TABLE W AS SELECT ID, A FROM T WHERE ID < 20")
    sql("DELETE FROM W WHERE SVC_F(A) > 4")
    assert sql("SELECT MAX(ABS(A)) FROM W") == [(2.0,)]
    sql("MERGE INTO W USING U ON W.ID = U.K WHEN MATCHED THEN UPDATE SET A = SVC_F(U.V)")
    assert sql("SELECT A FROM W WHERE ID = 2") == [(400.0,)]
    sql("INSERT INTO W VALUES (100, SVC_F(11))")
    assert sql("SELECT A FROM W WHERE ID = 100") == [(121.0,)]


def test_a_function_sees_the_transaction_it_is_in(made: MadeWith) -> None:
    sql = made(world())
    sql("CREATE OR REPLACE TABLE W (A FLOAT, P FLOAT)")
    sql("BEGIN")
    sql("INSERT INTO W VALUES (3, 0)")
    sql("UPDATE W SET P = SVC_F(A)")
    with pytest.raises(InvalidArgument):
        sql("UPDATE W SET P = M!F(A)")
    assert sql("SELECT P FROM W") == [(9.0,)]
    sql("ROLLBACK")
    assert sql("SELECT COUNT(*) FROM W") == [(0,)]


def test_the_model_is_called_once_for_all_outputs_of_a_vector(made: MadeWith) -> None:
    here = world()
    sql = made(here)
    sql("CREATE OR REPLACE TABLE W AS SELECT A, B, ''::VARCHAR AS P FROM T")
    sql("UPDATE W SET P = TO_JSON(M!F(A, B))")
    assert sql("SELECT P FROM W WHERE A = 3 AND B = 1 LIMIT 1") == [('{"s":5.0,"sign":1}',)]
    assert here.models["M"].rows == 5000


def test_semi_structured_values_go_in_and_out(made: MadeWith) -> None:
    here = World(
        {
            "M": model(
                function=lambda o, n: {"t": f"{o}", "o": '{"a":[1]}', "i": n},
                inputs=(MethodParameter("O", OBJECT), MethodParameter("N", NUMBER)),
                outputs=(Field("t", TEXT), Field("o", OBJECT), Field("i", NUMBER)),
            )
        }
    )
    sql = made(here)
    sql("CREATE OR REPLACE TABLE W (T VARCHAR, I INT)")
    sql("INSERT INTO W VALUES ('', 0)")
    sql("UPDATE W SET T = M!F(OBJECT_CONSTRUCT('k', 1), 7):t::VARCHAR, I = M!F(NULL, 7):i")
    assert sql("SELECT * FROM W") == [('{"k":1}', 7)]
    sql("UPDATE W SET I = M!F(NULL, 7):o:a[0]")
    assert sql.value("SELECT I FROM W") == 1


def test_large_vectors_are_cut_to_what_the_method_takes(made: MadeWith) -> None:
    here = world(M=model(batch_rows=100))
    made(here)("SELECT T.ID FROM T LEFT JOIN U ON M!F(T.A, T.B):s::FLOAT = U.V")
    assert here.models["M"].batches
    assert max(here.models["M"].batches) <= 100


def test_errors_name_the_method_and_leave_nothing_behind(made: MadeWith) -> None:
    here = world(M=model(function=lambda a, b: {"s": 1 / (a + 3), "sign": 1}))
    sql = made(here)
    with pytest.raises(ModelCallFailed, match=r"^M!F failed: ZeroDivisionError"):
        sql("SELECT T.ID FROM T LEFT JOIN U ON M!F(T.A, T.B):s::FLOAT = U.V")
    assert here.models["M"].opened == here.models["M"].closed
    functions = "SELECT count(*) FROM duckdb_functions() WHERE function_name LIKE '%NUNATAK_FUNC%'"
    with sql.warehouse.engine.connect() as connection:
        assert connection.execute(functions) == [(0,)]


def test_an_operator_whose_input_calls_functions_tells_their_errors(made: MadeWith) -> None:
    here = world(M=model(function=lambda a, b: {"s": 1 / (a + 3), "sign": 1}), SVC_F=native())
    with pytest.raises(ModelCallFailed, match=r"^M!F failed: ZeroDivisionError"):
        made(here)("SELECT SVC_F(T.ID) FROM T LEFT JOIN U ON M!F(T.A, T.B):s::FLOAT = U.V")


def test_describing_runs_no_model(made: MadeWith) -> None:
    here = world()
    text = "SELECT ID, (SELECT MAX(SVC_F(U.V + T.A)) FROM U) AS W FROM T"
    assert made(here).types(text) == ["NUMBER(38,0)", "FLOAT"]
    assert here.models["SVC_F"].opened == 0


def test_a_cancelled_statement_ends_while_the_model_computes(made: MadeWith) -> None:
    started, release = threading.Event(), threading.Event()

    def before(_number: int) -> None:
        started.set()
        release.wait(30)

    here = world(
        SVC_F=model(
            function=lambda a: {"y": a},
            inputs=(MethodParameter("A", FLOAT),),
            outputs=(Field("y", FLOAT),),
            is_native=True,
            before=before,
        )
    )
    sql = made(here)
    cancelled = Cancellation()
    request = StatementRequest(
        session=sql.session,
        statement=StatementText("SELECT T.ID FROM T LEFT JOIN U ON SVC_F(T.A) = U.V"),
        query_id="q",
        cancelled=cancelled,
    )

    def cancel() -> None:
        started.wait(30)
        cancelled.set()
        release.set()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(QueryCancelled):
        rows_of(sql.warehouse.query(request))
    canceller.join()
    assert here.models["SVC_F"].opened == here.models["SVC_F"].closed


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE X (A FLOAT DEFAULT SVC_F(1))",
        "SELECT A FROM T UNION ALL SELECT A FROM T ORDER BY SVC_F(A)",
        "SELECT * FROM T, TABLE(M!F(A, B))",
    ],
)
def test_what_cannot_be_a_function_either_is_refused_by_name(made: MadeWith, text: str) -> None:
    with pytest.raises(Unsupported, match="M!F"):
        made(world())(text)


def test_a_method_without_arguments_is_refused_by_name(made: MadeWith) -> None:
    here = world(M=model(function=lambda: {"s": 1.0, "sign": 1}, inputs=()))
    with pytest.raises(Unsupported, match="M!F in this place"):
        made(here)("UPDATE T SET A = M!F():s")


def test_wrong_arguments_are_told_as_ever(made: MadeWith) -> None:
    with pytest.raises(InvalidArgument, match="Not enough arguments"):
        made(world())("UPDATE T SET A = M!F(A):s")
