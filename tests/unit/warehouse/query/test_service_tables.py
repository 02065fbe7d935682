"""TABLE(service!F(START_TIME => …)): functions of services that answer rows, in any query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from nunatak.catalog.sqltypes import NUMBER, OBJECT, TEXT
from nunatak.errors import InvalidArgument, ObjectNotFound, Unsupported
from nunatak.warehouse.core.hooks import Hooks, ServerFunctions
from nunatak.warehouse.core.results import Field, Result, rows_result
from nunatak.warehouse.core.session import Session

from ..conftest import Sql

FIELDS = (Field("N", NUMBER), Field("LOG", TEXT), Field("RECORD", OBJECT))
ROWS = [[1, "one", '{"status": "READY"}'], [2, "two", '{"status": "FAILED"}']]


class Logs:
    """Answers two rows, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def __call__(
        self, session: Session, name: Sequence[str], arguments: Mapping[str, Any]
    ) -> Result:
        self.asked.append((tuple(name), dict(arguments)))
        if name[-1] == "NOPE":
            raise ObjectNotFound("Service", "NOPE")
        return rows_result(FIELDS, ROWS)


@pytest.fixture
def logs() -> Logs:
    return Logs()


@pytest.fixture
def sql(with_hooks: Callable[[Hooks], Sql], logs: Logs) -> Sql:
    return with_hooks(Hooks(functions=ServerFunctions(service_tables={"SPCS_GET_LOGS": logs})))


def test_the_rows_can_be_filtered_joined_and_named(sql: Sql, logs: Logs) -> None:
    sql("CREATE TABLE T (N INT)")
    sql("INSERT INTO T VALUES (2)")

    found = sql(
        "SELECT l.LOG, l.RECORD:status::STRING FROM TABLE(DB.S.svc!SPCS_GET_LOGS()) l "
        "JOIN T ON T.N = l.N"
    )

    assert found == [("two", "FAILED")]
    assert logs.asked == [(("DB", "S", "SVC"), {})]
    described = sql.describe("SELECT * FROM TABLE(svc!SPCS_GET_LOGS())")
    assert [field.name for field in described] == ["N", "LOG", "RECORD"]


def test_arguments_are_constant_expressions(sql: Sql, logs: Logs) -> None:
    sql(
        "SELECT 1 FROM TABLE(SVC!SPCS_GET_LOGS(start_time => DATEADD('day', -1, "
        "'2024-03-02 00:00:00 +0000'::TIMESTAMP_TZ), END_TIME => NULL))"
    )

    [(_, arguments)] = logs.asked
    assert arguments["START_TIME"].astimezone(UTC) == datetime(2024, 3, 1, tzinfo=UTC)
    assert arguments["END_TIME"] is None


@pytest.mark.parametrize("arguments", ["1", "LINES => 5", "'2024-01-01'"])
def test_other_arguments_are_refused(sql: Sql, arguments: str) -> None:
    with pytest.raises(InvalidArgument, match="START_TIME => …, END_TIME => …"):
        sql(f"SELECT * FROM TABLE(SVC!SPCS_GET_LOGS({arguments}))")


def test_errors_of_the_function_are_the_statements(sql: Sql) -> None:
    with pytest.raises(ObjectNotFound, match="NOPE"):
        sql("SELECT * FROM TABLE(NOPE!SPCS_GET_LOGS())")


def test_it_is_no_scalar(sql: Sql) -> None:
    with pytest.raises(Unsupported):
        sql("SELECT SVC!SPCS_GET_LOGS()")


def test_describing_what_has_no_columns_is_unsupported_by_name(sql: Sql) -> None:
    with pytest.raises(Unsupported, match="DESCRIBE"):
        sql("DESCRIBE PROCEDURE P (FLOAT)")
