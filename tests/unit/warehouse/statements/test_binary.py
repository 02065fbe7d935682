"""BINARY as text is hexadecimal: inside VARIANT, OBJECT and ARRAY, joined, cast, and written."""

from __future__ import annotations

import pytest

from nunatak.errors import InvalidArgument, QueryFailed, Unsupported
from nunatak.warehouse.core.bindings import Binding

from ..conftest import Sql

BYTES = b"\xff\x00\xd8"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("object_construct('k', b)", '{"k":"FF00D8"}'),
        ("object_construct_keep_null('k', b)", '{"k":"FF00D8"}'),
        ("{'k': [b]}", '{"k":["FF00D8"]}'),
        ("object_construct(*)", '{"B":"FF00D8","N":1,"S":"x"}'),
        ("object_construct(* exclude n)", '{"B":"FF00D8","S":"x"}'),
        ("object_construct_keep_null(*)", '{"B":"FF00D8","N":1,"S":"x"}'),
        ("object_insert({}, 'k', b)", '{"k":"FF00D8"}'),
        ("to_variant(b)", '"FF00D8"'),
        ("b::variant", '"FF00D8"'),
        ("to_json(b::variant)", '"FF00D8"'),
        ("to_json(object_construct('k', b))", '{"k":"FF00D8"}'),
        ("iff(true, b::variant, 1)", '"FF00D8"'),
        ("array_construct(b, 1)", '["FF00D8",1]'),
        ("[b]", '["FF00D8"]'),
        ("array_append([], b)", '["FF00D8"]'),
        ("array_prepend([], b)", '["FF00D8"]'),
        ("array_insert([], 0, b)", '["FF00D8"]'),
        ("array_contains(b::variant, [b])", True),
        ("b || 'x'", "FF00D8x"),
        ("'x' || b", "xFF00D8"),
        ("concat(s, b, s)", "xFF00D8x"),
        ("concat_ws('-', b, s)", "FF00D8-x"),
        ("b || b", BYTES + BYTES),
        ("b::varchar", "FF00D8"),
        ("coalesce(null, b)::varchar", "FF00D8"),
        ("md5_binary('a')::varchar", "0CC175B9C0F1B6A831C399E269772661"),
        ("object_construct('k', b):k::binary", BYTES),
        ("get(object_construct('k', b), 'k')::binary = b", True),
        ("object_construct('k', b):k = b", True),
        ("'ff00d8'::binary", BYTES),
        ("try_cast('ff0' as binary)", None),
        ("try_cast('zz' as binary)", None),
    ],
)
def test_expressions(sql: Sql, expression: str, value: object) -> None:
    sql("create table t(b binary, n int, s varchar)")
    sql("insert into t select to_binary('ff00d8', 'hex'), 1, 'x'")
    assert sql.value(f"select {expression} from t") == value


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("select array_agg(b) from t", '["FF00D8"]'),
        ("select array_agg(b) within group (order by b) from t", '["FF00D8"]'),
        ("select array_agg(distinct b) from t", '["FF00D8"]'),
        ("select array_agg(b) over () from t", '["FF00D8"]'),
        ("select array_unique_agg(b) from t", '["FF00D8"]'),
        ("select object_agg('k', b) from t", '{"k":"FF00D8"}'),
        ("select listagg(b, ',') within group (order by b) from t", "FF00D8"),
        ("select value from t, lateral flatten(input => [b])", '"FF00D8"'),
        ("select x::varchar from (select b x from t)", "FF00D8"),
        ("select object_construct(*) from (select b x from t)", '{"X":"FF00D8"}'),
    ],
)
def test_queries(sql: Sql, query: str, value: object) -> None:
    sql("create table t as select to_binary('ff00d8', 'hex') b")
    assert sql.value(query) == value


def test_text_that_is_written_to_a_binary_column_is_hexadecimal(sql: Sql) -> None:
    sql("create table t(n int, b binary)")
    sql("insert into t values (1, '0061'), (2, null), (3, to_binary('0061', 'hex')), (4, x'0061')")
    sql("insert into t(b, n) select '0061', 5")
    sql("insert into t with q as (select 6 n, '0061' x) select n, x from q")
    sql("insert into t(n, b) values (?, ?)", Binding("FIXED", "7"), Binding("TEXT", "0061"))
    lists = Binding("FIXED", ["8", "9"]), Binding("TEXT", ["0061", None])
    sql("insert into t(n, b) values (?, ?)", *lists)
    sql("insert into t(n) values (10)")
    assert sql("select n, b, length(b) from t order by n") == [
        (n, None, None) if n in (2, 9, 10) else (n, b"\x00a", 2) for n in range(1, 11)
    ]


def test_changes_of_a_binary_column(sql: Sql) -> None:
    sql("create table t as select 1 n, x'00' b")
    sql("update t set b = '0aff' where n = 1")
    assert sql.value("select b from t") == b"\x0a\xff"
    merge = (
        "merge into t using (select {} k, 'abcd' v) s on t.n = s.k when matched then "
        "update set b = s.v when not matched then insert (n, b) values (s.k, s.v)"
    )
    sql(merge.format(1))
    sql(merge.format(2))
    assert sql("select n, b from t order by n") == [(1, b"\xab\xcd"), (2, b"\xab\xcd")]
    sql("create table u(b binary) as select 'ff'")
    assert sql("select b from u") == [(b"\xff",)]


def test_text_that_is_not_hexadecimal_is_refused(sql: Sql) -> None:
    sql("create table t(b binary)")
    for text in ("zz", "0"):
        with pytest.raises(QueryFailed):
            sql(f"insert into t values ('{text}')")
    assert sql("select * from t") == []


def test_keys_of_objects_are_in_order(sql: Sql) -> None:
    assert sql(
        "select object_construct('b', 1, 'a', 2), {'z': 1, 'y': 2}, "
        "object_construct_keep_null('b', 1, 'a', null), object_insert({'b': 1}, 'a', 2), "
        "object_construct(k, 1, 'b', 2) from (select 'c' k)"
    ) == [('{"a":2,"b":1}', '{"y":2,"z":1}', '{"a":null,"b":1}', '{"a":2,"b":1}', '{"b":2,"c":1}')]


def test_columns_that_are_not_known_cannot_be_left_out(sql: Sql) -> None:
    with pytest.raises((Unsupported, InvalidArgument)):
        sql("select object_construct(* exclude a) from table(generator(rowcount => 1))")
