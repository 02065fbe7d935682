"""Loading staged files: each once, nothing lost, and every row with its number."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.config import Settings
from nunatak.errors import InvalidArgument, QueryFailed, Unsupported
from nunatak.stages.places import StagedFile
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.engine.engine import EngineConnection
from nunatak.warehouse.tables.load_history import LoadHistory
from nunatak.warehouse.tables.tables import Location, Table
from nunatak.warehouse.warehouse import Warehouse

from ..conftest import Sql, new_session
from ..copy.test_copy import Stages


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path / "stages")


@pytest.fixture
def sql(tmp_path: Path, stages: Stages) -> Iterator[Sql]:
    warehouse = Warehouse(Settings(home=tmp_path), hooks=Hooks(stages=stages))
    warehouse.create_database("DB")
    yield Sql(warehouse, new_session())
    warehouse.close()


def files_of(stages: Stages, **files: str) -> None:
    """Files of the stage STG, by name without suffix."""
    for name, content in files.items():
        (stages.folder("STG") / f"{name}.csv").write_text(content)


def loaded(sql: Sql, statement: str) -> list[str]:
    """Which files a COPY loaded."""
    return [row[0].removeprefix("stg/") for row in sql(statement) if len(row) > 1]


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_rows_are_numbered_within_their_file(sql: Sql, stages: Stages, kind: str) -> None:
    sizes = {"a": 3, "b": 1, "c": 2500}
    for name, size in sizes.items():
        file = stages.folder("STG") / f"{name}.{kind}"
        if kind == "parquet":
            pq.write_table(pa.table({"A": [str(index) for index in range(size)]}), file)
        else:
            shown = "{}\n" if kind == "csv" else '{{"A": {}}}\n'
            file.write_text("".join(shown.format(index) for index in range(size)))
    stages.formats["F"] = {"TYPE": kind}
    value = "$1" if kind == "csv" else "$1:A"
    found = sql(
        f"select metadata$filename, metadata$file_row_number, {value}::int "
        "from @stg (file_format => 'f') order by 1, 2"
    )
    assert found == [
        (f"stg/{name}.{kind}", index + 1, index)
        for name, size in sizes.items()
        for index in range(size)
    ]


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        (["alter table t rename to u", "alter table u rename to t"], []),
        (["alter table t rename to u", "create table t like u"], ["a.csv", "b.csv"]),
        (["create table u(x int)", "alter table t swap with u"], ["a.csv", "b.csv"]),
        (["create table u(x int)"] + ["alter table t swap with u"] * 2, []),
        (["alter table t add column y int", "alter table t drop column y"], []),
        (["comment on table t is 'c'"], []),
        (["delete from t"], []),
        (["truncate table t"], ["a.csv", "b.csv"]),
        (["create table u like t", "truncate table u"], []),
        (["create or replace table t clone t"], ["a.csv", "b.csv"]),
        (["drop table t", "create table t(x int)"], ["a.csv", "b.csv"]),
    ],
)
def test_a_file_is_loaded_once_into_a_table_whatever_its_name(
    sql: Sql, stages: Stages, changes: list[str], again: list[str]
) -> None:
    files_of(stages, a="1\n", b="2\n")
    sql("create table t(x int)")
    assert loaded(sql, "copy into t from @stg") == ["a.csv", "b.csv"]
    for change in changes:
        sql(change)
    assert loaded(sql, "copy into t from @stg") == again


@pytest.mark.parametrize("change", ["alter table t rename to u", "alter table t swap with u"])
def test_what_a_table_has_loaded_goes_with_it(sql: Sql, stages: Stages, change: str) -> None:
    files_of(stages, a="1\n")
    sql("create table t(x int)")
    if "swap" in change:
        sql("create table u(x int)")
    sql("copy into t from @stg")
    sql(change)
    assert loaded(sql, "copy into u from @stg") == []


def test_loads_of_the_same_files_at_once_load_them_once(sql: Sql, stages: Stages) -> None:
    files_of(stages, **{f"f{index}": "1\n" * 200 for index in range(5)})
    sql("create table t(x int)")

    def load(number: int) -> None:
        Sql(sql.warehouse, new_session(number))("copy into db.public.t from @stg")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(2, 6)))
    assert sql.value("select count(*) from t") == 1000


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_files_are_purged_when_their_rows_are_kept(
    sql: Sql, stages: Stages, end: str, autocommit: bool
) -> None:
    files_of(stages, a="1\n2\n")
    sql("create table t(x int)")
    if autocommit:
        sql("begin")
    else:
        sql.session.parameters["AUTOCOMMIT"] = False
    assert loaded(sql, "copy into t from @stg purge = true") == ["a.csv"]
    sql(end)
    kept = end == "commit"
    assert sql.value("select count(*) from t") == (2 if kept else 0)
    assert (stages.folder("STG") / "a.csv").exists() is not kept


def test_files_with_rows_that_were_not_loaded_are_not_purged(sql: Sql, stages: Stages) -> None:
    files_of(stages, a="1\nz\n", b="2\n", c="z\n")
    sql("create table t(x int)")
    sql("copy into t from @stg purge = true on_error = continue")
    assert sql("select x from t order by x") == [(1,), (2,)]
    assert sorted(file.name for file in stages.folder("STG").iterdir()) == ["a.csv", "c.csv"]


def test_a_file_that_was_replaced_after_it_was_loaded_is_not_purged(
    sql: Sql, stages: Stages
) -> None:
    files_of(stages, a="1\n")
    sql("create table t(x int)")
    sql("begin")
    sql("copy into t from @stg purge = true")
    files_of(stages, a="another\n")
    sql("commit")
    assert (stages.folder("STG") / "a.csv").read_text() == "another\n"


@pytest.mark.parametrize("single", ["", "single = true overwrite = true"])
def test_unloading_to_a_name_that_is_a_file_and_a_folder(
    sql: Sql, stages: Stages, single: str
) -> None:
    (stages.folder("STG") / "f").write_text("kept")
    (stages.folder("STG") / "d").mkdir()
    (stages.folder("STG") / "d" / "e").write_text("kept")
    with pytest.raises(InvalidArgument, match="a file and a folder at once"):
        sql(f"copy into @stg/{'d' if single else 'f/x'} from (select 1) {single}")
    assert (stages.folder("STG") / "f").read_text() == "kept"
    assert (stages.folder("STG") / "d" / "e").read_text() == "kept"


@pytest.mark.parametrize("content", ["1,2\n3\n", "1\n", "1,2\n3,4,5\n"])
@pytest.mark.parametrize("policy", ["", "on_error = continue", "on_error = skip_file"])
def test_lines_of_other_than_the_tables_columns_are_not_loaded(
    sql: Sql, stages: Stages, content: str, policy: str
) -> None:
    files_of(stages, a=content)
    sql("create table t(x int, y int)")
    copy = f"copy into t from @stg {policy}"
    if "skip" in policy:
        [row] = sql(copy)
        assert row[1] == "LOAD_FAILED"
        message = row[6]
    else:
        with pytest.raises(QueryFailed) as refused:
            sql(copy)
        message = refused.value.message
    assert "does not match that of the corresponding table (2)" in message
    assert str(stages.root) not in message
    assert sql("select * from t") == []


def test_lines_with_fewer_columns_are_loaded_where_the_format_says_so(
    sql: Sql, stages: Stages
) -> None:
    files_of(stages, a="1,2\n3\n")
    sql("create table t(x int, y int)")
    sql("copy into t from @stg file_format = (type = csv error_on_column_count_mismatch = false)")
    assert sql("select * from t order by x") == [(1, 2), (3, None)]
    assert sql("select $2 from @stg order by 1") == [("2",), (None,)]


def test_a_line_that_cannot_be_read_is_told_without_where_the_file_lies(
    sql: Sql, stages: Stages
) -> None:
    files_of(stages, a='1\n"2"3\n4\n')
    sql("create table t(x int)")
    quoted = """file_format = (type = csv field_optionally_enclosed_by = '"')"""
    with pytest.raises(QueryFailed, match="Line 2 of a file cannot be read") as refused:
        sql(f"copy into t from @stg {quoted}")
    assert str(stages.root) not in refused.value.message


@pytest.mark.parametrize(
    "option",
    [
        *("size_limit = 10", "truncatecolumns = true", "enforce_length = false"),
        *("return_failed_only = true", "validation_mode = return_errors"),
    ],
)
def test_options_of_loading_that_are_not_followed_are_refused(
    sql: Sql, stages: Stages, option: str
) -> None:
    files_of(stages, a="1\n")
    sql("create table t(x int)")
    with pytest.raises(Unsupported, match=option.split()[0].upper()):
        sql(f"copy into t from @stg {option}")
    assert sql("select * from t") == []


@pytest.mark.parametrize("rest", ["", "\n", "\n3\n4\n", "\n" * 500 + "5\n"])
@pytest.mark.parametrize("padded", ["", " error_on_column_count_mismatch = false"])
@pytest.mark.parametrize("source", ["@stg", "(select $1 from @stg)"])
def test_a_quote_that_nothing_ends_does_not_swallow_the_rest(
    sql: Sql, stages: Stages, rest: str, padded: str, source: str
) -> None:
    files_of(stages, a=f'1\n"2{rest}')
    sql("create table t(x varchar)")
    quoted = f"""file_format = (type = csv field_optionally_enclosed_by = '"'{padded})"""
    with pytest.raises(QueryFailed) as refused:
        sql(f"copy into t from {source} {quoted}")
    assert str(stages.root) not in refused.value.message
    assert sql("select * from t") == []


def test_values_over_several_lines_are_loaded_whole(sql: Sql, stages: Stages) -> None:
    lines = "".join(f'{index},"a\n""{index}""\n\n"\n' for index in range(20_000))
    files_of(stages, a=lines, b="x,y\n")
    sql("create table t(x varchar, y varchar)")
    sql("""copy into t from @stg file_format = (type = csv field_optionally_enclosed_by = '"')""")
    rows = sql("select x, y from t where x <> 'x'")
    assert sorted(rows) == sorted((f"{i}", f'a\n"{i}"\n\n') for i in range(20_000))


def test_a_file_is_loaded_once_also_when_the_home_moves(tmp_path: Path) -> None:
    def copy(home: Path) -> list[str]:
        stages = Stages(home / "stages")
        warehouse = Warehouse(Settings(home=home), hooks=Hooks(stages=stages))
        try:
            sql = Sql(warehouse, new_session())
            if not (home / "stages" / "STG").is_dir():
                warehouse.create_database("DB")
                sql("create table t (a int)")
                files_of(stages, a="1")
                (stages.folder("STG") / "deeper" / "still").mkdir(parents=True)
                (stages.folder("STG") / "deeper" / "still" / "b.csv").write_text("2")
            return loaded(sql, "copy into t from @stg")
        finally:
            warehouse.close()

    (tmp_path / "one").mkdir()
    assert copy(tmp_path / "one") == ["a.csv", "deeper/still/b.csv"]
    (tmp_path / "one").rename(tmp_path / "two")
    assert copy(tmp_path / "two") == []


def test_whole_paths_of_earlier_versions_are_known(tmp_path: Path) -> None:
    class Noted:
        def execute(self, statement: str) -> list[tuple[str, str]]:
            rows = [("/elsewhere/stages/STG/in/a.csv", "1-2.0")]
            return rows if statement.startswith("SELECT") else []

    def file(name: str, modified_on: float = 2.0) -> StagedFile:
        return StagedFile(tmp_path / "STG" / name, name, f"stg/{name}", 1, modified_on)

    table = Table(QualifiedName("DB", "S", "T"), Location("DB", "S", "T"), ())
    history = LoadHistory(cast("EngineConnection", Noted()), table)
    files = [file("in/a.csv"), file("in/a.csv", 3.0), file("a.csv")]
    assert history.new(files) == tuple(files[1:])
