"""Tables that take the place of others: made of what they replace, and like others."""

from __future__ import annotations

import pytest

from nunatak.errors import NunatakError, ObjectNotFound, SyntaxInvalid, Unsupported

from ..conftest import Rows, Sql


@pytest.mark.parametrize("kind", ["table", "transient table", "temporary table"])
@pytest.mark.parametrize(
    ("made", "rows"),
    [
        ("{0} as select x * 10 as x from t", [(10,), (20,), (20,)]),
        ("{0}(x) as select distinct x from t", [(1,), (2,)]),
        ("{0} as with c as (select * from t) select x from c join t using (x) where x = 1", [(1,)]),
        ("{0} as select x from t where x > (select min(x) from t)", [(2,), (2,)]),
        ("{0} as select x from t union all select x from t where x = 1", [(1,), (1,), (2,), (2,)]),
        ("{0}(id int autoincrement, x int) as select 0, x from t where x = 1", [(0, 1)]),
        ("{0} as select x from t where false", []),
        ("{0} as select x from v", [(2,), (2,)]),
    ],
)  # fmt: skip
def test_a_table_may_be_replaced_by_one_that_is_made_of_it(
    sql: Sql, kind: str, made: str, rows: Rows
) -> None:
    sql("create temporary table t(x int)" if "temporary" in kind else "create table t(x int)")
    sql("insert into t values (1), (2), (2)")
    sql(f"create {'temporary' if 'temporary' in kind else ''} view v as select * from t where x=2")
    sql(f"create or replace {kind} {made.format('t')}")
    assert sorted(sql("select * from t")) == rows
    with sql.warehouse.engine.connect() as connection:
        assert len(connection.execute("SELECT table_name FROM duckdb_tables()")) == 1


@pytest.mark.parametrize("kind", ["table", "temporary table"])
def test_a_table_stays_when_what_would_replace_it_fails(sql: Sql, kind: str) -> None:
    sql(f"create {kind} t as select 1 as x")
    for query in ("select x / 0 as y from t", "select y from t", "select * from nope"):
        with pytest.raises(NunatakError):
            sql(f"create or replace {kind} t as {query}")
        assert sql("select x from t") == [(1,)]


@pytest.mark.parametrize("kind", ["table", "temporary table"])
def test_a_clone_of_itself_is_what_it_was(sql: Sql, kind: str) -> None:
    sql(f"create {kind} t(id int autoincrement start 5 increment 2, x int not null)")
    sql("insert into t(x) values (1), (2)")
    sql(f"create or replace {kind} t clone t")
    sql("insert into t(x) values (3)")
    assert sql("select * from t") == [(5, 1), (7, 2), (9, 3)]
    sql(f"create or replace {kind} t like t")
    assert sql("select * from t") == []


def test_copies_of_autoincrement_columns_count_by_themselves(sql: Sql) -> None:
    sql("create table t(id int identity(10, 5), x int)")
    sql("insert into t(x) values (0), (0)")
    sql("create table alike like t")
    sql("create table cloned clone t")
    sql("create temporary table own clone t")
    sql("drop table t")
    for name in ("alike", "cloned", "own"):
        sql(f"insert into {name}(x) values (1)")
    assert sql("select id from alike") == [(10,)]
    assert sql("select id from cloned where x = 1") == [(20,)]
    assert sql("select id from own where x = 1") == [(20,)]


def test_copies_of_columns_draw_from_the_same_sequence(sql: Sql) -> None:
    sql("create sequence s start 7")
    sql("create table t(id int default s.nextval, x int default 3)")
    for name, how in (("alike", "like"), ("cloned", "clone")):
        sql(f"create table {name} {how} t")
        sql(f"insert into {name}(x) values (default)")
    assert sql("select * from alike") + sql("select * from cloned") == [(7, 3), (8, 3)]


def test_a_column_cannot_begin_to_count(sql: Sql) -> None:
    sql("create table t as select 1 as x")
    with pytest.raises(Unsupported, match="AUTOINCREMENT"):
        sql("alter table t add column id int autoincrement")
    assert sql("select * from t") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "create or alter table t(x int, y int)",
        "create or alter view v as select 2 as x",
        "/* c */ create or alter table t as select 2 as x",
        "create or alter sequence s start 9",
        "create table n(x int) nope = 1",
        "create table n(x int) enable_schema_evolution = true",
        "create table n(x int) default_ddl_collation = 'de'",
        "create table n(x int) stage_file_format = (type = csv)",
        "create table n(x int) row access policy p on (x)",
        "create or replace table t(x int) with row access policy p on (x)",
        "create table n(x int) with tag (a = 'b')",
        "create table n(x varchar collate 'de')",
        "create table n(x int check (x > 0))",
        "create table n(x int, constraint c check (x > 0))",
        "create table n(x int) external_volume = 'e'",
        "create volatile table n(x int)",
        "create table n clone t at (offset => -60)",
        "create table n as select 1 as x from t at (offset => -60)",
        "create view n with row access policy p on (x) as select x from t",
        "create or replace view v(x with masking policy p) as select x from t",
        "create view n with tag (a = 'b') as select 1 as x",
        "create view n nope = 1 as select 1 as x",
    ],
)
def test_what_would_be_lost_without_a_word_is_refused(sql: Sql, statement: str) -> None:
    sql("create table t as select 1 as x")
    sql("create view v as select 7 as x")
    with pytest.raises((Unsupported, SyntaxInvalid)):
        sql(statement)
    assert (sql("select * from t"), sql("select * from v")) == ([(1,)], [(7,)])
    with pytest.raises(ObjectNotFound):
        sql("select * from n")


@pytest.mark.parametrize(
    "statement",
    [
        "create table n(x int) cluster by (x) data_retention_time_in_days = 1",
        "create table n(x int) change_tracking = true",
        "create or replace table n(x int) copy grants comment = 'c'",
        "create transient table n(x int unique) max_data_extension_time_in_days = 3",
        "create table n(x int, primary key (x), unique (x))",
        "create secure view n(x comment 'c') copy grants comment = 'c' as select 1",
        "create table n clone t",
    ],
)
def test_what_is_declared_for_readers_or_storage_is_taken(sql: Sql, statement: str) -> None:
    sql("create table t as select 1 as x")
    sql(statement)
    assert len(sql("select x from n")) < 2
