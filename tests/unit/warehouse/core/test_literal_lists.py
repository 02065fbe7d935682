"""Long lists of literals answer what short ones do, and no pass visits each of their literals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.config import Settings
from nunatak.errors import NunatakError, StatementError
from nunatak.warehouse.core import literal_lists
from nunatak.warehouse.core.literal_lists import EXPRESSIONS_LIMIT, LIST_TOKEN, LONG_CHARS
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.warehouse import Warehouse
from support.fuzz import examples

from ..conftest import Sql, new_session
from ..parsing.test_wide_statements import steps

COLUMNS = {
    "I": "INT",
    "N": "NUMBER(10, 2)",
    "W": "NUMBER(38, 10)",
    "F": "FLOAT",
    "S": "VARCHAR",
    "D": "DATE",
    "M": "TIMESTAMP_NTZ",
    "B": "BOOLEAN",
    "X": "BINARY",
    "V": "VARIANT",
}
ROWS = """
    SELECT 1, 1.50, 1.5, 1.5::FLOAT, 'a', '2024-01-01', '2024-01-01', TRUE, 'AB', PARSE_JSON('1')
    UNION ALL SELECT 2, 2, 2, 2, 'it''s', '2024-02-03', '2024-02-03 04:05:06', FALSE, 'CD',
    PARSE_JSON('"a"')
    UNION ALL SELECT -7, -7.25, -7.25, 0.1, '1', NULL, NULL, NULL, NULL, PARSE_JSON('null')
    UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
"""
NUMBERS = ("1", "2", "-7", "0", "1.5", "1.50", "-7.25", ".5", "2.", "99999999999999999999", "1e0")
TEXTS = ("'a'", "'it''s'", "'1'", "'2024-01-01'", "'2024-02-03 04:05:06'", "'AB'", "''", "'[\"x'")
PLACES = {
    "where": "SELECT I FROM T WHERE {} ORDER BY I",
    "column": "SELECT {} AS R FROM T ORDER BY I",
    "case": "SELECT CASE WHEN {} THEN 'y' ELSE 'n' END AS R FROM T ORDER BY I",
    "sum": "SELECT SUM(IFF({}, 1, 0)) AS R FROM T",
    "join": "SELECT COUNT(*) AS R FROM T LEFT JOIN (SELECT 1 AS J) ON {}",
    "having": "SELECT COUNT(*) AS R FROM T GROUP BY I, N, W, F, S, D, M, B, X, V HAVING {}",
    "qualify": "SELECT I FROM T QUALIFY ROW_NUMBER() OVER (ORDER BY I) > 0 AND {} ORDER BY I",
    "subquery": "SELECT COUNT(*) AS R FROM (SELECT * FROM T WHERE {}) AS Q",
    "transform": "SELECT COALESCE(NULLIF({}, FALSE), TRUE) AS R FROM T ORDER BY I",
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sql]:
    warehouse = Warehouse(Settings(home=tmp_path_factory.mktemp("home")))
    warehouse.create_database("DB")
    sql = Sql(warehouse, new_session())
    sql(f"CREATE TABLE T ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
    sql(f"INSERT INTO T {ROWS}")
    yield sql
    warehouse.close()


def outcome(sql: Sql, text: str, long_chars: int) -> object:
    """What a statement answers where lists of so many characters are long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(literal_lists, "LONG_CHARS", long_chars)
        try:
            rows: Sequence[tuple[Any, ...]] = sql(text)
        except NunatakError as error:
            return type(error)
    return rows


lists = st.sampled_from(
    [
        NUMBERS,
        TEXTS,
        ("TRUE", "FALSE", "NULL"),
        (*NUMBERS, "NULL"),
        (*TEXTS, "null"),
        (*NUMBERS, *TEXTS, "NULL"),
    ]
).flatmap(lambda kinds: st.lists(st.sampled_from(kinds), min_size=2, max_size=6))


@examples(60)
@given(
    column=st.sampled_from(list(COLUMNS)),
    items=lists,
    word=st.sampled_from(["IN", "NOT IN"]),
    place=st.sampled_from(list(PLACES)),
)
def test_a_long_list_answers_what_a_short_one_does(
    table: Sql, column: str, items: list[str], word: str, place: str
) -> None:
    text = PLACES[place].format(f"{column} {word} ({' ,'.join(items)})")

    assert outcome(table, text, 1) == outcome(table, text, 10**9)


@examples(40)
@given(
    rows=st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.tuples(*[st.sampled_from((*NUMBERS, *TEXTS, "NULL", "TRUE"))] * width),
            min_size=2,
            max_size=5,
        )
    ),
    reading=st.sampled_from(
        [
            "SELECT * FROM VALUES {}",
            "SELECT * FROM (VALUES {}) AS Q",
            "SELECT $1 AS A FROM VALUES {}",
        ]
    ),
)
def test_long_rows_are_what_short_ones_are(
    table: Sql, rows: list[tuple[str, ...]], reading: str
) -> None:
    text = reading.format(", ".join(f"({', '.join(row)})" for row in rows))

    assert outcome(table, text, 1) == outcome(table, text, 10**9)


@examples(40)
@given(
    column=st.sampled_from(list(COLUMNS)),
    items=lists,
)
def test_long_rows_are_inserted_as_short_ones_are(
    table: Sql, column: str, items: list[str]
) -> None:
    text = f"INSERT INTO U ({column}) VALUES {', '.join(f'({item})' for item in items)}"
    seen = []
    for long_chars in (1, 10**9):
        table("CREATE OR REPLACE TABLE U LIKE T")
        seen.append((outcome(table, text, long_chars), table(f"SELECT {column} FROM U")))

    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("SELECT COUNT(*) FROM T WHERE I IN ({})", "{}"),
        ("SELECT COUNT(*) FROM T WHERE N NOT IN ({})", "{}.5"),
        ("SELECT COUNT(*) FROM T WHERE S IN ({})", "'x{}'"),
        ("INSERT INTO W VALUES {}", "({}, 'x', 1.5)"),
        ("SELECT MAX(COLUMN1) FROM VALUES {}", "({}, 'x')"),
    ],
)
def test_no_pass_visits_each_literal(table: Sql, text: str, item: str) -> None:
    table("CREATE OR REPLACE TABLE W (A INT, B VARCHAR, C FLOAT)")
    count = 5_000
    statement = text.format(", ".join(item.format(number) for number in range(count)))
    table(statement)

    assert steps(lambda: table(statement)) < 15 * count  # hundreds for each literal with a node


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("SELECT 1 IN (1, 2, 3)", 7),
        ("SELECT 1 IN (1, 2, 3 + 1)", 0),
        ("SELECT 1 IN ('a', 'it''s')", 12),
        (r"SELECT 1 IN ('a', 'b\n')", 0),
        ("SELECT 1 IN (1, 2::INT)", 0),
        ("SELECT 1 IN (1, NULLS)", 0),
        ("SELECT 'IN (1, 2)' -- IN (1, 2)", 0),
        ("SELECT * FROM T PIVOT (SUM(A) FOR B IN (1, 2, 3)) AS P", 0),
        ("INSERT INTO T VALUES (1), (2), (3)", 8),
        ("INSERT INTO T VALUES (1), (2), (A)", 0),
        ("INSERT INTO T VALUES (A), (2), (3)", 0),
    ],
)
def test_only_lists_of_mere_literals_are_one_token(
    monkeypatch: pytest.MonkeyPatch, text: str, longest: int
) -> None:
    monkeypatch.setattr(literal_lists, "LONG_CHARS", 1)
    found = [len(t.text) for t in StatementText(text).tokens if t.token_type is LIST_TOKEN]

    assert found == ([longest] if longest else [])


def test_tokens_behind_a_list_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "SELECT A FROM T WHERE A IN (1,\n 2,\n 3) AND\n B"
    long = StatementText(text).tokens[-1]
    monkeypatch.setattr(literal_lists, "LONG_CHARS", 1)
    short = StatementText(text).tokens[-1]

    assert (short.start, short.end, short.line) == (long.start, long.end, long.line)


@pytest.mark.parametrize(
    "text", ["SELECT 1 IN ({})", "SELECT I IN ({}) FROM T", "SELECT V IN ({}) FROM T"]
)
def test_more_expressions_than_the_vendor_allows_are_refused(table: Sql, text: str) -> None:
    items = ",".join(["1"] * (EXPRESSIONS_LIMIT + 1))
    with pytest.raises(StatementError, match="at most 200,000, got 200,001"):
        table(text.format(items))


def test_more_rows_than_the_vendor_allows_are_refused(table: Sql) -> None:
    rows = ",".join(["(1)"] * (EXPRESSIONS_LIMIT + 1))
    assert len(rows) > LONG_CHARS
    with pytest.raises(StatementError, match="at most 200,000, got 200,001"):
        table(f"SELECT COUNT(*) FROM VALUES {rows}")
