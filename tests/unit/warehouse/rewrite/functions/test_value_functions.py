"""Functions of semi-structured values and bytes answer what the vendor documents."""

from __future__ import annotations

import pytest

from nunatak.errors import QueryFailed, SyntaxInvalid, Unsupported

from ...conftest import Rows, Sql


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("array_generate_range(5, 25, 10)", "[5,15]"),
        ("array_generate_range(10, 0, -3)", "[10,7,4,1]"),
        ("array_flatten([[1, 2], [null]])", "[1,2,null]"),
        ("array_flatten([[1], null])", None),
        ("array_remove([1, 5, 5.00, '5', 5, null], 5)", '[1,"5",null]'),
        ("array_remove([1, 2], null)", None),
        ("array_remove_at([2, 5, 7], -1)", "[2,5]"),
        ("array_remove_at([2, 5, 7], 0)", "[5,7]"),
        ("array_remove_at([2, 5, 7], 10)", "[2,5,7]"),
        ("array_reverse([1, 2, 3])", "[3,2,1]"),
        ("arrays_zip([1, 2], ['a'])", '[{"$1":1,"$2":"a"},{"$1":2,"$2":null}]'),
        ("arrays_zip([1], null)", None),
        ("to_array(null)", None),
        ("to_array(parse_json('null'))", None),
        ("to_array(1)", "[1]"),
        ("get([5, 6], -1)", None),
        ("parse_json('[5, 6]')[-1]", None),
        ("object_pick({'b': 1, 'a': 2, 'c': 3}, 'b', 'a')", '{"a":2,"b":1}'),
        ("object_pick({'a.b': 1, 'c': 2}, ['a.b', 'x'])", '{"a.b":1}'),
        ("object_delete(parse_json('{\"a\":null,\"b\":1,\"c\":2}'), 'b', 'c')", '{"a":null}'),
        ("object_insert({'a': {'x': 1}}, 'a', {'y': 2}, true)", '{"a":{"y":2}}'),
        ("object_insert({'a': 1}, 'b', parse_json('null'))", '{"a":1,"b":null}'),
        ("object_insert({'a': 1}, 'b', null)", '{"a":1}'),
        ("as_varchar(parse_json('true'))", None),
        ("as_integer('1'::variant)", None),
        ("as_double(parse_json('true'))", None),
        ("as_decimal(parse_json('1.25'), 5, 1)::varchar", "1.3"),
        ("typeof(parse_json('123.12'))", "DECIMAL"),
        ("typeof(1.5e300::variant)", "DOUBLE"),
        ("try_parse_json('{')", None),
        ("parse_json(' ')", None),
        ("try_to_binary('zz')", None),
        ("hash(9::variant) = hash(9)", True),
        ("hash('a'::variant) = hash('a')", True),
    ],
)
def test_documented_answers(sql: Sql, expression: str, value: object) -> None:
    assert sql.value(f"select {expression}") == value


def test_computed_keys_are_keys_and_no_paths(sql: Sql) -> None:
    read = """select {} from (select parse_json('{{"a.b": 1, "$": 2, "c": 3}}') v,
        column1 k from values ('a.b'), ('$'), ('c'), ('$.c'), ('/c'))"""
    for form in ("get(v, k)", "v[k]"):
        assert sql(read.format(form)) == [("1",), ("2",), ("3",), (None,), (None,)]


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ("""parse_json('{"b": [7]}'), path => 'b'""", [("b[0]", None, 0)]),
        ("""parse_json('{"x": [{"y": {"k": 1}}]}'), path => 'x[0].y'""", [("x[0].y.k", "k", None)]),
        ("""parse_json('{"1": 5, "a b": 6}')""", [("['1']", "1", None), ("['a b']", "a b", None)]),
        (
            """parse_json('{"x": {"y": [{"1": 2}]}}'), path => 'x', recursive => true""",
            [("x.y", "y", None), ("x.y[0]", None, 0), ("x.y[0]['1']", "1", None)],
        ),
        ("parse_json('5')", []),
    ],
)
def test_flatten_tells_paths_from_the_root(sql: Sql, arguments: str, rows: Rows) -> None:
    assert sql(f"select path, key, index from table(flatten({arguments})) order by 1") == rows


@pytest.mark.parametrize(
    "text",
    [
        "select * from (select 'a' p), lateral flatten(parse_json('{}'), path => p)",
        "select f.seq from (select [1] v union all select [2]) q, lateral flatten(q.v) f",
        "select seq from (select [1] v union all select [2]) q, table(flatten(q.v))",
        "select get_path(parse_json('{}'), p) from (select 'a' p)",
        "select object_construct(* ilike 'a%') from (select 1 a1, 2 b)",
    ],
)
def test_what_is_not_offered_is_refused(sql: Sql, text: str) -> None:
    with pytest.raises(Unsupported):
        sql(text)


@pytest.mark.parametrize(
    "expression",
    ["array_flatten([1, [2]])", "to_object(parse_json('1'))", "object_insert({'a': 1}, 'a', 2)"],
)
def test_wrong_kinds_are_errors(sql: Sql, expression: str) -> None:
    with pytest.raises(QueryFailed):
        sql(f"select {expression}")


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select a.v from t a join t b on a.v < b.v", [("9",)]),
        ("select a.v from t a join (select v w from t) b on a.v < b.w", [("9",)]),
        ("select max(y.v) from t x, lateral (select x.v) y", [("10",)]),
        ("select max((select t.v)) from t", [("10",)]),
        ("select x.v from t x where exists (select 1 from t y where y.v > x.v)", [("9",)]),
        ("with q as (select v from t) select * from q order by 1", [("9",), ("10",)]),
        ("select 1, t.* from t order by 2 desc", [(1, "10"), (1, "9")]),
        ("select * from t union all select * from t order by 1 limit 2", [("9",), ("9",)]),
        ("select v from t union select 9.0 order by 1", [("9",), ("10",)]),
        ("select v from t union all select '9' order by 1", [("9",), ("10",), ('"9"',)]),
        ("select max(w) from (select * rename (v as w) from t)", [("10",)]),
        ("select max(v) from (select * replace (v::varchar as v) from t)", [("9",)]),
        ("select percentile_disc(0.5) within group (order by v) from t", [(9.0,)]),
    ],
)
def test_columns_of_every_source_compare_by_value(sql: Sql, query: str, rows: Rows) -> None:
    sql("create table t(v variant)")
    sql("insert into t select parse_json(column1) from values ('10'), ('9')")
    assert sql(query) == rows


@pytest.mark.parametrize(
    "expression",
    [
        "coalesce(null::binary, {})",
        "iff(false, b, {})",
        "case when true then {} else b end",
        "nvl2(1, {}, b)",
        "decode(1, 1, {}, b)",
        "least(b, {})",
    ],
)
@pytest.mark.parametrize("text", ["'aa'", "s"])
def test_text_beside_bytes_is_hexadecimal(sql: Sql, expression: str, text: str) -> None:
    query = f"select {expression.format(text)} from (select x'ff' b, 'aa' s)"
    assert sql.value(query) == b"\xaa"


@pytest.mark.parametrize(
    "condition",
    [
        *("b = {}", "{} >= b", "b in ({}, '00')", "b between {} and {}", "nullif(b, {}) is null"),
        *("decode(b, {}, 1) = 1", "case b when {} then true end", "equal_null(b, {})"),
    ],
)
@pytest.mark.parametrize("text", ["'ff'", "s"])
def test_bytes_compare_with_text_as_hexadecimal(sql: Sql, condition: str, text: str) -> None:
    query = f"select 1 from (select x'ff' b, 'ff' s) where {condition.format(text, text)}"
    assert sql(query) == [(1,)]


def test_queries_of_bytes_and_text_answer_bytes(sql: Sql) -> None:
    assert sql("select x'ff' b union select 'FF'") == [(b"\xff",)]
    assert sql("select 'aa' union all select x'ff' order by 1") == [(b"\xaa",), (b"\xff",)]
    assert sql("select 'FF' intersect select x'ff'") == [(b"\xff",)]


@pytest.mark.parametrize(
    ("sequence", "rows", "least", "most"),
    [
        ("seq1()", 300, 0, 127),
        ("seq1(1)", 300, -128, 127),
        ("seq2(1)", 40000, -32768, 32767),
        ("seq4()", 300, 0, 299),
        ("seq8(1)", 300, 0, 299),
    ],
)
def test_sequences_wrap_around(sql: Sql, sequence: str, rows: int, least: int, most: int) -> None:
    query = f"select {sequence} s from table(generator(rowcount => {rows}))"
    assert sql(f"select min(s), max(s) from ({query})") == [(least, most)]


def test_approx_top_k_counts(sql: Sql) -> None:
    values = "from values ('a'), ('b'), ('b'), (null)"
    assert sql.value(f"select approx_top_k(column1, 5) {values}") == '[["b",2],["a",1]]'
    assert sql.value(f"select approx_top_k(column1)[0][0] {values}") == '"b"'
    assert sql.value(f"select approx_top_k(column1::variant, 1, 100) {values}") == '[["b",2]]'


@pytest.mark.parametrize("name", ["zeroifnull", "nullifzero"])
@pytest.mark.parametrize("arguments", ["", "1, 2", "null, 2, 3"])
def test_functions_of_one_argument_take_no_other_number(
    sql: Sql, name: str, arguments: str
) -> None:
    with pytest.raises(SyntaxInvalid, match=f"{name.upper()} takes one argument"):
        sql(f"select {name}({arguments})")
