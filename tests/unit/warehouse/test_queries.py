"""SELECT: names, types, semi-structured values, and what is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from nunatak.errors import (
    InvalidArgument,
    InvalidIdentifier,
    NoCurrentContext,
    NunatakError,
    ObjectNotFound,
    QueryFailed,
    SyntaxInvalid,
    Unsupported,
)
from nunatak.warehouse.core.bindings import Binding

from .conftest import Sql


def test_columns_are_named_by_their_text(sql: Sql) -> None:
    text = "select 1 + 1, 'aB', count(x), y z from (select 1 x, 2 y) a group by y"
    fields = sql.result(text).fields
    assert [field.name for field in fields] == ["1 + 1", "'aB'", "COUNT(X)", "Z"]


def test_literals_have_the_types_of_the_vendor(sql: Sql) -> None:
    assert sql.types("select 1, 'a', 1.5::float, 1.25, true, '2020-01-01'::date, null") == [
        "NUMBER(38,0)",
        "VARCHAR(16777216)",
        "FLOAT",
        "NUMBER(3,2)",
        "BOOLEAN",
        "DATE",
        "VARCHAR(16777216)",
    ]


def test_values_are_canonical(sql: Sql) -> None:
    assert sql(
        "select 1::number(10,2), '2020-01-01 10:00:00 +09:00'::timestamp_tz, "
        "'10:00:01'::time, X'00ff', [1,2]::vector(float, 2)"
    ) == [
        (
            Decimal("1.00"),
            dt.datetime(2020, 1, 1, 1, tzinfo=dt.UTC),
            dt.time(10, 0, 1),
            b"\x00\xff",
            [1.0, 2.0],
        )
    ]


def test_positional_columns_of_values(sql: Sql) -> None:
    text = """SELECT $1 AS "A", $2 AS "b" FROM VALUES (1 :: INT, 'a' :: STRING), (2, 'b')"""
    assert sql(text) == [(1, "a"), (2, "b")]
    assert [field.name for field in sql.describe(text)] == ["A", "b"]


def test_a_comma_may_stand_before_from(sql: Sql) -> None:
    assert sql("SELECT *, FROM (SELECT 1 AS a)") == [(1,)]


def test_a_common_table_expression_hides_a_table_only_outside_itself(sql: Sql) -> None:
    sql("create table t as select 1 as a")
    assert sql("with t as (select a + 100 as a from t) select * from t") == [(101,)]


def test_semi_structured_access(sql: Sql) -> None:
    sql("""create table t as select parse_json('{"k": [1, {"z": "s"}], "A b": 2}') as c""")
    assert sql("select c:k[1].z::string, c['A b']::int, c:k[0], c:none, get(c:k, 0) from t") == [
        ("s", 2, "1", None, "1")
    ]
    assert sql.types("select c, c:k, c:k::array, c::object, c:k[1].z::varchar(3) from t") == [
        "VARIANT",
        "VARIANT",
        "ARRAY",
        "OBJECT",
        "VARCHAR(3)",
    ]


def test_making_semi_structured_values(sql: Sql) -> None:
    assert sql(
        "select object_construct('a', 1, 'b', null), object_construct_keep_null('b', null), "
        "array_construct(1, 'x', null), [1, 2], {'a': 'q'}"
    ) == [('{"a":1}', '{"b":null}', '[1,"x",null]', "[1,2]", '{"a":"q"}')]


def test_kinds_of_semi_structured_columns_are_traced(sql: Sql) -> None:
    sql("create table t(o object, a array, v variant, s varchar(7), z timestamp_tz)")
    text = "with x as (select * from t) select y.o, a, v as w, s, z from (select * from x) y"
    assert sql.types(text) == ["OBJECT", "ARRAY", "VARIANT", "VARCHAR(7)", "TIMESTAMP_TZ(9)"]


def test_flatten(sql: Sql) -> None:
    sql("""create table t as select 1 as i, parse_json('{"k": ["p", "q"]}') as c""")
    assert sql(
        "select t.i, f.index, f.value::string from t, lateral flatten(input => t.c:k) f order by 2"
    ) == [(1, 0, "p"), (1, 1, "q")]
    assert sql("select f.key from t, table(flatten(t.c)) f") == [("k",)]
    assert sql("select value from table(flatten([1, 2], outer => false)) order by index") == [
        ("1",),
        ("2",),
    ]
    assert sql(
        "select t.i, f.value from t, lateral flatten(input => t.c:none, outer => true) f"
    ) == [(1, None)]
    assert len(sql("select 1 from t, table(flatten(t.c, recursive => true)) f")) == 3
    assert sql("select s.value from table(split_to_table('a.b', '.')) s order by s.index") == [
        ("a",),
        ("b",),
    ]


def test_array_agg_leaves_nulls_out(sql: Sql) -> None:
    rows = "(values (1), (null), (2)) v(a)"
    assert sql(f"select array_agg(a) within group (order by a desc) from {rows}") == [("[2,1]",)]
    assert sql(f"select array_agg(a) from {rows} where false") == [("[]",)]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("iff(true, 1, 2)", 1),
        ("try_cast('x' as int)", None),
        ("nvl(null, 'a')", "a"),
        ("dateadd(day, 1, '2020-01-01'::date)", dt.date(2020, 1, 2)),
        ("datediff(day, '2020-01-01', '2020-02-01')", 31),
        ("to_timestamp(1700000000)", dt.datetime(2023, 11, 14, 22, 13, 20)),  # noqa: DTZ001 NTZ
        ("regexp_replace('aXbX', 'X')", "ab"),
        ("regexp_replace('aXbX', 'x', '-', 1, 0, 'i')", "a-b-"),
        ("regexp_replace('aXbX', '(X)', '[\\\\1]', 1, 1)", "a[X]bX"),
        ("1.0::float::varchar", "1"),
        ("1.25::float::varchar", "1.25"),
        ("'2020-01-01 10:00'::timestamp::varchar", "2020-01-01 10:00:00.000"),
        ("'2020-01-01 10:00'::timestamp_ltz::varchar", "2020-01-01 10:00:00.000 -0800"),
        ("'a' || null", None),
        ("array_size([1, 2])", 2),
        ("array_contains(2::variant, [1, 2])", True),
        ("split('a,b', ',')", '["a","b"]'),
        ("typeof(parse_json('\"x\"'))", "VARCHAR"),
        ("7 / 2", 3.5),
        ("date_trunc('month', '2020-03-15'::date)", dt.date(2020, 3, 1)),
        ("to_char('2020-01-02 03:04:05'::timestamp, 'YYYY/MM/DD HH24:MI')", "2020/01/02 03:04"),
        ("array_cat([1], ['a'])", '[1,"a"]'),
        ("array_distinct([1, 1])", "[1]"),
        ("array_sort([10, 9])", "[9,10]"),
        ("array_except([1, 2], [2])", "[1]"),
        ("array_compact(array_construct(1, null))", "[1]"),
        ("array_slice([1, 2, 3], 1, 3)", "[2,3]"),
        ("array_to_string([1, 'b'], '-')", "1-b"),
        ("object_delete({'a': 1, 'b': 2}, 'a')", '{"b":2}'),
        ("object_insert({'a': 1}, 'b', 2)", '{"a":1,"b":2}'),
        ("is_integer(parse_json('1'))", True),
        ("equal_null(null, null)", True),
        ("vector_cosine_similarity([1, 0]::vector(float, 2), [0, 1]::vector(float, 2))", 0.0),
        ("vector_l2_distance([0, 3]::vector(float, 2), [4, 0]::vector(float, 2))", 5.0),
        ("vector_inner_product([1, 2]::vector(float, 2), [3, 4]::vector(float, 2))", 11.0),
        ("sha2('a')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ],
)
def test_functions(sql: Sql, expression: str, value: object) -> None:
    assert sql.value(f"select {expression}") == value


def test_semi_structured_values_are_cast_where_plain_ones_are_expected(sql: Sql) -> None:
    sql("""create table t as select parse_json('{"a": "x", "n": 10, "b": true}') as v
        union all select parse_json('{"a": "y", "n": 9}')""")
    assert sql("select v:n + 1, v:a || '!', upper(v:a) from t where v:a = 'x' and v:n > 9") == [
        (11.0, "x!", "X")
    ]
    assert sql("select v:n::int from t where v:a in ('x', 'y') order by v:n") == [(9,), (10,)]
    assert sql("select sum(v:n), count(*) from t where v:b = true") == [(10.0, 1)]


def test_functions_of_the_session(sql: Sql) -> None:
    assert sql(
        "select current_database(), current_schema(), current_user(), current_role(), "
        "current_warehouse(), current_account()"
    ) == [("DB", "PUBLIC", "ADA", "SYSADMIN", None, "NUNATAK")]


def test_the_sessions_time_zone(sql: Sql) -> None:
    text = "select '2020-01-01 00:00:00'::timestamp_ltz, '2020-06-01 00:00:00Z'::timestamp_tz::date"
    day = dt.datetime(2020, 1, 1, 8, tzinfo=dt.UTC)
    assert sql(text) == [(day, dt.date(2020, 5, 31))]
    sql.session.parameters["TIMEZONE"] = "Europe/Berlin"
    assert sql(text) == [(day - dt.timedelta(hours=9), dt.date(2020, 6, 1))]
    sql.session.parameters["TIMEZONE"] = "Nowhere/X"
    with pytest.raises(NunatakError):
        sql("select 1")


def test_bindings_are_values_of_their_type(sql: Sql) -> None:
    assert sql(
        "select ?, ?, ?, ?, ?, ?",
        Binding("TEXT", "it's"),
        Binding("FIXED", "-5"),
        Binding("BOOLEAN", "true"),
        Binding("DATE", "86400000"),
        Binding("TIMESTAMP_NTZ", "1700000000123456789"),
        Binding("TEXT", None),
    ) == [
        (
            "it's",
            -5,
            True,
            dt.date(1970, 1, 2),
            dt.datetime(2023, 11, 14, 22, 13, 20, 123456),  # noqa: DTZ001 it has no zone
            None,
        )
    ]
    assert sql("select :2, :1", Binding("FIXED", "1"), Binding("BINARY", "00ff")) == [
        (b"\x00\xff", 1)
    ]


def test_a_bound_number_is_no_text_to_parse(sql: Sql) -> None:
    with pytest.raises(InvalidArgument, match="is not a FIXED"):
        sql("select ?", Binding("FIXED", "1); drop table t; --"))


def test_a_marker_without_a_value(sql: Sql) -> None:
    with pytest.raises(InvalidArgument, match="more markers"):
        sql("select ?")


def test_names_that_are_bound(sql: Sql) -> None:
    sql('create table identifier(?) ("a b" int)', Binding("TEXT", '"DB"."PUBLIC"."T x"'))
    sql("insert into identifier(?) values (3)", Binding("TEXT", 'db.public."T x"'))
    assert sql("select * from table(?)", Binding("TEXT", '"T x"')) == [(3,)]
    assert sql("select identifier(?) from identifier('\"T x\"')", Binding("TEXT", '"a b"')) == [
        (3,)
    ]


def test_variables(sql: Sql) -> None:
    sql("set (x, y) = (5, 'q')")
    assert sql("select $x + 1, $y") == [(6, "q")]
    sql("unset x")
    with pytest.raises(InvalidArgument, match=r"'\$X' does not exist"):
        sql("select $x")


def test_describing_runs_nothing(sql: Sql) -> None:
    sql("create sequence s")
    sql.describe("select s.nextval")
    assert sql.value("select s.nextval") == 1
    assert [field.name for field in sql.describe("insert into nope values (1)")] == [
        "number of rows inserted"
    ]


@pytest.mark.parametrize(
    ("text", "takes_lists"),
    [
        ("insert into t values (?, ?)", True),
        ("insert into t select ?, parse_json(?)", True),
        ("insert into t values (?, ?), (?, ?)", False),
        ("insert into t select a from u where a = ?", False),
        ("update t set a = ?", False),
        ("select ? + 1 from t", False),
    ],
)
def test_a_row_to_insert_may_be_bound_to_lists(sql: Sql, text: str, *, takes_lists: bool) -> None:
    sql("create table t (a int, b variant)")

    assert sql.described(text, Binding("FIXED", "1")).takes_lists is takes_lists


@pytest.mark.parametrize(
    "text",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        'select * from "/etc/passwd"',
        "select * from glob('/*')",
        "select * from duckdb_settings()",
        "select * from table(duckdb_settings())",
        "select getenv('HOME')",
        "select current_setting('memory_limit')",
        "copy t to '/tmp/x'",
        "attach '/tmp/x' as y",
        "pragma version",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '1GB' -- of the engine",
        "select * from system.information_schema.tables",
        "select sniff_csv('/etc/passwd')",
        "select nk_divide(1, 2)",
        "select json_array(1)",
        "select * from nk_flatten('[1]')",
        "checkpoint",
        "export database '/tmp/x'",
        "use db",
        "vacuum",
    ],
)
def test_the_engine_itself_cannot_be_reached(sql: Sql, text: str) -> None:
    if text.startswith("set "):
        sql(text)  # a session variable, whatever its name
        assert sql.value("select $memory_limit") == "1GB"
        return
    with pytest.raises(NunatakError):
        sql(text)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("select * from nope", ObjectNotFound, "Object 'NOPE' does not exist or not authorized."),
        ("select * from db.s2.t", ObjectNotFound, "Object 'DB.S2.T' does not exist"),
        ("select zz from (select 1 a)", InvalidIdentifier, "invalid identifier 'ZZ'"),
        ("select foo(1)", Unsupported, "Unknown function FOO."),
        ("select 1 +", SyntaxInvalid, "syntax error line 1 at position"),
        ("selec 1", SyntaxInvalid, "syntax error"),
        ("select parse_json('{a')", QueryFailed, "Error parsing JSON"),
        ("select 'abc'::int", QueryFailed, "Numeric value 'abc' is not recognized"),
        ("select 1 / 0", QueryFailed, "Division by zero"),
        ("select * from t at(offset => -60)", NunatakError, ""),
    ],
)
def test_errors_say_what_is_wrong(
    sql: Sql, text: str, error: type[NunatakError], message: str
) -> None:
    with pytest.raises(error) as caught:
        sql(text)
    assert message in caught.value.message


def test_a_name_needs_a_current_schema(sql: Sql) -> None:
    sql.session.schema = None
    with pytest.raises(NoCurrentContext, match="USE SCHEMA"):
        sql("select * from t")
