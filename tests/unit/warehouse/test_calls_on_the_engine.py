"""Model calls planned and run on the real engine: the same rows as in the planner's own tests."""

from __future__ import annotations

import pytest

from nunatak.errors import ModelCallFailed, StatementError, Unsupported
from support.calls import model

from .conftest import MadeWith
from .test_model_calls import SAME, same, world


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
