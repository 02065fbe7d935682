"""Tables, views, changes, transactions, temporary objects, INFORMATION_SCHEMA, kept results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nunatak.catalog.sqltypes import NUMBER, OBJECT, TEXT
from nunatak.config import Settings
from nunatak.errors import (
    InvalidArgument,
    InvalidIdentifier,
    NullRefused,
    NunatakError,
    ObjectExists,
    ObjectNotFound,
    QueryCancelled,
    QueryFailed,
    Unsupported,
)
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.cancel import Cancellation
from nunatak.warehouse.core.hooks import Hooks, ServerFunctions
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field, Result, StatementKind, rows_result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.query.result_batches import ResultBatches
from nunatak.warehouse.warehouse import Warehouse

from .conftest import Sql, new_session, rows_of


def test_creating_tables_answers_in_the_vendors_words(sql: Sql) -> None:
    assert sql("create table t(a int)") == [("Table T successfully created.",)]
    assert sql("create table if not exists t(a int)") == [
        ("T already exists, statement succeeded.",)
    ]
    with pytest.raises(ObjectExists, match="already exists"):
        sql("create table t(a int)")
    assert sql("create or replace table t as select 1 as b, 'x' as c") == [
        ("Table T successfully created.",)
    ]
    assert sql("select * from t") == [(1, "x")]
    assert sql("drop table t") == [("T successfully dropped.",)]
    assert sql("drop table if exists t") == [
        ("Drop statement executed successfully (T already dropped).",)
    ]
    with pytest.raises(ObjectNotFound, match="Table 'T' does not exist"):
        sql("drop table t")


def test_describing_a_table(sql: Sql) -> None:
    sql(
        "create table t(a int primary key, b varchar(10) not null default 'x' comment 'hey', "
        "c number(10,2), d timestamp_tz, e vector(float, 3), f object, g array, h variant, "
        "i boolean, j time, k binary, l timestamp_ltz, m char(2))"
    )
    described = sql("describe table t")
    assert [(row[0], row[1], row[3]) for row in described] == [
        ("A", "NUMBER(38,0)", "N"),
        ("B", "VARCHAR(10)", "N"),
        ("C", "NUMBER(10,2)", "Y"),
        ("D", "TIMESTAMP_TZ(9)", "Y"),
        ("E", "VECTOR(FLOAT, 3)", "Y"),
        ("F", "OBJECT", "Y"),
        ("G", "ARRAY", "Y"),
        ("H", "VARIANT", "Y"),
        ("I", "BOOLEAN", "Y"),
        ("J", "TIME(9)", "Y"),
        ("K", "BINARY(8388608)", "Y"),
        ("L", "TIMESTAMP_LTZ(9)", "Y"),
        ("M", "VARCHAR(2)", "Y"),
    ]
    assert described[0][5] == "Y"
    assert (described[1][4], described[1][9]) == ("'x'", "hey")


def test_like_and_clone_keep_the_declarations(sql: Sql) -> None:
    sql("create table t(a varchar(3) not null comment 'c', o object)")
    sql("insert into t(a) values ('q')")
    for statement, rows in (("create table u like t", 0), ("create table v clone t", 1)):
        sql(statement)
        name = statement.split()[2]
        assert sql(f"describe table {name}") == sql("describe table t")
        assert sql.value(f"select count(*) from {name}") == rows


def test_altering(sql: Sql) -> None:
    sql("create table t(a int, b varchar(3))")
    sql("alter table t add column c object, d int default 7")
    sql("alter table t rename column a to z")
    sql("alter table t drop column b")
    sql("alter table t modify column z comment 'note'")
    sql("alter table t alter column d set data type number(12, 2)")
    sql("comment on table t is 'whole'")
    sql("alter table t rename to u")
    assert [(row[0], row[1], row[9]) for row in sql("describe table u")] == [
        ("Z", "NUMBER(38,0)", "note"),
        ("C", "OBJECT", None),
        ("D", "NUMBER(12,2)", None),
    ]
    sql("create table w(x int)")
    sql("alter table u swap with w")
    assert [row[0] for row in sql("describe table u")] == ["X"]
    with pytest.raises(InvalidIdentifier):
        sql("alter table u drop column nope")
    with pytest.raises(Unsupported, match="alter table"):
        sql("alter table u add row access policy p on (x)")


def test_columns_that_differ_in_case_only_are_refused(sql: Sql) -> None:
    with pytest.raises(InvalidArgument, match="differ only in case"):
        sql('create table t(a int, "a" int)')


def test_counts_of_changes(sql: Sql) -> None:
    sql("create table t(a int, b varchar)")
    inserted = sql.result("insert into t values (1, 'x'), (2, 'y'), (3, null)")
    assert inserted.kind is StatementKind.INSERT
    assert [field.name for field in inserted.fields] == ["number of rows inserted"]
    assert rows_of(inserted) == [(3,)]
    updated = sql.result("update t set t.b = 'z' where a > 1")
    assert [field.name for field in updated.fields] == [
        "number of rows updated",
        "number of multi-joined rows updated",
    ]
    assert rows_of(updated) == [(2, 0)]
    assert sql("delete from t using (select 3 as k) u where t.a = u.k") == [(1,)]
    merged = sql.result(
        "merge into t using (select 1 a, 'm' b union all select 9, 'n') s on t.a = s.a "
        "when matched then update set t.b = s.b "
        "when not matched then insert (a, b) values (s.a, s.b)"
    )
    assert [field.name for field in merged.fields] == [
        "number of rows inserted",
        "number of rows updated",
    ]
    assert rows_of(merged) == [(1, 1)]
    assert sql("select * from t order by a") == [(1, "m"), (2, "z"), (9, "n")]
    sql(
        'merge into t using (select $1 as "K", $2 as "V" from values (9::int, \'w\')) s '
        'on t.a = s."K" when matched and s."V" is not null then update set b = s."V" '
        "when matched then delete"
    )
    assert sql.value("select b from t where a = 9") == "w"
    assert sql("insert overwrite into t select 5, 'o'") == [(1,)]
    sql("truncate table t")
    sql("truncate table if exists nope")
    assert sql("select * from t") == []


def test_array_binding(sql: Sql) -> None:
    sql("create table t(a int, b varchar, c date, d variant, e float, f boolean)")
    assert sql(
        "insert into t select ?, ?, ?, parse_json(?), ?, ?",
        Binding("FIXED", ["1", "2", None]),
        Binding("TEXT", ["x", None, "z"]),
        Binding("DATE", ["0", "86400000", None]),
        Binding("TEXT", ['{"k": 1}', None, "[]"]),
        Binding("REAL", ["1.5", "inf", None]),
        Binding("BOOLEAN", ["true", "false", None]),
    ) == [(3,)]
    assert sql("select a, b, c::varchar, d:k::int, e, f from t order by a") == [
        (1, "x", "1970-01-01", 1, 1.5, True),
        (2, None, "1970-01-02", None, float("inf"), False),
        (None, "z", None, None, None, None),
    ]
    assert sql(
        "insert into t(b, a) values (?, ? + 1)", Binding("TEXT", ["p", "q"]), Binding("FIXED", "4")
    ) == [(2,)]
    with pytest.raises(InvalidArgument, match="differ in length"):
        sql("insert into t(a, b) values (?, ?)", Binding("FIXED", ["1"]), Binding("TEXT", []))
    with pytest.raises(InvalidArgument, match="INSERT"):
        sql("select ?", Binding("FIXED", ["1", "2"]))


def test_views(sql: Sql) -> None:
    sql("create table t(a int, o object)")
    sql("create view v(x, y) comment = 'c' as select a, o from t")
    assert [(row[0], row[1]) for row in sql("describe view v")] == [
        ("X", "NUMBER(38,0)"),
        ("Y", "OBJECT"),
    ]
    assert sql.types("select y from v") == ["OBJECT"]
    with pytest.raises(ObjectExists):
        sql("create view v as select 1")
    sql("create or replace view v as select 2 as q")
    assert sql("select q from v") == [(2,)]
    sql("drop view v")
    with pytest.raises(ObjectNotFound):
        sql("select * from v")


def test_sequences_and_identities(sql: Sql) -> None:
    sql("create sequence s start 5 increment 2")
    assert [sql.value("select s.nextval") for _ in range(2)] == [5, 7]
    sql("create table t(id int autoincrement, x int)")
    sql("insert into t(x) values (10), (20)")
    assert sql("select id, x from t order by x") == [(1, 10), (2, 20)]
    sql("create or replace table t(id int identity(100, 10), x int)")
    sql("insert into t(x) values (1)")
    assert sql("select id from t") == [(100,)]
    sql("drop table t")


def test_temporary_tables_hide_others_and_end_with_the_session(
    warehouse: Warehouse, sql: Sql
) -> None:
    other = Sql(warehouse, new_session(2))
    sql("create table t as select 'permanent' as a")
    sql("create scoped temporary table db.public.t as select 'mine' as a")
    sql('create temp table "q r"(a int)')
    assert sql("select t.a from db.public.t") == [("mine",)]
    assert other("select a from t") == [("permanent",)]
    other("create temporary table t as select 'theirs' as a")
    assert sql("select a from t") == [("mine",)]
    with pytest.raises(ObjectNotFound):
        other('select * from "q r"')
    sql("drop table t")
    assert sql("select a from t") == [("permanent",)]
    warehouse.close_session(sql.session)
    assert other("select a from t") == [("theirs",)]


def test_transactions(warehouse: Warehouse, sql: Sql) -> None:
    other = Sql(warehouse, new_session(2))
    sql("create table t(a int)")
    sql("begin transaction")
    sql("insert into t values (1)")
    assert sql("select * from t") == [(1,)]
    assert other("select * from t") == []
    sql("rollback")
    assert sql("select * from t") == []
    sql("begin")
    sql("insert into t values (2)")
    sql("create table u(a int)")  # commits
    assert other("select * from t") == [(2,)]
    sql("begin")
    sql("insert into t values (3)")
    warehouse.close_session(sql.session)
    assert other("select * from t") == [(2,)]


def test_a_transaction_with_a_failed_statement_is_not_committed(sql: Sql) -> None:
    sql("create table t(a int)")
    sql("begin")
    sql("insert into t values (1)")
    with pytest.raises(QueryFailed):
        sql("insert into t select 'x'::int")
    with pytest.raises(QueryFailed, match="ROLLBACK"):
        sql("insert into t values (2)")
    with pytest.raises(QueryFailed, match="rolled back"):
        sql("commit")
    sql("insert into t values (3)")
    assert sql("select a from t") == [(3,)]


def test_without_autocommit(warehouse: Warehouse, sql: Sql) -> None:
    other = Sql(warehouse, new_session(2))
    sql("create table t(a int)")
    sql.session.parameters["AUTOCOMMIT"] = False
    sql("insert into t values (1)")
    assert other("select a from t") == []
    sql("rollback")
    sql("insert into t values (2)")
    sql("commit")
    assert other("select a from t") == [(2,)]


def test_tables_outlive_the_server(tmp_path: Path) -> None:
    for number in range(2):
        warehouse = Warehouse(Settings(home=tmp_path))
        sql = Sql(warehouse, new_session())
        if number == 0:
            warehouse.create_database('d"b.x')
            sql.session.database = 'd"b.x'
            sql("create table t(o object, v varchar(4))")
            sql("create temporary table tt(a int)")
        else:
            sql.session.database = 'd"b.x'
            assert warehouse.databases() == ['d"b.x']
            assert sql.types("select * from t") == ["OBJECT", "VARCHAR(4)"]
            with pytest.raises(ObjectNotFound):
                sql("select * from tt")
            warehouse.drop_database('d"b.x')
            assert not list((tmp_path / "databases").iterdir())
        warehouse.close()


def test_information_schema(sql: Sql) -> None:
    sql("create table t(a number(10,2) comment 'c', b varchar(7) not null)")
    sql("create temporary table tt(x int)")
    sql("create view v as select a from t")
    assert sql(
        "select table_schema, table_name, table_type from information_schema.tables order by 2"
    ) == [
        ("PUBLIC", "T", "BASE TABLE"),
        ("PUBLIC", "TT", "LOCAL TEMPORARY"),
        ("PUBLIC", "V", "VIEW"),
    ]
    assert sql(
        "select column_name, data_type, numeric_precision, character_maximum_length, is_nullable, "
        "comment from db.information_schema.columns where table_name = 'T' order by 1"
    ) == [("A", "NUMBER", 10, None, "YES", "c"), ("B", "TEXT", None, 7, "NO", None)]
    assert sql("select schema_name from information_schema.schemata") == [
        ("INFORMATION_SCHEMA",),
        ("PUBLIC",),
    ]
    assert sql("select database_name from information_schema.databases") == [("DB",)]
    assert sql("select view_definition from information_schema.views") == [
        ("create view v as select a from t",)
    ]
    with pytest.raises(ObjectNotFound):
        sql("select * from information_schema.nope")


def test_virtual_tables_and_functions_of_other_rooms(
    with_hooks: Callable[[Hooks], Sql],
) -> None:
    def packages(session: Session, database: str) -> Result:
        return rows_result([Field("PACKAGE_NAME", TEXT), Field("N", NUMBER)], [["numpy", 1]])

    sql = with_hooks(
        Hooks(
            functions=ServerFunctions(
                virtual_tables={"PACKAGES": packages},
                system_functions={
                    "SYSTEM$ECHO": lambda session, values: f"{session.user}:{values}"
                },
            )
        )
    )
    assert sql(
        "SELECT PACKAGE_NAME, n FROM information_schema.packages "
        "WHERE (package_name = 'numpy' OR n is null)"
    ) == [("numpy", 1)]
    assert sql.value("select upper(system$echo('a', 1)) || '!'") == "ADA:['A', 1.0]!"
    assert sql.types("select system$echo(1)") == ["VARCHAR(16777216)"]


def test_table_functions_of_other_rooms(with_hooks: Callable[[Hooks], Sql]) -> None:
    def echo(session: Session, values: Sequence[Any]) -> Result:
        return rows_result([Field("USER_NAME"), Field("VALUE")], [[session.user, values[0]]])

    sql = with_hooks(Hooks(functions=ServerFunctions(table_functions={"ECHO": echo})))
    database = sql.value("select current_database()")
    assert sql(f"SELECT t.VALUE FROM TABLE({database}.INFORMATION_SCHEMA.ECHO($$it's$$)) t") == [
        ("it's",)
    ]
    assert sql("SELECT USER_NAME FROM TABLE(information_schema.echo('a', 1, NULL))") == [("ADA",)]
    with pytest.raises(Unsupported, match="NOPE"):
        sql("SELECT 1 FROM TABLE(INFORMATION_SCHEMA.NOPE('a'))")
    with pytest.raises(Unsupported, match="use a literal"):
        sql("SELECT 1 FROM TABLE(INFORMATION_SCHEMA.ECHO(upper('a')))")


def test_the_rows_before_the_flow_operator(sql: Sql) -> None:
    flow = rows_result([Field("name", TEXT), Field("o", OBJECT)], [["a", '{"k": 1}'], ["b", None]])
    request = StatementRequest(
        session=sql.session,
        statement=StatementText("""SELECT "name", f."o":k::int FROM $1 f WHERE "name" < 'b'"""),
        flow=flow,
    )
    assert rows_of(sql.warehouse.query(request)) == [("a", 1)]


def test_kept_results(with_hooks: Callable[[Hooks], Sql]) -> None:
    class Kept:
        def result(self, session: Session, query_id: str) -> Result:
            return rows_result([Field("ID", TEXT)], [[query_id]])

    sql = with_hooks(Hooks(results=Kept()))
    sql.session.queries.extend(["first", "second"])
    assert sql("select id from table(result_scan('x'))") == [("x",)]
    assert sql("select id from table(result_scan(last_query_id()))") == [("second",)]
    assert sql("select * from table(result_scan(last_query_id(-2)))") == [("first",)]
    assert sql("select * from table(result_scan(last_query_id(1)))") == [("first",)]


def test_results_stream_and_stop(sql: Sql) -> None:
    text = "select seq4() as n, 'some text' as s from table(generator(rowcount => 100000000))"
    result = sql.result(text)
    batches = iter(result.batches)
    assert next(batches).num_rows > 0
    assert isinstance(result.batches, ResultBatches)
    result.batches.close()
    result.batches.close()


def test_cancelling_a_running_statement(sql: Sql) -> None:
    cancelled = Cancellation()
    request = StatementRequest(
        session=sql.session,
        statement=StatementText(
            "select count(*) from table(generator(rowcount => 1000000)) a, "
            "table(generator(rowcount => 1000000)) b where (a.seq * b.seq) % 7 = 3"
        ),
        cancelled=cancelled,
    )
    started = threading.Event()
    ended: list[type[BaseException]] = []

    def run() -> None:
        started.set()
        try:
            rows_of(sql.warehouse.query(request))
        except NunatakError as error:
            ended.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    while thread.is_alive():
        cancelled.clear()
        cancelled.set()
        thread.join(0.02)
    assert ended == [QueryCancelled]


def test_changes_of_the_same_rows_wait_for_each_other(warehouse: Warehouse, sql: Sql) -> None:
    sql("create table t as select 0 as a")
    failed: list[NunatakError] = []

    def add(number: int) -> None:
        own = Sql(warehouse, new_session(number))
        try:
            for _ in range(10):
                own("update t set a = a + 1")
        except NunatakError as error:
            failed.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sql.value("select a from t") == 40


def test_a_cancelled_statement_does_not_start(sql: Sql) -> None:
    cancelled = Cancellation()
    cancelled.set()
    sql("create table t(a int)")
    request = StatementRequest(
        session=sql.session, statement=StatementText("drop table t"), cancelled=cancelled
    )
    with pytest.raises(QueryCancelled):
        sql.warehouse.query(request)
    assert sql("select * from t") == []


def test_a_failed_statement_changes_nothing(sql: Sql) -> None:
    sql("create table t as select 1 as a")
    with pytest.raises(QueryFailed):
        sql("create or replace table t as select 'x'::int as a")
    with pytest.raises(QueryFailed):
        sql("insert overwrite into t select 'x'::int")
    assert sql("select a from t") == [(1,)]


@pytest.mark.parametrize(
    "text",
    ["create materialized view v as select 1", "create stage s", "call p()", "explain select 1"],
)
def test_what_is_not_offered_is_named(sql: Sql, text: str) -> None:
    with pytest.raises(Unsupported, match="Unsupported"):
        sql(text)


@pytest.mark.parametrize(
    "text",
    [
        "insert into kept values (null, 'y')",
        "insert into kept(b) values ('y')",
        "insert into kept select x, y from given",
        "insert overwrite into kept select x, y from given",
        "update kept set a = null",
        "merge into kept using given on kept.b = given.y when matched then update set a = given.x",
        """merge into kept using given on kept.b = given.z
        when not matched then insert (a, b) values (given.x, given.y)""",
        "alter table given alter column x set not null",
        "insert into own values (null)",
        "insert into keyed values (null, 'x')",
    ],
)
def test_a_null_where_none_may_stand_has_an_error_of_its_own(sql: Sql, text: str) -> None:
    """Drivers tell by its code that a constraint was hurt."""
    sql("create table kept(a int not null, b text)")
    sql("insert into kept values (1, 'x')")
    sql("create table given(x int, y text, z text)")
    sql("insert into given values (null, 'x', 'z')")
    sql("create temporary table own(a int not null)")
    sql("create table keyed(a int primary key, b text)")

    with pytest.raises(NullRefused, match="NULL result in a non-nullable column"):
        sql(text)

    assert sql("select * from kept") == [(1, "x")]


def test_autoincrement_columns_are_told_from_others(sql: Sql) -> None:
    """By every way to ask, and without a name of the engine's own."""
    sql("create sequence s")
    sql(
        "create table t(a int autoincrement start 5 increment 2, b int default s.nextval, "
        "c int default 3, d text)"
    )
    sql("create temporary table own(a int identity)")

    told = sql(
        "select column_name, is_identity, identity_generation, identity_start, "
        "identity_increment, identity_cycle, identity_ordered, column_default, data_type_alias "
        "from information_schema.columns where table_name in ('T', 'OWN') "
        "order by table_name desc, ordinal_position"
    )
    described = {row[0]: row[4] for row in sql("describe table t")}

    none = ("NO", *[None] * 5)
    number = "NUMBER(38,0)"
    assert told == [
        ("A", "YES", "BY DEFAULT", 5, 2, "NO", "NO", None, number),
        ("B", none[0], *none[1:], "DB.PUBLIC.S.NEXTVAL", number),
        ("C", none[0], *none[1:], "3", number),
        ("D", none[0], *none[1:], None, "VARCHAR(16777216)"),
        ("A", "YES", "BY DEFAULT", 1, 1, "NO", "NO", None, number),
    ]
    assert described == {
        "A": "IDENTITY START 5 INCREMENT 2 NOORDER",
        "B": "DB.PUBLIC.S.NEXTVAL",
        "C": "3",
        "D": None,
    }
    sql("alter table t rename to u")
    assert (
        sql.value(
            "select identity_start from information_schema.columns "
            "where table_name = 'U' and column_name = 'A'"
        )
        == 5
    )


def test_information_schema_tables_has_what_the_vendor_has(sql: Sql) -> None:
    sql("create transient table t(a int)")
    sql("create temporary table own(a int)")
    sql("create view v as select a from t")

    told = sql(
        "select table_name, table_type, is_transient, is_insertable_into, is_typed, is_temporary, "
        "is_iceberg, is_dynamic, is_immutable, is_hybrid, auto_clustering_on, last_ddl = created, "
        "self_referencing_column_name, reference_generation, user_defined_type_catalog, "
        "user_defined_type_schema, user_defined_type_name, commit_action, last_ddl_by "
        "from information_schema.tables order by 1"
    )

    no, unset = ("NO",) * 4, (None,) * 7
    assert told == [
        ("OWN", "LOCAL TEMPORARY", "NO", "YES", "NO", "YES", *no, "NO", True, *unset),
        ("T", "BASE TABLE", "YES", "YES", "NO", "NO", *no, "NO", True, *unset),
        ("V", "VIEW", "NO", "NO", "NO", "NO", *no, "NO", True, *unset),
    ]


def test_information_schema_columns_has_what_the_vendor_has(sql: Sql) -> None:
    sql("create table t(a int)")
    standard = [
        *("INTERVAL_TYPE", "INTERVAL_PRECISION", "CHARACTER_SET_CATALOG", "CHARACTER_SET_SCHEMA"),
        *("CHARACTER_SET_NAME", "COLLATION_CATALOG", "COLLATION_SCHEMA", "COLLATION_NAME"),
        *("DOMAIN_CATALOG", "DOMAIN_SCHEMA", "DOMAIN_NAME", "UDT_CATALOG", "UDT_SCHEMA"),
        *("UDT_NAME", "SCOPE_CATALOG", "SCOPE_SCHEMA", "SCOPE_NAME", "MAXIMUM_CARDINALITY"),
        *("DTD_IDENTIFIER", "IS_SELF_REFERENCING", "IDENTITY_MAXIMUM", "IDENTITY_MINIMUM"),
        "SCHEMA_EVOLUTION_RECORD",
    ]
    [row] = sql(f"select {', '.join(standard)} from information_schema.columns")
    assert row == tuple("NO" if name == "IS_SELF_REFERENCING" else None for name in standard)


@pytest.mark.parametrize("inside", [False, True])
def test_a_table_may_be_overwritten_with_what_is_made_of_it(sql: Sql, inside: bool) -> None:
    sql("create table t as select column1 a from values (1), (2)")
    if inside:
        sql("begin")
        sql("insert into t values (3)")
    else:
        sql("insert into t values (3)")
    sql("insert overwrite into t select a * 10 from t where a > 1")
    sql("insert overwrite into t select a + 1 from t")
    assert sql("select a from t order by a") == [(21,), (31,)]
    if inside:
        sql("commit")
    assert sql("select a from t order by a") == [(21,), (31,)]
    sql("insert overwrite into t select a from t where false")
    assert sql("select a from t") == []


@pytest.mark.parametrize("foreign", ["s", "x", "s.t", "public.s", "other.public.t"])
@pytest.mark.parametrize(
    "change",
    [
        "update t set {0}.v = 7 from s where t.k = s.k",
        "update t as a set a.k = 1, {0}.v = 7 from s where a.k = s.k",
        "merge into t using s on t.k = s.k when matched then update set {0}.v = 7",
    ],
)
def test_only_columns_of_the_table_that_changes_are_set(
    sql: Sql, change: str, foreign: str
) -> None:
    for table in "ts":
        sql(f"create table {table} as select 1 as k, 2 as v")
    with pytest.raises(InvalidIdentifier):
        sql(change.format(foreign))
    assert sql("select * from t") == sql("select * from s") == [(1, 2)]
    for own in ("t", "public.t", "db.public.t", '"T"', *(["a"] if " as a" in change else [])):
        sql("update t set v = 2")
        sql(change.format(own))
        assert sql("select * from t") == [(1, 7)]


@pytest.mark.parametrize(
    "change", ["insert into t values (2)", "update t set k = 2", "delete from t where k = 1"]
)
def test_returning_is_refused_and_changes_nothing(sql: Sql, change: str) -> None:
    sql("create table t as select 1 as k")
    with pytest.raises(Unsupported, match="RETURNING"):
        sql(f"{change} returning k")
    assert sql("select k from t") == [(1,)]
