"""Model calls planned and run on the real engine: the same rows as in the planner's own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nunatak.config import Settings
from nunatak.errors import ModelCallFailed, StatementError, Unsupported
from nunatak.warehouse.hooks import Hooks
from nunatak.warehouse.model_calls import ModelCalls
from nunatak.warehouse.warehouse import Warehouse
from support.calls import World, model

from .conftest import Sql, new_session
from .test_model_calls import SAME, same, world

TABLES = (
    """CREATE TABLE T AS SELECT SEQ4() AS ID, ID % 7 - 3.0::FLOAT AS A,
    CASE WHEN ID % 5 = 0 THEN NULL ELSE ID % 11 END::FLOAT AS B, ID % 3 AS G
    FROM TABLE(GENERATOR(ROWCOUNT => 5000))""",
    """CREATE TABLE U AS SELECT SEQ4() AS K, K * 10.0::FLOAT AS V
    FROM TABLE(GENERATOR(ROWCOUNT => 3))""",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[World], Sql]]:
    home: Path = tmp_path_factory.mktemp("home")
    warehouse = Warehouse(Settings(home=home))
    warehouse.create_database("DB")
    sql = Sql(warehouse, new_session())
    for statement in TABLES:
        sql(statement)

    def with_world(here: World) -> Sql:
        warehouse.hooks = Hooks(planner=ModelCalls(here))
        return sql

    yield with_world
    warehouse.close()


@pytest.mark.parametrize("text", SAME)
def test_the_answer_is_that_of_calling_row_by_row(made: Callable[[World], Sql], text: str) -> None:
    here = world()
    assert same(made(here)(text)) == same(here.reference(text))
    assert all(model.opened == model.closed for model in here.models.values())


def test_what_the_client_sends_for_a_frame(made: Callable[[World], Sql]) -> None:
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


def test_an_error_of_the_model_reaches_the_user_as_it_is(made: Callable[[World], Sql]) -> None:
    here = world(M=model(function=lambda a, b: {"s": 1 / (a + 3), "sign": 1}))
    with pytest.raises(ModelCallFailed, match=r"^M!F failed \(rows 1 to 512 of its input\): Zero"):
        made(here)("SELECT M!F(A, B) FROM T")
    assert all(model.opened == model.closed for model in here.models.values())


def test_a_subquery_that_depends_on_the_row_calls_functions(made: Callable[[World], Sql]) -> None:
    text = "SELECT ID, (SELECT MAX(SVC_F(U.V + T.A)) FROM U) AS W FROM T"
    here = world()
    assert same(made(here)(text)) == same(here.reference(text))


def test_a_column_that_is_not_there_is_told_as_ever(made: Callable[[World], Sql]) -> None:
    with pytest.raises(StatementError, match="NOWHERE") as caught:
        made(world())("SELECT SVC_F(NOWHERE) FROM T")
    assert not isinstance(caught.value, Unsupported)
