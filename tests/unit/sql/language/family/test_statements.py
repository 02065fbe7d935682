"""Statements of a family, as its table describes them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from nunatak.access.privileges.declared import Nothing
from nunatak.catalog.store import Key
from nunatak.objects.ruled import Listable
from nunatak.sql.language.family.statements import AlterObject
from nunatak.sql.language.family.table import DONE, Action, Altered, KindFamily
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText

SESSION = Session(id=1, user="U", role="R", database="DB", schema="S")
CONTEXT = Context(request=StatementRequest(session=SESSION, statement=StatementText("")))


class Rung(list[Key]):
    """A service that keeps which bells were rung."""


def _ring(_: Context, altered: Altered, rung: Rung) -> str | None:
    rung.append(altered.key)
    answer: str | None = altered.values
    return answer


RING = Action(words="RING", does="to ring it", needs=(Nothing(why="all may"),), act=_ring)
BELLS = KindFamily(
    kind="BELL", words="BELL", service=cast("type[Listable[Any]]", Rung), actions=(RING,)
)


@pytest.mark.parametrize(("answered", "told"), [(None, DONE), ("Bell rings.", "Bell rings.")])
def test_an_action_may_tell_a_status_of_its_own(answered: str | None, told: str) -> None:
    rung = Rung()
    alter = AlterObject(family=BELLS, name=("B",), if_exists=False, action="RING", values=answered)

    (batch,) = alter.run(CONTEXT, Injector({Rung: rung})).batches

    assert batch.to_pylist() == [{"status": told}]
    assert rung == [Key("BELL", "B", "DB", "S")]
