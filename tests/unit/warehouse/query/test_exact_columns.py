"""Names in queries mean what they mean exactly, in upper and lower case."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nunatak.config import Settings
from nunatak.errors import InvalidIdentifier, NunatakError, ObjectNotFound, Unsupported
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.query.exact_names import resolve_names
from nunatak.warehouse.warehouse import Warehouse

from ..conftest import Rows, Sql, new_session, rows_of

BOTH = '(select 1 as "x", 2 as X)'


@pytest.fixture(scope="module")
def lower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sql]:
    """L has the columns "col_A" and "id", N the column X."""
    home: Path = tmp_path_factory.mktemp("home")
    warehouse = Warehouse(Settings(home=home))
    warehouse.create_database("DB")
    sql = Sql(warehouse, new_session())
    sql('create table l("col_A" int, "id" int)')
    sql("insert into l values (1, 10), (2, 20)")
    sql("create table n as select 5 as x")
    yield sql
    warehouse.close()


@pytest.mark.parametrize(
    ("text", "names", "row"),
    [
        (f"select x from {BOTH}", ["X"], (2,)),
        (f'select "x" from {BOTH}', ["x"], (1,)),
        (f"select * from {BOTH}", ["x", "X"], (1, 2)),
        (f"select t.* from {BOTH} t", ["x", "X"], (1, 2)),
        (f"select * exclude (x) from {BOTH}", ["x"], (1,)),
        (f'select * rename ("x" as y) from {BOTH}', ["Y", "X"], (1, 2)),
        (f"select x from (select * from {BOTH})", ["X"], (2,)),
        (f'select t.x, t."x", t.x + t."x" as s from {BOTH} t', ["X", "x", "S"], (2, 1, 3)),
        (f'with q as {BOTH} select x, q."x" from q', ["X", "x"], (2, 1)),
        ('with q("x", x) as (select 1, 2) select x, q."x" from q', ["X", "x"], (2, 1)),
        ('select "a", A from (values (1, 2)) as v("a", A)', ["a", "A"], (1, 2)),
        ('select a from (select 1 as "a" union all select 2) "t", (select 3 as A) u limit 1',
         ["A"], (3,)),
        (f'select distinct "x", X from {BOTH} order by x', ["x", "X"], (1, 2)),
        ('select * from (select 1 as "x") b, (select 2 as x) a', ["x", "X"], (1, 2)),
        ('select x, "x" from (select 1 as "x") a join (select 2 as x) b on a."x" < b.x',
         ["X", "x"], (2, 1)),
        ('select (select max(x) from n where x > t."x") as m from (select 3 as "x") t',
         ["M"], (5,)),
        ('select "id" + 1 as id from l where id > 20', ["ID"], (21,)),
        ('select -"id" as id from l order by "id" limit 1', ["ID"], (-10,)),
        ('select -"id" as id from l order by id limit 1', ["ID"], (-20,)),
        ('select "id" % 10 as id, count(*) as n from l group by id', ["ID", "N"], (0, 2)),
        ('select row_number() over (order by "id") as id from l qualify id = 2', ["ID"], (2,)),
        ('select sum("id") as "s", sum("col_A") as S from l having S < 4', ["s", "S"], (30, 3)),
        ('select "id" + 1 as id, id * 2 as d from l order by 1 limit 1', ["ID", "D"], (11, 22)),
        ('select db.public.l."id" from l order by 1 limit 1', ["id"], (10,)),
        ('select * rename ("id" as id) from l order by id limit 1', ["col_A", "ID"], (1, 10)),
        ('select * exclude ("id") from l order by 1 limit 1', ["col_A"], (1,)),
        ('select x from (select "x" as X, 5 as "x" from (select 1 as "x"))', ["X"], (1,)),
        ('select 1 as "k", k from (select 2 as k)', ["k", "K"], (1, 2)),
    ],
)  # fmt: skip
def test_a_name_means_what_has_exactly_this_name(
    lower: Sql, text: str, names: list[str], row: tuple[Any, ...]
) -> None:
    result = lower.result(text)
    assert [field.name for field in result.fields] == names
    assert rows_of(result) == [row]
    assert [field.name for field in lower.describe(text)] == names


@pytest.mark.parametrize(
    "text",
    [
        'select "mixed" from (select 1 as mixed)',
        'select mixed from (select 1 as "mixed")',
        "select col_a from l",
        'select l."COL_A" from l',
        'select "l"."id" from l',
        'select "t"."id" from l t',
        'select "db".public.l."id" from l',
        "select t.* exclude (id) from l t",
        "select * rename (id as i) from l",
        "select * replace (1 as id) from l",
        'select "t".* from l t',
        "select 1 from l where id = 1",
        "select count(*) from l group by id",
        "select 1 from l order by id",
        "select count(*) from l having max(id) = 1",
        "select 1 from l qualify row_number() over (partition by id order by 1) = 1",
        "select row_number() over (order by id) from l",
        "select count(distinct id) from l",
        "select listagg('a') within group (order by id) from l",
        "select 1 from l a join l b on a.id = b.id",
        "select 1 from l a join l b using (id)",
        "select 1 from n where exists (select 1 from l where id = x)",
        "select (select max(id) from l)",
        "select 1 from l, lateral flatten(input => l.id)",
        'select f."value" from table(flatten(array_construct(1))) f',
        'select "column1" from values (1)',
        "select \"value\" from table(split_to_table('a,b', ','))",
        'select "seq" from table(generator(rowcount => 1))',
        "select * from l pivot(sum(id) for \"col_A\" in (1, 2))",
        'select m from n unpivot("m" for k in (x))',
        'select K from n unpivot("m" for "k" in (x))',
        "select \"'a'\" from (select 'A' p, 1 v) pivot(sum(v) for p in ('A'))",
        "select x from (select 'a' p, 1 v) pivot(sum(v) for p in ('a' as \"x\"))",
        "select z.x from (select 'a' p, 1 v) pivot(sum(v) for p in ('a')) as z(\"x\")",
        'with q as (select 1 as "x") select x from q',
        'with q(x) as (select 1) select "x" from q',
        'select 1 as "x" union all select 2 as X order by x',
        'select 1 as "s" from l having s > 1',
        "update l set id = 1",
        'update l set "id" = id + 1',
        'update l set "id" = 1 where id = 1',
        'update l set "l"."id" = 1',
        "delete from l where id = 1",
        'delete from l using n where "id" = n."x"',
        "insert into l(id) values (1)",
        'insert into l("id") select id from l',
        'merge into l using n on l.id = n.x when matched then delete',
        'merge into l using n on l."id" = n."x" when matched then delete',
        'merge into l using n on "id" = x when matched and id = 1 then delete',
        'merge into l using n on "id" = x when matched then update set id = 1',
        'merge into l using n on "id" = x when matched then update set "id" = id',
        'merge into l using n on "id" = x when not matched then insert (id) values (1)',
        'merge into l using n on "id" = x when not matched then insert ("id") values (n."x")',
        "create table made as select id from l",
        "create view made as select id from l",
        "create table made as select * from l where id = 1",
        "alter table l drop column id",
        "alter table l rename column id to x",
        "alter table l alter column id drop not null",
        "comment on column l.id is 'c'",
    ],
)  # fmt: skip
def test_a_column_in_another_case_is_invalid(lower: Sql, text: str) -> None:
    before = lower("select * from l order by 1")
    with pytest.raises(InvalidIdentifier, match="invalid identifier"):
        lower(text)
    assert lower("select * from l order by 1") == before
    with pytest.raises(ObjectNotFound):
        lower("select * from made")


@pytest.mark.parametrize(
    "text",
    [
        'with "c" as (select 1 as a), c as (select 2 as a) select * from c',
        'select * from l "a" join l A on 1 = 1',
        'select * from (select 1 as "x") a natural join (select 1 as x) b',
        'select 1 as "a" union all by name select 2 as a',
        f"select object_construct(*) from {BOTH}",
        f"select * replace (3 as x) from {BOTH}",
        f"select * ilike 'x' from {BOTH}",
        f'select * from {BOTH} pivot(sum(x) for "x" in (1))',
        f"select * from {BOTH} unpivot(v for k in (x))",
        "select * from (select 'a' p, 1 v) pivot(sum(v) for p in ('a', 'A'))",
        "select * from (select 'a' p, 1 v) pivot(sum(v) for p in ('a' as x, 'b' as \"x\"))",
        "select * from (select 'a' p, 1 v) pivot(sum(v) for p in ('a', 'b')) as z(\"x\", x)",
        "select * from (select 'a' p, 1 \"'A'\", 1 v) pivot(sum(v) for p in ('a'))",
    ],
)
def test_what_the_engine_cannot_tell_apart_is_refused(lower: Sql, text: str) -> None:
    with pytest.raises(Unsupported, match=r"case|Unsupported"):
        lower(text)


def test_a_long_chain_of_unions_is_walked() -> None:
    chain = " union all ".join(['select 1 as "x"', *["select 2"] * 400])
    tree = sqlglot.parse_one(chain, read="snowflake")
    depth = len(inspect.stack())
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 120)
    try:
        resolve_names(tree, lambda _: None, tuple)
    finally:
        sys.setrecursionlimit(limit)


def test_common_table_expressions_have_exact_names(lower: Sql) -> None:
    lower("create or replace temporary table cc as select 7 as a")
    assert lower('with "cc" as (select 1 as a) select a from cc') == [(7,)]
    with pytest.raises(ObjectNotFound):
        lower('with "ccc" as (select 1 as a) select * from ccc')
    assert lower('with recursive "c"(n) as (select 1 union all select n + 1 from "c" where n < 2) '
                 'select n from "c" order by n') == [(1,), (2,)]  # fmt: skip


def test_changes_take_the_columns_of_exactly_their_names(lower: Sql) -> None:
    lower('create or replace temporary table m("a" int, b int) as select 1, 2')
    lower('update m set "a" = a from (select 7 as a, 8 as "b") s')
    assert lower("select * from m") == [(7, 2)]
    lower('merge into m using (select 7 as "A", 9 as "B2") s on m."a" = s.a '
          'when matched then update set b = "B2"')  # fmt: skip
    assert lower("select * from m") == [(7, 9)]


# Generated queries: what they answer is what they answer with names that differ by more than case.

NAMES = ('"a"', '"A"', '"b"', '"B"')
_FAR = {'"a"': '"LA"', '"A"': '"UA"', '"b"': '"LB"', '"B"': '"UB"'}
name = st.sampled_from(NAMES)


@st.composite
def selects(draw: st.DrawFn, depth: int = 2) -> str:
    columns = draw(st.lists(name, min_size=1, max_size=3, unique=True))
    if depth == 0:
        written = [f"{index + draw(st.integers(0, 3))} as {one}" for index, one in
                   enumerate(columns)]  # fmt: skip
        return f"select {', '.join(written)}"
    form = draw(st.sampled_from(["plain", "star", "join", "cte", "correlated", "grouped"]))
    inner = draw(selects(depth - 1))
    one, two, three = draw(name), draw(name), draw(name)
    aliases = st.sampled_from(["", f" as {two}"])
    extra = draw(
        st.sampled_from(["", f" where {two} > 0", f" order by {three}", f" order by -{one}",
                         f" where {one} < 3 order by {two}"])
    )  # fmt: skip
    if form == "star":
        return f"select * from ({inner}) q{extra}"
    if form == "join":
        other = draw(selects(0))  # the engine would let it see the other side
        return (
            f"select {one}, p.{two} as {three} from ({inner}) q join ({other}) p on p.{two} > 0"
            f"{extra}"
        )
    if form == "cte":
        return f"with q as ({inner}) select q.{one}{draw(aliases)}, {three} from q{extra}"
    if form == "correlated":
        other = draw(selects(depth - 1))
        scalar = f"select count(*) from ({other}) p where {two} >= q.{one}"
        return f"select ({scalar}) as {three}, {one} from ({inner}) q"
    if form == "grouped":
        return (
            f"select {one} % 2 as {two}, count(*) as {three} from ({inner}) q group by {two} "
            f"order by 1, 2"
        )
    return f"select {one}{draw(aliases)}, {one} + 1 as {three} from ({inner}) q{extra}"


def _far(text: str) -> str:
    return re.sub(r'"[aAbB]"', lambda match: _FAR[match[0]], text)


def _names(result: Result) -> list[str]:
    """The columns' names under which both are the same; the engine numbers equal ones."""
    plain = [re.sub(r"_\d+$", "", field.name) for field in result.fields]
    return [_far(f'"{name}"').strip('"') for name in plain]


def _answer(sql: Sql, text: str) -> tuple[list[str], Rows] | NunatakError:
    try:
        result = sql.result(text)
        return _names(result), sorted(rows_of(result), key=str)
    except NunatakError as error:
        return error


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=selects())
def test_a_query_answers_what_it_answers_with_names_that_differ_by_more(
    lower: Sql, text: str
) -> None:
    expected = _answer(lower, _far(text))
    answered = _answer(lower, text)
    if isinstance(expected, NunatakError):
        assert isinstance(answered, NunatakError)
    else:
        refused = isinstance(answered, NunatakError) and re.search(
            "differs only in case|ambiguous column name", answered.message
        )
        assert refused or answered == expected
