"""Names that differ only in case are different names: no statement takes one for the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.config import Settings
from nunatak.errors import (
    InvalidArgument,
    InvalidIdentifier,
    NunatakError,
    ObjectExists,
    ObjectNotFound,
    StatementError,
    SyntaxInvalid,
    Unsupported,
)
from nunatak.warehouse.warehouse import Warehouse

from ..conftest import Sql, new_session

PAIRS = (('"keep"', "KEEP"), ("KEEP", '"keep"'), ('"keep"', '"Keep"'))
FIRST = {
    "TABLE": "create table {0} as select 7 as x",
    "VIEW": "create view {0} as select 7 as x",
    "TEMPORARY TABLE": "create temporary table {0} as select 7 as x",
    "TEMPORARY VIEW": "create temporary view {0} as select 7 as x",
}
MADE = tuple(
    f"create {modifier}{kind} {exists}{{0}} {rest}"
    for modifier in ("", "or replace ")
    for exists in ("", *(["if not exists "] if not modifier else []))
    for kind, rest in (
        ("table", "(z int)"),
        ("table", "(z int autoincrement)"),
        ("table", "as select 1 as z"),
        ("table", "like source"),
        ("table", "clone source"),
        ("transient table", "(z int)"),
        ("view", "as select 1 as z"),
    )
)
USES = (
    "drop table {0}",
    "drop view {0}",
    "truncate table {0}",
    "insert into {0} values (1)",
    "insert overwrite into {0} values (1)",
    "update {0} set x = 1",
    "delete from {0}",
    "merge into {0} using source on {0}.x = source.x when matched then delete",
    "alter table {0} rename to other",
    "alter table {0} swap with source",
    "alter table source swap with {0}",
    "alter table {0} add column y int",
    "alter table {0} drop column x",
    "alter table {0} rename column x to y",
    "alter table {0} set comment = 'c'",
    "comment on table {0} is 'c'",
    "describe table {0}",
    "select * from {0}",
    "create table other like {0}",
    "create table other clone {0}",
    "create view other as select * from {0}",
    "copy into {0} from @~/f",
)
SILENT = ("drop table if exists {0}", "drop view if exists {0}", "truncate table if exists {0}")
MOVED = ("alter table source rename to {0}",)


@pytest.fixture
def there(sql: Sql) -> Sql:
    sql("create table source(x int)")
    return sql


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_nothing_is_made_beside_a_name_that_differs_only_in_case(
    there: Sql, kind: str, pair: tuple[str, str]
) -> None:
    first, other = pair
    there(FIRST[kind].format(first))
    for statement in (*MADE, *MOVED):
        with pytest.raises(Unsupported, match="differ only in case"):
            there(statement.format(other))
        assert there(f"select * from {first}") == [(7,)]
    for statement in USES:
        with pytest.raises(StatementError, match="does not exist"):
            there(statement.format(other))
        assert there(f"select * from {first}") == [(7,)]
    for statement in SILENT:
        there(statement.format(other))
        assert there(f"select * from {first}") == [(7,)]


@pytest.mark.parametrize("kind", ["TEMPORARY TABLE", "TEMPORARY VIEW"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_temporary_objects_of_two_cases_are_two_or_refused(
    there: Sql, kind: str, pair: tuple[str, str]
) -> None:
    first, other = pair
    there(FIRST[kind].format(first))
    for statement in MADE:
        if "clone" in statement or "transient" in statement:
            continue
        made = statement.replace("table", "temporary table").replace("view", "temporary view")
        try:
            there(made.format(other))
        except Unsupported:
            continue
        finally:
            assert there(f"select * from {first}") == [(7,)]
        there(f"drop {'view' if 'view' in made else 'table'} {other}")
        assert there(f"select * from {first}") == [(7,)]
    for statement in USES:
        with pytest.raises(StatementError, match="does not exist"):
            there(statement.format(other))
        assert there(f"select * from {first}") == [(7,)]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_sequences_of_two_cases(sql: Sql, pair: tuple[str, str]) -> None:
    first, other = pair
    sql(f"create sequence {first} start 5")
    for words in ("", "or replace "):
        with pytest.raises(Unsupported, match="differ only in case"):
            sql(f"create {words}sequence {other}")
    with pytest.raises(Unsupported, match="differ only in case"):
        sql(f"create sequence if not exists {other}")
    with pytest.raises(ObjectNotFound):
        sql(f"drop sequence {other}")
    sql(f"drop sequence if exists {other}")
    with pytest.raises(ObjectNotFound):
        sql(f"select {other}.nextval")
    sql(f"create table {other}(x int)")  # tables have names of their own
    assert sql.value(f"select {first}.nextval") == 5


def test_a_sequence_that_is_there_stays_unless_replaced(sql: Sql) -> None:
    sql("create sequence s start 5")
    sql("create sequence if not exists s start 9")
    with pytest.raises(ObjectExists):
        sql("create sequence s start 9")
    assert sql.value("select s.nextval") == 5
    sql("create or replace sequence s start 9")
    assert sql.value("select s.nextval") == 9


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_databases_and_schemas_of_two_cases(
    warehouse: Warehouse, sql: Sql, pair: tuple[str, str]
) -> None:
    first, other = (name.strip('"') for name in pair)
    warehouse.create_database(first)
    warehouse.create_schema("DB", first)
    sql(f'create table "{first}".public.t as select 7 as x')
    sql(f'create table "{first}".t as select 8 as x')
    for or_replace in (False, True):
        with pytest.raises(Unsupported, match="differ only in case"):
            warehouse.create_database(other, or_replace=or_replace)
    with pytest.raises(Unsupported, match="differ only in case"):
        warehouse.create_schema("DB", other)
    with pytest.raises(ObjectNotFound):
        warehouse.create_schema(other, "NEW")
    warehouse.drop_database(other)
    warehouse.drop_schema("DB", other)
    for place in (f'"{other}"', f'"{other}".public', f'db."{other}"'):
        for statement in (
            "create table {0}.n(x int)",
            "create or replace table {0}.t(x int)",
            "create view {0}.n as select 1 as x",
            "create sequence {0}.n",
            "select * from {0}.t",
            "drop table {0}.t",
            "insert into {0}.t values (1)",
        ):
            with pytest.raises(ObjectNotFound):
                sql(statement.format(place))
    assert sql(f'select * from "{first}".public.t a, "{first}".t b') == [(7, 8)]


def test_a_database_keeps_its_file_when_one_of_another_case_is_dropped(tmp_path: Path) -> None:
    warehouse = Warehouse(Settings(home=tmp_path))
    warehouse.create_database("VDB")
    warehouse.drop_database("vdb")
    with pytest.raises(Unsupported):
        warehouse.create_database("vdb", or_replace=True)
    warehouse.close()
    warehouse = Warehouse(Settings(home=tmp_path))
    assert warehouse.databases() == ["VDB"]
    warehouse.close()


@pytest.mark.parametrize("name", ["_nunatak_session_7", "_NUNATAK_SESSION_7", "memory", "Temp"])
def test_databases_of_the_engine_are_nobodys(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(InvalidArgument):
        warehouse.create_database(name)


def test_the_engines_own_schema_is_nobodys(sql: Sql) -> None:
    for statement in ("create table db.{0}.t(x int)", "create sequence db.{0}.s"):
        for schema in ('"main"', "main", '"Main"'):
            with pytest.raises(ObjectNotFound):
                sql(statement.format(schema))


def test_renaming_to_another_case_of_its_own_name(sql: Sql) -> None:
    sql("create table t as select 7 as x")
    sql('alter table t rename to "t"')
    with pytest.raises(ObjectNotFound):
        sql("select * from t")
    sql('alter table "t" rename column x to "X2"')
    sql('alter table "t" rename column "X2" to "x2"')
    assert sql.result('select * from "t"').fields[0].name == "x2"
    with pytest.raises(ObjectExists):
        sql('alter table "t" rename to "t"')


COLUMNS = (
    'create table n("x" int, X int)',
    'create table n as select 1 as "x", 2 as X',
    'create table n(X, "x") as select 1, 2',
    'create view n as select 1 as "x", 2 as X',
    'create view n(X, "x") as select 1, 2',
    'create temporary table n("x" int, X int)',
    'create or replace table t("x" int, X int)',
    'alter table t add column "x" int',
    'alter table t add column if not exists "x" int',
    'alter table t rename column y to "x"',
    'alter table t rename column x to "Y"',
    'alter table t rename column x to "y"',
)


@pytest.mark.parametrize("statement", COLUMNS)
def test_columns_that_differ_only_in_case_are_refused(sql: Sql, statement: str) -> None:
    sql("create table t as select 1 as x, 2 as y")
    with pytest.raises((InvalidArgument, ObjectExists)):
        sql(statement)
    assert sql("select x, y from t") == [(1, 2)]
    with pytest.raises(ObjectNotFound):
        sql("select * from n")


def test_identity_sequences_are_the_tables_own(sql: Sql) -> None:
    sql("create sequence foo_identity start 5")
    sql("create table foo(a int)")
    assert sql.value("select foo_identity.nextval") == 5
    sql("create or replace table foo(a int autoincrement, b int, c int identity(10, 10))")
    for _ in range(2):
        sql("insert into foo(b) values (0)")
    assert sql("select a, c from foo order by a") == [(1, 10), (2, 20)]
    sql("alter table foo rename to bar")
    sql("create table foo(a int autoincrement, b int)")
    sql("alter table foo swap with bar")
    sql("insert into foo(b) values (0)")
    sql("insert into bar(b) values (0)")
    assert (sql.value("select max(a) from foo"), sql.value("select max(a) from bar")) == (3, 1)
    sql("drop table foo")
    sql("insert into bar(b) values (0)")
    sql("drop table bar")
    assert sql.value("select foo_identity.nextval") == 6
    with sql.warehouse.engine.connect() as connection:
        assert connection.execute("SELECT sequence_name FROM duckdb_sequences()") == [
            ("FOO_IDENTITY",)
        ]


@pytest.mark.parametrize("name", ["__NUNATAK_IDENTITY_1", '"__nunatak_x"'])
@pytest.mark.parametrize("kind", ["table {0}(x int)", "view {0} as select 1 as x", "sequence {0}"])
def test_names_of_the_engine_are_nobodys(sql: Sql, name: str, kind: str) -> None:
    with pytest.raises(InvalidArgument):
        sql(f"create {kind.format(name)}")


@pytest.mark.parametrize(
    "statement",
    [
        "alter table t rename x to xx",
        "alter table t rename x",
        "alter table t rename t2",
        "alter table t rename db.public.t2",
        "alter table t swap",
        "alter table t drop table x",
        "alter table t drop view x",
        "alter table t drop constraint x",
        "alter table t rename to xx to yy",
        "alter view t rename x to xx",
        "alter view t drop column x",
        "alter view t rename to v",
        "alter view if exists t rename to v",
    ],
)
def test_alter_table_means_what_it_says(sql: Sql, statement: str) -> None:
    sql("create table t as select 1 as x, 2 as y")
    with pytest.raises((SyntaxInvalid, Unsupported, ObjectNotFound)) as raised:
        sql(statement)
    if statement.startswith("alter table t rename") and "yy" not in statement:
        assert isinstance(raised.value, SyntaxInvalid)
    assert "<" not in str(raised.value)
    assert sql("select * from t") == [(1, 2)]
    assert [column.comment for column in sql.warehouse.list_tables(sql.session, "DB")] == [None]


def test_a_table_that_is_named_like_a_word_is_renamed(sql: Sql) -> None:
    sql("create table rename as select 1 as x")
    sql("alter table rename rename to t")
    sql('alter table t rename to "RENAME"')
    sql('alter table "RENAME" rename to t')
    assert sql("select * from t") == [(1,)]


def test_two_databases_of_an_earlier_version_that_differ_in_case(tmp_path: Path) -> None:
    """The first is opened, the other is left as it is."""
    for name in ("VDB", "other"):
        warehouse = Warehouse(Settings(home=tmp_path))
        warehouse.create_database(name)
        warehouse.close()
    folder = Settings(home=tmp_path).folder("databases")
    (folder / "other.duckdb").rename(folder / "vdb.duckdb")
    warehouse = Warehouse(Settings(home=tmp_path))
    sql = Sql(warehouse, new_session())
    assert warehouse.databases() == ["VDB"]
    with pytest.raises(ObjectNotFound):
        sql('select * from "vdb".public.t')
    warehouse.close()
    assert (folder / "vdb.duckdb").exists()


def test_nextval_is_of_a_sequence_that_is_there(sql: Sql) -> None:
    with pytest.raises(ObjectNotFound):
        sql("select nope.nextval")
    with pytest.raises((ObjectNotFound, InvalidIdentifier)):
        sql('create table t(x int default "nope".nextval)')


spelled = st.sampled_from(["A", '"a"', '"Ab"', '"aB"', "AB", "B"])
step = st.tuples(
    st.sampled_from(["create", "or replace", "if not exists", "drop", "drop if exists", "rename",
                     "swap", "insert", "insert overwrite", "truncate"]),
    st.sampled_from(["TABLE", "VIEW"]),
    spelled,
    spelled,
)  # fmt: skip


def _statement(step: tuple[str, str, str, str], value: int) -> str:
    action, kind, name, other = step
    made = f"{name}(x int)" if kind == "TABLE" else f"{name} as select {value} as x"
    match action:
        case "create":
            return f"create {kind} {made}"
        case "or replace":
            return f"create or replace {kind} {made}"
        case "if not exists":
            return f"create {kind} if not exists {made}"
        case "drop" | "drop if exists":
            return action.replace("drop", f"drop {kind}") + f" {name}"
        case "rename":
            return f"alter {kind} {name} rename to {other}"
        case "swap":
            return f"alter table {name} swap with {other}"
        case "truncate":
            return f"truncate table {name}"
    return f"{action} into {name} values ({value})"


Objects = dict[str, tuple[str, list[int]]]


def _after(objects: Objects, step: tuple[str, str, str, str], value: int) -> Objects | None:
    """The objects after a statement; None where it must fail."""
    action, kind, name, other = step
    there = objects.get(name)
    rest = {key: found for key, found in objects.items() if key != name}
    if action in {"create", "or replace", "if not exists"}:
        if there is not None and action == "if not exists" and there[0] == kind:
            return objects
        if there is not None and (action != "or replace" or there[0] != kind):
            return None
        if any(_bare(key).upper() == _bare(name).upper() for key in rest):
            return None
        return {**rest, name: (kind, [value] if kind == "VIEW" else [])}
    if there is None:
        return objects if action == "drop if exists" else None
    if action.startswith("drop"):
        return rest if there[0] == kind else None
    if action == "rename":
        if name == other or any(_bare(key).upper() == _bare(other).upper() for key in rest):
            return None
        return {**rest, other: there} if kind == "TABLE" or there[0] == kind else None
    if there[0] != "TABLE":
        return None
    if action == "swap":
        back = objects.get(other)
        if back is None or back[0] != "TABLE" or name == other:
            return None
        return {**objects, name: back, other: there}
    rows = {"insert": [*there[1], value], "insert overwrite": [value], "truncate": []}[action]
    return {**objects, name: ("TABLE", rows)}


def _bare(name: str) -> str:
    return name.strip('"')


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(step, min_size=4, max_size=14))
def test_objects_are_what_their_exact_names_say_after_any_statements(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, str]]
) -> None:
    warehouse = Warehouse(Settings(home=tmp_path_factory.mktemp("home")))
    try:
        warehouse.create_database("DB")
        sql = Sql(warehouse, new_session())
        objects: Objects = {}
        for value, one in enumerate(steps):
            expected = _after(objects, one, value)
            if expected is None:
                with pytest.raises(NunatakError):
                    sql(_statement(one, value))
            else:
                sql(_statement(one, value))
                objects = expected
            for name, (_, rows) in objects.items():
                assert sorted(sql(f"select x from {name}")) == [(row,) for row in sorted(rows)]
            listed = {found.name.name for found in warehouse.list_tables(sql.session, "DB")}
            assert listed == set(map(_bare, objects))
    finally:
        warehouse.close()
