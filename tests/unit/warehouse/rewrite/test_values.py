"""Semi-structured values are compared by value, wherever something is compared."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.errors import NunatakError, QueryFailed, Unsupported
from nunatak.warehouse.engine.json_values import canonical, order_key
from nunatak.warehouse.warehouse import Warehouse

from ..conftest import Sql, new_session

ROWS = """create table t as select column1 id, parse_json(column2) v from values
(1, '{"x": 10, "y": 9, "s": "b", "o": {"b": 1, "a": 2}, "n": null, "t": "10"}'),
(2, '{"x": 9, "y": 9.0, "s": "a", "o": {"a": 2.0, "b": 1}, "t": "9"}'),
(3, '{"x": 100, "y": 9e0, "s": "a", "o": {"a": 3}, "n": null, "t": "100"}')"""


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select max(v:x), min(v:x) from t", [("100", "9")]),
        ("select max(distinct v:x) from t", [("100",)]),
        ("select max(v:x) over (order by id) from t order by id", [("10",), ("10",), ("100",)]),
        ("select greatest(v:x, v:y), least(v:x, v:y, 50) from t where id = 3", [("100", "9")]),
        ("select greatest(v:x, v:z) from t where id = 3", [(None,)]),
        ("select greatest_ignore_nulls(v:x, v:z, 7) from t where id = 3", [("100",)]),
        ("select id from t where v:x > v:y order by id", [(1,), (3,)]),
        ("select id from t where v:x >= '9' order by id", [(1,), (2,), (3,)]),
        ("select id from t where v:x < '10'", [(2,)]),
        ("select id from t where '100' <= v:x", [(3,)]),
        ("select id from t where v:x > 9.5 order by id", [(1,), (3,)]),
        ("select id from t where v:x >= id * 10 order by id", [(1,), (3,)]),
        ("select id from t where v:t >= 10 order by id", [(1,), (3,)]),
        ("select id from t where v:t >= '10' order by id", [(1,), (2,), (3,)]),
        ("select id from t where v:s = 'a' order by id", [(2,), (3,)]),
        ("select id from t where v:s = lower('A') order by id", [(2,), (3,)]),
        ("select id from t where v:s <> 'a'", [(1,)]),
        ("select id from t where v:y = 9 and v:y = 9.00 and v:y = '9'", [(1,), (2,), (3,)]),
        ("select id from t where v:x between 9 and 10 order by id", [(1,), (2,)]),
        ("select id from t where v:x >= 9 and v:x <= 10 order by id", [(1,), (2,)]),
        ("select id from t where v:x not between 9 and 10", [(3,)]),
        ("select id from t where v:x in (9.0, 10) order by id", [(1,), (2,)]),
        ("select id from t where v:x in ('9', 'q')", [(2,)]),
        ("select id from t where v:x in (9, '10') order by id", [(1,), (2,)]),
        ("select id from t where v:x not in (9, 10)", [(3,)]),
        ("select id from t where v:x in (select v:y from t)", [(2,)]),
        ("select id from t where id * 9 in (select v:y from t)", [(1,)]),
        ("select id from t where v:t in (select (id * 10)::varchar from t)", [(1,)]),
        ("select id from t order by v:x desc", [(3,), (1,), (2,)]),
        ("select v:x q from t order by q", [("9",), ("10",), ("100",)]),
        ("select v:x from t order by 1", [("9",), ("10",), ("100",)]),
        ("select v:y, count(*) from t group by v:y", [("9", 3)]),
        ("select v:y q, count(*) from t group by q", [("9", 3)]),
        ("select v:y q, count(*) from t group by 1", [("9", 3)]),
        ("select v:y q, count(*) from t group by all order by q", [("9", 3)]),
        ("select v:y + 1, sum(id)::float from t group by v:y having v:y < 10", [(10.0, 6.0)]),
        ("select distinct v:y from t", [("9",)]),
        ("select distinct v:y q from t order by q", [("9",)]),
        ("select distinct * from (select v:y q from t)", [("9",)]),
        ("select max(q) from (select v:x q from t group by v:x)", [("100",)]),
        ("select max(v) from (select v from (select v:x v from t) group by v)", [("100",)]),
        ("select count(distinct v:y), count(distinct v:o) from t", [(1, 2)]),
        ("select count(distinct v:y, v:o) from t", [(2,)]),
        ("select approx_count_distinct(v:y), mode(v:y) from t", [(1, "9")]),
        ("select v:o, count(*) from t group by v:o having count(*) > 1", [('{"a":2,"b":1}', 2)]),
        ("select count(*) over (partition by v:y) from t", [(3,), (3,), (3,)]),
        ("select rank() over (order by v:y) from t", [(1,), (1,), (1,)]),
        ("select id from t qualify row_number() over (order by v:x desc) = 1", [(3,)]),
        ("select a.id, b.id from t a join t b on a.v:x = b.v:y and b.id = 1", [(2, 1)]),
        ("select a.id from t a join t b on a.v:o = b.v:o and a.id < b.id", [(1,)]),
        ("select max_by(id, v:x), min_by(id, v:x) from t", [(3, 2)]),
        ("select max_by(v:s, v:x) from t", [('"a"',)]),
        ("select nullif(v:y, 9), nullif(9, v:x) from t where id = 2", [(None, None)]),
        ("select decode(v:y, 9, 'nine', 'other') from t where id = 3", [("nine",)]),
        ("select decode(v:z, 9, 'nine', null, 'none') from t where id = 3", [("none",)]),
        ("select case v:y when 9 then 'n' else 'o' end from t", [("n",), ("n",), ("n",)]),
        ("select equal_null(v:y, 9), equal_null(v:z, v:z) from t where id = 3", [(True, True)]),
        ("select v:y is distinct from 9 from t where id = 3", [(False,)]),
        ("select v:n = v:n, v:n is null, v:z = v:z from t where id = 1", [(True, False, None)]),
        ("select v:y from t union select v:y from t", [("9",)]),
        ("select * from (select v:y q from t) union select 9", [("9",)]),
        ("select v:x from t intersect select v:y from t", [("9",)]),
        ("select v:x from t except select v:y from t where id > 1 order by 1", [("10",), ("100",)]),
        ("select v:x q from t union all select 20::variant order by q limit 2", [("9",), ("10",)]),
        ("with q as (select v:x a from t) select max(a) from q", [("100",)]),
        ("select max(a) from (select coalesce(v:z, v:x) a from t)", [("100",)]),
        ("select max(a) from (select iff(true, v:x, 1) a from t)", [("100",)]),
        ("select max($1) from values (parse_json('10')), (parse_json('9'))", [("10",)]),
        ("select max(strip_null_value(v:x)) from t", [("100",)]),
        ("select max(a) from (select strip_null_value(v:x) a from t)", [("100",)]),
        ("select max(value) from table(flatten([10, 9, 100]))", [("100",)]),
        ("select array_agg(v:x) within group (order by v:x) from t", [("[9,10,100]",)]),
        ("select array_max([10, 9, 100]), array_min([10, 9, 100])", [("100", "9")]),
        ("select array_sort([10, 9, 100, null])", [("[9,10,100,null]",)]),
        ("select array_sort([10, 9, 100], false)", [("[100,10,9]",)]),
        ("select array_sort([10, null, 9], false)", [("[null,10,9]",)]),
        ("select array_sort([10, null, 9], true, true)", [("[null,9,10]",)]),
        ("select array_distinct([1, 1.0, 10, 9])", [("[1,9,10]",)]),
        (
            "select array_contains(1.0::variant, [1]), array_position(9.0::variant, [1, 9])",
            [(True, 1)],
        ),
        ("select array_remove([5, 5.00, 6], 5), arrays_overlap([1.0], [1])", [("[6]", True)]),
        ("select array_except([1, 1, 2, null], [1, null])", [("[1,2]",)]),
        ("select array_intersection([1, 1, 2, null], [1.0, 1, null, 3])", [("[1,1,null]",)]),
        ("select parse_json('[10]') > parse_json('[9]'), [1, 2] = [1, 2.0]", [(True, True)]),
        ("select parse_json('{\"a\": [1.0]}') = object_construct('a', [1])", [(True,)]),
        ("select parse_json('\"abc\"') = 5, parse_json('\"9\"') = 9", [(False, True)]),
        ("select parse_json('true') = true, parse_json('true') = 'true'", [(True, True)]),
        ("select parse_json('\"2024-01-05\"') < '2024-01-06'::date", [(True,)]),
        (
            "select parse_json('12345678901234567890') < parse_json('12345678901234567891')",
            [(True,)],
        ),
        (
            'select parse_json(\'{"b": 1, "a": {"d": 1.50, "c": 2}}\')',
            [('{"a":{"c":2,"d":1.5},"b":1}',)],
        ),
    ],
)
def test_values_are_compared_by_value(sql: Sql, query: str, rows: list[tuple[Any, ...]]) -> None:
    sql(ROWS)
    assert sorted(map(repr, sql(query))) == sorted(map(repr, rows))
    if " order by " in query:
        assert sql(query) == rows


def test_statements_that_change_rows_compare_by_value(sql: Sql) -> None:
    sql("create table w(v variant, x variant, s varchar, n int)")
    for v, x in (("10", "9"), ("9.0", "9"), ("100", "9")):
        sql(f"insert into w select parse_json('{v}'), parse_json('{x}'), '9', 0")
    sql("update w set n = n + 1 where v > x")
    sql("update w set n = n + 10 where v > s")
    sql("update w set v = x, n = n + 100 where v = s")
    assert sql("select v, n from w order by v") == [("9", 100), ("10", 11), ("100", 11)]
    sql("merge into w using (select 10.0::variant q) s on w.v = s.q when matched then delete")
    sql("delete from w using (select 9.0::variant q) s where w.v = s.q")
    assert sql("select v from w") == [("100",)]


@pytest.mark.parametrize(
    "query",
    [
        "select v:x, count(*) from t group by rollup(v:x)",
        "select 1 from t where (v:x, id) = (1, 2)",
        "select 1 from t where v in (select * from (select v from t))",
        "select 1 from t join t u using (v)",
        "select * from (select v:x x, 'k' k from t) pivot(max(x) for k in ('k'))",
        "select * from (select v, v w from t) unpivot(x for n in (v, w))",
    ],
)
def test_what_cannot_be_compared_is_refused(sql: Sql, query: str) -> None:
    sql(ROWS)
    with pytest.raises(Unsupported):
        sql(query)


SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=3)
) | st.sampled_from([0, 1, 1.0, 1.5, -1.5, 9, 10, 9.0, 1e20, 1e-7, 0.1, -0.0, "9", "10", ""])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab\u00e9"), inner, max_size=3)
    ),
    max_leaves=6,
)


def compared(left: Any, right: Any) -> int:
    """The order of the reference: -1, 0 or 1."""
    if rank(left) != rank(right):
        return -1 if rank(left) < rank(right) else 1
    if isinstance(left, list):
        return next((c for a, b in zip(left, right, strict=False) if (c := compared(a, b))), 0) or (
            (len(left) > len(right)) - (len(left) < len(right))
        )
    if isinstance(left, dict):
        return compared(
            [part for key in sorted(left) for part in (key, left[key])],
            [part for key in sorted(right) for part in (key, right[key])],
        )
    if left is None:
        return 0
    if isinstance(left, str):
        left, right = left.encode(), right.encode()
    return int(left > right) - int(left < right)


def rank(value: Any) -> int:
    kinds = ((bool, 1), (int | float, 2), (str, 3), (list, 4), (dict, 5))
    return next((at for kind, at in kinds if isinstance(value, kind)), 6)


@given(VALUES, VALUES)
def test_keys_and_texts_follow_the_reference_order(left: Any, right: Any) -> None:
    one, other = json.dumps(left), json.dumps(right, ensure_ascii=False)
    order = compared(left, right)
    assert (order_key(one) > order_key(other)) - (order_key(one) < order_key(other)) == order
    assert (canonical(one) == canonical(other)) == (order == 0)
    assert canonical(canonical(one)) == canonical(one)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from nunatak.config import Settings

    warehouse = Warehouse(Settings(home=tmp_path_factory.mktemp("home")))
    warehouse.create_database("DB")
    yield Sql(warehouse, new_session())
    warehouse.close()


def by_value(values: list[Any]) -> Callable[[int, int], int]:
    """The order of places by their values, then as they are."""
    return lambda one, other: compared(values[one], values[other]) or one - other


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12))
def test_the_engine_follows_the_reference_order(engine: Sql, values: list[Any]) -> None:
    rows = ", ".join(f"({at}, $${json.dumps(value)}$$)" for at, value in enumerate(values))
    engine(
        f"create or replace temporary table r as select $1 i, parse_json($2) v from values {rows}"
    )
    places = sorted(range(len(values)), key=functools.cmp_to_key(by_value(values)))
    assert [i for (i,) in engine("select i from r order by v, i")] == places
    pairs = [(i, j, compared(a, b)) for i, a in enumerate(values) for j, b in enumerate(values)]
    assert (
        engine(
            "select a.i, b.i, iff(a.v < b.v, -1, iff(a.v = b.v, 0, 1)) from r a, r b order by 1, 2"
        )
        == pairs
    )
    distinct = len({canonical(json.dumps(value)) for value in values})
    assert engine.value("select count(distinct v) from r") == distinct
    assert engine.value("select count(*) from (select v from r group by v)") == distinct


def test_what_is_no_json_is_refused(sql: Sql) -> None:
    deep = "[" * 5000 + "]" * 5000
    with pytest.raises(NunatakError):
        sql(f"select parse_json('{deep}') = parse_json('[]')")


def test_numbers_out_of_range_are_refused(sql: Sql) -> None:
    with pytest.raises(QueryFailed, match="a number is out of range"):
        sql("select parse_json('[1e99999999999999999999999]') = [1]")
