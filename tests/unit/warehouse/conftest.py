from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nunatak.config import Settings
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Description, Field, Result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.model_calls.planner import ModelCalls
from nunatak.warehouse.warehouse import Warehouse
from support.calls import World

Rows = list[tuple[Any, ...]]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    made = Warehouse(Settings(home=tmp_path))
    made.create_database("DB")
    yield made
    made.close()


def new_session(number: int = 1) -> Session:
    return Session(id=number, user="ADA", role="SYSADMIN", database="DB", schema="PUBLIC")


@pytest.fixture
def session() -> Session:
    return new_session()


class Sql:
    """Runs statements of one session and reads their rows."""

    def __init__(self, warehouse: Warehouse, session: Session) -> None:
        self.warehouse = warehouse
        self.session = session

    def result(self, text: str, *bindings: Binding) -> Result:
        request = StatementRequest(
            session=self.session, statement=StatementText(text), bindings=bindings, query_id="q"
        )
        return self.warehouse.query(request)

    def __call__(self, text: str, *bindings: Binding) -> Rows:
        return rows_of(self.result(text, *bindings))

    def value(self, text: str, *bindings: Binding) -> Any:
        [[value]] = self(text, *bindings)
        return value

    def described(self, text: str, *bindings: Binding) -> Description:
        return self.warehouse.describe(
            StatementRequest(session=self.session, statement=StatementText(text), bindings=bindings)
        )

    def describe(self, text: str, *bindings: Binding) -> tuple[Field, ...]:
        return self.described(text, *bindings).fields

    def types(self, text: str) -> list[str]:
        return [field.type.ddl() for field in self.describe(text)]


def rows_of(result: Result) -> Rows:
    rows: Rows = []
    for batch in result.batches:
        assert batch.num_rows
        rows += list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return rows


@pytest.fixture
def sql(warehouse: Warehouse, session: Session) -> Sql:
    return Sql(warehouse, session)


@pytest.fixture
def with_hooks(tmp_path: Path) -> Iterator[Callable[[Hooks], Sql]]:
    opened: list[Warehouse] = []

    def make(hooks: Hooks) -> Sql:
        made = Warehouse(Settings(home=tmp_path), hooks=hooks)
        made.create_database("DB")
        opened.append(made)
        return Sql(made, new_session())

    yield make
    for made in opened:
        made.close()


CALL_TABLES = (
    """CREATE TABLE T AS SELECT SEQ4() AS ID, ID % 7 - 3.0::FLOAT AS A,
    CASE WHEN ID % 5 = 0 THEN NULL ELSE ID % 11 END::FLOAT AS B, ID % 3 AS G
    FROM TABLE(GENERATOR(ROWCOUNT => 5000))""",
    """CREATE TABLE U AS SELECT SEQ4() AS K, K * 10.0::FLOAT AS V
    FROM TABLE(GENERATOR(ROWCOUNT => 3))""",
)
MadeWith = Callable[[World], Sql]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeWith]:
    """The engine with the tables of `test_model_calls.world`; call it with the models to use."""
    home: Path = tmp_path_factory.mktemp("home")
    warehouse = Warehouse(Settings(home=home))
    warehouse.create_database("DB")
    sql = Sql(warehouse, new_session())
    for statement in CALL_TABLES:
        sql(statement)

    def with_world(here: World) -> Sql:
        warehouse.hooks = Hooks(planner=ModelCalls(here))
        return sql

    yield with_world
    warehouse.close()
