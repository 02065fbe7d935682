"""Rules by the text that they make of a text."""

from __future__ import annotations

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import NUMBER, OBJECT, TEXT
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.parsing.parse import parse
from nunatak.warehouse.query.infer import note_column_types
from nunatak.warehouse.query.projections import name_projections, output_names, projection_texts
from nunatak.warehouse.query.translation import sql_text
from nunatak.warehouse.rewrite import RewriteContext, rewrite
from nunatak.warehouse.tables.tables import Location, Table, TableColumn

from ..conftest import new_session

TABLE = (TableColumn("A", NUMBER), TableColumn("O", OBJECT), TableColumn("S", TEXT))


def rewritten(text: str) -> str:
    session = new_session()

    def resolve(parts: tuple[str, ...]) -> Table:
        name = session.qualify(parts)
        return Table(name, Location.permanent(name), TABLE)

    tree = parse(StatementText(text)).tree
    note_column_types(tree, lambda _: {column.name: column.type for column in TABLE})
    context = RewriteContext(
        session=session,
        resolve=resolve,
        sequence=session.qualify,
        system_function=lambda _: None,
        parameter=session.parameter,
    )
    return sql_text(rewrite(tree, context))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select a from t", 'SELECT "A" FROM "DB"."PUBLIC"."T" AS "T"'),
        ('select x."a" from s."t" x', 'SELECT "X"."a" FROM "DB"."S"."t" AS "X"'),
        ("select db.public.t.a from t", 'SELECT "T"."A" FROM "DB"."PUBLIC"."T" AS "T"'),
        (
            "select o:a.b from t",
            """SELECT JSON_EXTRACT("O", '$."a"."b"') FROM "DB"."PUBLIC"."T" AS "T\"""",
        ),
        (
            "select cast(o as varchar) from t",
            'SELECT NK_JSON_TEXT("O") FROM "DB"."PUBLIC"."T" AS "T"',
        ),
        (
            "select cast(s as varchar) from t",
            'SELECT CAST("S" AS TEXT) FROM "DB"."PUBLIC"."T" AS "T"',
        ),
        (
            "select s::number(10, 2) from t",
            'SELECT CAST(NK_NUMBER_TEXT_OF("S") AS DECIMAL(10, 2)) FROM "DB"."PUBLIC"."T" AS "T"',
        ),
        ("select current_user()", "SELECT 'ADA'"),
        (
            "select 1 / 2, 1 / a from t",
            'SELECT 1 / 2, NK_DIVIDE(1, "A") FROM "DB"."PUBLIC"."T" AS "T"',
        ),
        (
            "select $2 from values (1, 2)",
            'SELECT "COLUMN2" FROM (VALUES (1, 2)) AS "VALUES"("COLUMN1", "COLUMN2")',
        ),
        (
            "with t as (select 1 as a) select a from t",
            'WITH "T" AS (SELECT 1 AS "A") SELECT "A" FROM "T"',
        ),
    ],
)
def test_rules(text: str, expected: str) -> None:
    assert rewritten(text) == expected


def test_texts_of_projections() -> None:
    text = (
        "with x as (select a b) SELECT distinct f(a, 'x,y') ,  \"q, r\"+1 FROM x where (select 1)"
    )
    assert projection_texts(StatementText(text)) == ["f(a, 'x,y')", '"q, r"+1']
    assert projection_texts(StatementText("select 1")) == ["1"]
    assert projection_texts(StatementText("insert into t values (1)")) == []


def test_names_of_projections() -> None:
    written = StatementText("select a, 1+1, b as c, count( * ) from t")
    tree = parse(written).tree
    name_projections(tree, written)
    assert output_names(tree) == ["A", "1+1", "C", "COUNT( * )"]
    assert output_names(parse(StatementText("select * from t")).tree) is None


def test_locations() -> None:
    name = QualifiedName("DB", "s", 'a"b')
    assert Location.permanent(name).sql == '"DB"."s"."a""b"'
    assert Location.temporary(new_session(7), name).sql == (
        '"_NUNATAK_SESSION_7"."main"."DB.""s"".""a""""b"""'
    )


def test_plain_columns_pay_nothing_for_values_that_are_compared_otherwise() -> None:
    text = "select max(a), greatest(a, 2), nullif(s, 'x') from t where a > 1 and s in ('x', 'y') "
    assert "NK_" not in rewritten(text + "group by s, a order by a")
