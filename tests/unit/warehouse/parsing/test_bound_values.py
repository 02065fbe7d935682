"""A statement with bound values is the statement with literals in the same places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.config import Settings
from nunatak.errors import InvalidArgument, NunatakError, SyntaxInvalid
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.parsing.markers import shares
from nunatak.warehouse.warehouse import Warehouse

from ..conftest import Sql, new_session

SLOT = re.compile(r"\[(\w+)\]")
WIRE = {"n": "FIXED", "t": "TEXT", "d": "DATE"}
"""Kinds of slots in the templates: numbers, texts, dates."""


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sql]:
    """`n9` with x = 1 … 9, `v` with a document, and what the statements write to."""
    home: Path = tmp_path_factory.mktemp("home")
    warehouse = Warehouse(Settings(home=home))
    warehouse.create_database("DB")
    sql = Sql(warehouse, new_session())
    sql("create table n9 as select seq4() + 1 x from table(generator(rowcount => 9))")
    sql("""create table v as select parse_json('{"a": [1, 2, 3], "b": "k"}') v""")
    sql("create table w(x int, y int)")
    yield sql
    warehouse.close()


def bound_and_plain(template: str, values: list[tuple[str, str]]) -> tuple[str, list[Binding], str]:
    """The statement with markers, the values, and the statement with literals."""
    left = iter(values)

    def written(slot: re.Match[str]) -> str:
        kind, value = next(left)
        assert kind == slot[1]
        if kind == "n":
            return value
        return f"'{value}'" if kind == "t" else f"'{value}'::date"

    plain = SLOT.sub(written, template)
    return SLOT.sub("?", template), [Binding(WIRE[kind], value) for kind, value in values], plain


NUMBER = st.integers(1, 9).map(str)
SCALARS = st.sampled_from(["x", "[n]", "x + [n]", "x * ([n] - [n])", "mod(x, [n])"])
TESTS = st.sampled_from(
    (
        "x > [n]",
        "x in ([n], [n])",
        "x between [n] and [n]",
        "x <> [n] or x = [n]",
        "not x < [n]",
        "case when x > [n] then [n] else [n] end > [n]",
        "exists (select 1 from n9 m where m.x = [n])",
    )
)


@st.composite
def queries(draw: st.DrawFn, depth: int = 0) -> str:
    """A SELECT with one column, slots in any of its clauses."""
    columns = f"{draw(SCALARS)} as x"
    source = "n9"
    if depth < 2 and draw(st.booleans()):
        source = f"({draw(queries(depth=depth + 1))}) s"
    text = f"select {columns} from {source}"
    if draw(st.booleans()):
        text += f" join (select x as z from n9 where {draw(TESTS)}) j on j.z = x + [n]"
    if draw(st.booleans()):
        text += f" where {draw(TESTS)}"
    if draw(st.booleans()):
        text += " qualify row_number() over (order by x - [n], x) <= [n]"
    elif draw(st.booleans()):
        text = text.replace(columns, f"sum({draw(SCALARS)}) as x", 1) + " group by x, x + [n]"
        text += f" having count(*) < [n] + {draw(st.sampled_from(['0', '[n]']))}"
    if depth:
        return text
    if draw(st.booleans()):
        text = f"with q as ({draw(queries(depth=1))}) {text.replace('n9', 'q', 1)}"
    if draw(st.booleans()):
        text += f" union all select [n] from n9 where {draw(TESTS)}"
    text += " order by 1"
    return text + draw(st.sampled_from(["", " limit [n]", " limit [n] offset [n]"]))


@st.composite
def with_values(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    template = draw(queries())
    return template, [(kind, draw(NUMBER)) for kind in SLOT.findall(template)]


@settings(max_examples=150, deadline=None)
@given(case=with_values())
def test_bound_values_stand_where_they_are_written(
    nine: Sql, case: tuple[str, list[tuple[str, str]]]
) -> None:
    marked, bindings, plain = bound_and_plain(*case)
    assert outcome(nine, marked, *bindings) == outcome(nine, plain)


def outcome(sql: Sql, text: str, *bindings: Binding) -> object:
    try:
        return sorted(map(repr, sql(text, *bindings)))
    except NunatakError as error:
        return type(error)


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("select x from n9 where x > [n] order by x limit [n]", "3 2"),
        ("with q as (select x from n9 where x > [n]) select x + [n] from q order by 1", "7 100"),
        ("select x + [n] y from n9 where x > [n] order by x limit [n]", "100 7 1"),
        ("select [n]::varchar, [t]::int, [t]::date", "5 7 2024-01-02"),
        ("select x from n9 qualify row_number() over (order by x + [n]) = [n]", "1 2"),
        ("select x, sum(x) over (order by x rows between [n] preceding and [n] following) from n9",
         "1 2"),
        ("select x from n9 order by x limit [n] offset [n]", "3 4"),
        ("select top [n] x from n9 order by x + [n]", "2 1"),
        ("select x from n9 order by x fetch first [n] rows only", "2"),
        ("select count(*) from table(generator(rowcount => [n])) where [n] = [n]", "7 1 1"),
        ("select date_trunc([t], [d])::date, dateadd(day, [n], [d])::date",
         "month 2024-03-05 3 2024-03-05"),
        ("select dateadd([t], [n], '2024-01-01'::date), datediff([t], [d], [d])",
         "month 1 day 2024-01-01 2024-03-01"),
        ("select to_date([t]), to_char([d], [t])", "2024-01-02 2024-05-06 YYYY/MM"),
        ("select to_timestamp_ntz([t], [t])::date", "05.01.2024 DD.MM.YYYY"),
        ("select split_part([t], [t], [n]), [t] || [t]", "a-b - 2 c d"),
        ("select regexp_replace([t], [t], [t])", "abc b x"),
        ("select v:a[[n]]::int, v[[t]][[n]]::int, get(v, [t])::varchar from v", "1 a 2 b"),
        ("select object_construct([t], [n]):k::int, array_construct([n], [n])[[n]]::int",
         "k 5 6 7 1"),
        ("select parse_json([t]):a::int", '{"a":1}'),
        ("select iff([n] > [n], [t], [t])", "1 2 a b"),
        ("select listagg(x, [t]) within group (order by x) from n9 where x < [n]", ", 4"),
        ("select x from n9 where x > [n] union all select [n] order by 1 limit [n]", "7 100 2"),
        ("select (select max(x) from n9 where x < [n]) + x from n9 where x > [n] order by 1",
         "5 7"),
        ("select x + [n] as a, a + [n] from n9 where a > [n] order by 1", "10 100 17"),
        ("select percentile_cont([n] - [n]) within group (order by x) from n9", "1 1"),
    ],
)  # fmt: skip
def test_bound_values_in_every_clause(nine: Sql, template: str, values: str) -> None:
    kinds = SLOT.findall(template)
    marked, bindings, plain = bound_and_plain(
        template, list(zip(kinds, values.split(" "), strict=True))
    )
    assert nine(marked, *bindings) == nine(plain)


def test_bound_values_in_statements_that_change(nine: Sql) -> None:
    five = Binding("FIXED", "5")
    one, seven = Binding("FIXED", "1"), Binding("FIXED", "7")
    hundred = Binding("FIXED", "100")
    nine("create temporary table z as select x+? y from n9 where x>? limit ?", hundred, seven, one)
    assert nine("select * from z") == [(108,)]
    nine("insert into w select x, ? from n9 where x = ?", hundred, seven)
    nine("update w set y = y + ? where x = ?", five, seven)
    assert nine("select * from w") == [(7, 105)]
    nine(
        "merge into w using (select ? a, ? b) s on w.x = s.a and ? = ? when matched and w.y > ? "
        "then update set y = s.b + ? when not matched then insert (x, y) values (?, s.b)",
        *(Binding("FIXED", text) for text in ("7", "1", "2", "2", "100", "10", "-1")),
    )
    assert nine("select * from w") == [(7, 11)]
    nine(
        "delete from w using n9 where w.x = n9.x and n9.x > ? and w.y = ?",
        one,
        Binding("FIXED", "11"),
    )
    assert nine("select * from w") == []


def test_numbers_and_names_of_markers(nine: Sql) -> None:
    one, two = Binding("FIXED", "1"), Binding("FIXED", "2")
    assert nine(
        "select x from n9 where x > :2 and x < :2 + :1 + :1 order by x limit :1", one, two
    ) == [(3,)]
    named = Binding("TEXT", "k", "CATALOG")
    assert nine("select :CATALOG, ?, :catalog from v where v:b ilike :CATALOG", one, named) == [
        ("k", 1, "k")
    ]
    with pytest.raises(InvalidArgument, match="not set: bind a value to its name"):
        nine("select :SCHEMA", named)
    with pytest.raises(InvalidArgument, match="Bind variable 3 is not set"):
        nine("select :3", one, two)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("select ?", ["VARCHAR(16777216)"]),
        ("select x, ? from n9 where x > ? limit ?", ["NUMBER(38,0)", "VARCHAR(16777216)"]),
        ("select ?::int, :1::date", ["NUMBER(38,0)", "DATE"]),
        ("select x + ? from n9", ["NUMBER(38,0)"]),
    ],
)
def test_a_statement_is_described_without_its_values(
    nine: Sql, text: str, types: list[str]
) -> None:
    assert nine.types(text) == types


def shared(texts: list[str], bindings: Sequence[Binding]) -> list[Sequence[Binding]]:
    return shares([StatementText(text) for text in texts], bindings)


def test_as_many_values_as_markers() -> None:
    one, two = Binding("FIXED", "1"), Binding("FIXED", "2")
    name = Binding("TEXT", "k", "NAME")
    assert shared(["select ?", "select '?', ?"], (one, two)) == [[one], [two]]
    assert shared(["select ?, :NAME", "select 1"], (one, name)) == [[one, name], [name]]
    assert shared(["select :1", "select :2"], (one, two)) == [(one, two)] * 2
    assert shared(["select :NAME", "select 1"], (name,)) == [(name,)] * 2
    assert shared(["select 1"], ()) == [()]
    assert shared(["call f(?, ?)"], (one, two)) == [[one, two]]
    for text in ("select ?", "select ?, ?, ?", "select 1", "select '?' -- ?"):
        with pytest.raises(InvalidArgument, match="2 values: bind one value to each"):
            shared([text], (one, two))
    with pytest.raises(SyntaxInvalid):
        shared(["select ? '"], (one,))


TYPED = "id int, d date, c time, n timestamp_ntz, l timestamp_ltz, b binary, f float, g boolean"
COLUMNS = ", ".join(f"column{number}" for number in range(1, 9))
LISTS = (
    Binding("FIXED", ["1", "2"]),
    Binding("TEXT", ["1704412800000", None]),
    Binding("TEXT", ["25689000000000", None]),
    Binding("TEXT", ["1704412800000000000", None]),
    Binding("TEXT", [None, "1704412800000000000"]),
    Binding("TEXT", ["0061", None]),
    Binding("TEXT", ["1.5", None]),
    Binding("TEXT", ["true", None]),
)
"""What clients send for lists with None: all as text, in the form of their own types."""


@pytest.mark.parametrize(
    "insert",
    [
        "insert into {0} values (?, ?, ?, ?, ?, ?, ?, ?)",
        "insert into {0} values (:1, :2, :3, :4, :5, :6, :7, :8)",
        "insert into {0}(id, d, c, n, l, b, f, g) values (?, ?, ?, ?, ?, ?, ?, ?)",
        "insert into {0} select ?, ?, ?, ?, ?, ?, ?, ?",
        f"insert into {{0}} select {COLUMNS} from values (?, ?, ?, ?, ?, ?, ?, ?)",
    ],
)
def test_lists_with_nulls_have_the_types_of_their_columns(nine: Sql, insert: str) -> None:
    nine(f"create or replace table typed({TYPED})")
    assert nine(insert.format("typed"), *LISTS) == [(2,)]
    assert nine(
        "select id, d::varchar, c::varchar, n::varchar, l = '2024-01-05 00:00 +00'::timestamp_ltz,"
        " b, f, g from typed order by id"
    ) == [
        (1, "2024-01-05", "07:08:09", "2024-01-05 00:00:00.000", None, b"\x00a", 1.5, True),
        (2, None, None, None, True, None, None, None),
    ]


def test_lists_in_rows_that_a_query_reads(nine: Sql) -> None:
    nine("create or replace table pairs(a int, b int)")
    name, lists = (
        Binding("TEXT", "pairs"),
        (Binding("FIXED", ["1", "2"]), Binding("FIXED", ["3", None])),
    )
    nine("insert into pairs select column1, column2 + 1 from values (?, ?)", *lists)
    nine("insert into identifier(?) select x.a, x.b * 2 from values (?, ?) x(a, b)", name, *lists)
    nine("insert into pairs(b) select column1 + ? from values (?) where column1 > ?",
         Binding("FIXED", "10"), lists[0], Binding("FIXED", "1"))  # fmt: skip
    assert sorted(nine("select * from pairs"), key=repr) == sorted(
        [(1, 4), (2, None), (1, 6), (2, None), (None, 12)], key=repr
    )


@pytest.mark.parametrize(
    "insert",
    [
        "insert into computed values (? + 1, -?, ? || '!')",
        "insert into computed select column1 + 1, -column2, column3 || '!' from values (?, ?, ?)",
        "insert into computed select x.a + 1, -b, c || '!' from values (?, ?, ?) x(a, b, c)",
    ],
)
def test_lists_with_nulls_are_computed_with(nine: Sql, insert: str) -> None:
    nine("create or replace table computed(a int, b float, c varchar)")
    lists = (["1", None], ["1.5", None], ["007", None])
    nine(insert, *(Binding("TEXT", [*given]) for given in lists))
    assert nine("select * from computed order by a") == [(2, -1.5, "007!"), (None, None, None)]


@pytest.mark.parametrize(
    "text",
    [
        "insert into w values (?, 1), (?, 2)",
        "insert into w select ?, x from n9",
        "insert into w select column1, ? from values (1)",
        "update w set x = ?",
        "delete from w where x = ?",
        "merge into w using (select ? a) s on w.x = s.a when matched then delete",
        "select ?",
    ],
)
def test_lists_anywhere_else_are_refused(nine: Sql, text: str) -> None:
    lists = [Binding("FIXED", ["1", "2"])] * text.count("?")
    with pytest.raises(InvalidArgument, match="Array binding is supported for"):
        nine(text, *lists)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("BOOLEAN", "maybe"),
        ("BOOLEAN", ""),
        ("BOOLEAN", "2"),
        ("TIME", "-1"),
        ("TIME", "86400000000000"),
        ("DATE", "99999999999999999"),
        ("TIMESTAMP_NTZ", "99999999999999999999999"),
        ("FIXED", "1e"),
        ("FIXED", "0x10"),
        ("REAL", "one"),
        ("BINARY", "0g"),
    ],
)
def test_values_that_are_not_of_their_type_are_refused(nine: Sql, kind: str, value: str) -> None:
    nine("create or replace table one_of(v varchar)")
    with pytest.raises(InvalidArgument, match=f"not a {kind}"):
        nine("select ?", Binding(kind, value))
    for rows in ([value], ["1", value]):
        with pytest.raises(InvalidArgument, match=f"not a {kind}"):
            nine("insert into one_of values (?)", Binding(kind, [*rows]))
    assert nine("select * from one_of") == []
