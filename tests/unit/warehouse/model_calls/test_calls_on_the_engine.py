"""Model calls planned and run on the real engine: the same rows as in the planner's own tests."""

from __future__ import annotations

import pytest

from nunatak.errors import ModelCallFailed, ObjectNotFound, StatementError, Unsupported
from nunatak.warehouse.core.bindings import Binding
from support.calls import model

from ..conftest import MadeWith
from .test_planner import SAME, same, world


@pytest.mark.parametrize("text", SAME)
def test_the_answer_is_that_of_calling_row_by_row(made: MadeWith, text: str) -> None:
    here = world()
    assert same(made(here)(text)) == same(here.reference(text))
    assert all(model.opened == model.closed for model in here.models.values())


def test_what_the_client_sends_for_a_frame(made: MadeWith) -> None:
    here = world()
    sql = made(here)
    call = (
        'WITH INPUT_X AS (SELECT "ID", CAST ("A" AS DOUBLE) AS "A", CAST ("B" AS DOUBLE) AS "B" '
        'FROM "DB"."PUBLIC"."T") SELECT *, MODEL(DB.PUBLIC.M,V1)!F(A, B) AS TMP_RESULT FROM INPUT_X'
    )
    assert sql.types(call) == ["NUMBER(38,0)", "FLOAT", "FLOAT", "OBJECT"]
    assert here.models["M"].opened == 0
    assert sql(f'SELECT "ID" FROM ({call}) LIMIT 1') == [(0,)]
    assert here.models["M"].opened == 0
    outer = (
        'SELECT CAST ("TMP_RESULT"[\'sign\'] AS BIGINT) AS "sign" '
        f'FROM ({call}) ORDER BY "ID" ASC NULLS FIRST'
    )
    assert [field.name for field in sql.describe(outer)] == ["sign"]
    assert len(sql(outer)) == 5000
    assert here.models["M"].rows == 5000


def test_an_error_of_the_model_reaches_the_user_as_it_is(made: MadeWith) -> None:
    here = world(M=model(function=lambda a, b: {"s": 1 / (a + 3), "sign": 1}))
    with pytest.raises(ModelCallFailed, match=r"^M!F failed \(rows 1 to 512 of its input\): Zero"):
        made(here)("SELECT M!F(A, B) FROM T")
    assert all(model.opened == model.closed for model in here.models.values())


def test_a_column_that_is_not_there_is_told_as_ever(made: MadeWith) -> None:
    with pytest.raises(StatementError, match="NOWHERE") as caught:
        made(world())("SELECT SVC_F(NOWHERE) FROM T")
    assert not isinstance(caught.value, Unsupported)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT M!F(A, B) P FROM T",
        "SELECT ID, MODEL(DB.PUBLIC.M, V1)!F(A, B):s::FLOAT P FROM T",
        "WITH MV AS MODEL M VERSION V1 SELECT MV!F(A, B) P FROM T",
        "SELECT SVC_F(A) P FROM T",
        "SELECT * FROM (SELECT SVC_F(A) P FROM T) WHERE P > 1",
        "WITH Q AS (SELECT SVC_F(A) P FROM T) SELECT P FROM Q",
        "SELECT ID FROM T WHERE SVC_F(A) > 1",
        "SELECT (SELECT MAX(SVC_F(A)) FROM T) P",
        "SELECT P FROM T, TABLE(M!F(A, B))",
        "SELECT ID FROM T UNION ALL SELECT SVC_F(1)",
    ],
)
@pytest.mark.parametrize("create", ["VIEW", "OR REPLACE VIEW", "TEMPORARY VIEW", "SECURE VIEW"])
def test_a_view_over_a_model_call_is_refused_by_name(
    made: MadeWith, create: str, query: str
) -> None:
    here = world()
    sql = made(here)
    with pytest.raises(Unsupported, match=r"a view over a call of a model or service \(.*(F|SVC)"):
        sql(f"CREATE {create} VM AS {query}")
    assert all(not model.opened for model in here.models.values())
    with pytest.raises(ObjectNotFound):
        sql("SELECT * FROM VM")


def test_a_view_over_rows_of_the_statement_is_refused_by_name(made: MadeWith) -> None:
    sql = made(world())
    with pytest.raises(Unsupported, match="a view over staged files, INFORMATION_SCHEMA"):
        sql("CREATE VIEW VI AS SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES")


@pytest.mark.parametrize("read", ["SELECT * FROM OLD", "SELECT X.P FROM (SELECT P FROM OLD) X"])
@pytest.mark.parametrize("query", ["SELECT 1", "SELECT SVC_F(A) FROM T LIMIT 1"])
def test_a_view_of_an_earlier_version_is_refused_when_it_is_read(
    made: MadeWith, read: str, query: str
) -> None:
    """It names rows that ended with the statement that made it, never those of another one."""
    sql = made(world())
    sql("CREATE OR REPLACE VIEW OLD(P) AS SELECT 1")
    with sql.warehouse.engine.connect() as connection:
        connection.execute('CREATE TEMPORARY VIEW "__NUNATAK_ROWS_0" AS SELECT 1 AS P')
        connection.execute(
            'CREATE OR REPLACE VIEW "DB"."PUBLIC"."OLD"("P") AS SELECT P FROM "__NUNATAK_ROWS_0"'
        )
    with pytest.raises(Unsupported, match="drop the view") as caught:
        sql(f"{read}, ({query}) Y" if query != "SELECT 1" else read)
    assert "__NUNATAK" not in caught.value.message


def test_bound_values_stand_in_model_calls_where_they_are_written(made: MadeWith) -> None:
    sql = made(world())
    text = (
        "WITH Q AS (SELECT ID, M!F(A + {}, B):s::FLOAT + {} P FROM T WHERE ID > {}) "
        "SELECT ID, P + SVC_F({}) FROM Q WHERE ID < {} ORDER BY ID LIMIT {}"
    )
    values = ["1", "20", "300", "4", "400", "7"]
    bindings = [Binding("FIXED", value) for value in values]
    assert same(sql(text.format(*"?" * 6), *bindings)) == same(sql(text.format(*values)))
