"""COPY both ways, INFER_SCHEMA and reading staged files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nunatak.catalog.names import split_name
from nunatak.config import Settings
from nunatak.errors import (
    InvalidArgument,
    InvalidIdentifier,
    NunatakError,
    ObjectNotFound,
    QueryFailed,
    Unsupported,
)
from nunatak.stages.places import StagePlace
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.warehouse import Warehouse

from ..conftest import Sql, new_session


class Stages:
    """Stages as folders of their names; formats by name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.formats: dict[str, dict[str, Any]] = {}

    def folder(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def place(self, session: Session, location: str, *, write: bool) -> StagePlace:
        stage, _, path = location.removeprefix("@").partition("/")
        name = split_name(stage)[-1]
        if not (self.root / name).is_dir():
            raise ObjectNotFound("Stage", name)
        return StagePlace(folder=self.root / name, path=path, shown=name.lower())

    def file_format(self, session: Session, name: str) -> Mapping[str, Any]:
        return self.formats[split_name(name)[-1]]


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path / "stages")


@pytest.fixture
def sql(tmp_path: Path, stages: Stages) -> Iterator[Sql]:
    warehouse = Warehouse(Settings(home=tmp_path), hooks=Hooks(stages=stages))
    warehouse.create_database("DB")
    yield Sql(warehouse, new_session())
    warehouse.close()


def text(value: str) -> Binding:
    return Binding("TEXT", value)


def test_what_write_pandas_sends(sql: Sql, stages: Stages) -> None:
    frame = pa.table({"SL": [1.5, 2.5], "n": [1, None], "T": ["a", "ä"], "_ID": [0, 1]})
    pq.write_table(frame, stages.folder("STG") / "file0.txt")
    stages.formats["FF"] = {"TYPE": "PARQUET", "COMPRESSION": "auto", "USE_LOGICAL_TYPE": True}
    place, table = text('@"DB"."PUBLIC"."STG"'), text('"DB"."PUBLIC"."TMP"')
    assert sql(
        "SELECT COLUMN_NAME, TYPE FROM table(infer_schema(location=>?, file_format=>?))",
        place,
        text('"DB"."PUBLIC"."FF"'),
    ) == [("SL", "REAL"), ("n", "NUMBER(38, 0)"), ("T", "TEXT"), ("_ID", "NUMBER(38, 0)")]
    sql(
        'CREATE TEMP TABLE IF NOT EXISTS identifier(?) ("SL" REAL, "n" NUMBER(38, 0), "T" TEXT, '
        '"_ID" NUMBER(38, 0)) /* Python:write_pandas() */',
        table,
    )
    loaded = sql(
        'COPY INTO identifier(?) /* Python:write_pandas() */ ("SL", "n", "T", "_ID") FROM (SELECT '
        '$1:"SL"::REAL, $1:"n"::NUMBER(38, 0), $1:"T"::TEXT, $1:"_ID"::NUMBER(38, 0) '
        'FROM \'@"DB"."PUBLIC"."STG"\') FILE_FORMAT=(TYPE=PARQUET '
        "USE_VECTORIZED_SCANNER=False COMPRESSION=auto BINARY_AS_TEXT=FALSE "
        "USE_LOGICAL_TYPE = TRUE) PURGE=TRUE ON_ERROR=?",
        table,
        text("abort_statement"),
    )
    assert loaded == [("stg/file0.txt", "LOADED", 2, 2, 1, 0, None, None, None, None)]
    assert sql("select * from tmp order by _id") == [(1.5, 1, "a", 0), (2.5, None, "ä", 1)]
    assert not list(stages.folder("STG").iterdir())


CSV = 'id|name|on\n1|"a|b"|2020-01-02\n2||\n'


def test_csv_with_options(sql: Sql, stages: Stages) -> None:
    (stages.folder("STG") / "x.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (stages.folder("STG") / "y.txt").write_text("no csv")
    sql("create table t(id int, name varchar, day date)")
    options = (
        "file_format = (type = csv field_delimiter = '|' skip_header = 1 "
        "field_optionally_enclosed_by = '\"') pattern = '.*[.]csv[.]gz'"
    )
    assert sql(f"copy into t from @stg {options}")[0][1:4] == ("LOADED", 2, 2)
    assert [row[0:2] for row in sql("select * from t order by id")] == [(1, "a|b"), (2, None)]
    assert sql(f"copy into t from @stg {options}") == [("Copy executed with 0 files processed.",)]
    assert sql(f"copy into t from @stg {options} force = true")[0][3] == 2
    sql("create or replace table t(id int, name varchar, day date)")
    assert sql(f"copy into t from @stg {options}")[0][3] == 2


def test_columns_by_name(sql: Sql, stages: Stages) -> None:
    (stages.folder("STG") / "x.csv").write_text(CSV)
    sql('create table t(name varchar, "ON" date, other int, id int)')
    sql(
        "copy into t from @stg/x.csv file_format = (type = csv parse_header = true "
        "field_delimiter = '|' field_optionally_enclosed_by = '\"') "
        "match_by_column_name = case_insensitive"
    )
    assert sql("select id, name, other from t order by id") == [(1, "a|b", None), (2, None, None)]


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_columns_by_name_with_and_without_case(sql: Sql, stages: Stages, kind: str) -> None:
    path = stages.folder("STG") / f"x.{kind}"
    match kind:
        case "csv":
            path.write_text("id,Name\n7,x\n")
        case "json":
            path.write_text('{"id": 7, "Name": "x"}')
        case _:
            pq.write_table(pa.table({"id": [7], "Name": ["x"]}), path)
    copy = f"copy into t from @stg file_format = (type = {kind} parse_header = true) force = true "
    sql('create table t("id" int, name varchar)')
    sql(f"{copy} match_by_column_name = case_sensitive")
    sql(f"{copy} match_by_column_name = case_insensitive")
    assert sql('select "id", name from t order by name') == [(7, "x"), (7, None)]
    with pytest.raises(InvalidArgument, match="MATCH_BY_COLUMN_NAME"):
        sql(f"{copy} match_by_column_name = sensitive")
    with pytest.raises(InvalidIdentifier):
        sql("copy into t(id) from @stg file_format = (type = json)")


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_columns_of_files_that_differ_only_in_case(sql: Sql, stages: Stages, kind: str) -> None:
    path = stages.folder("STG") / f"x.{kind}"
    match kind:
        case "csv":
            path.write_text("id,ID,b\n7,8,9\n")
        case "json":
            path.write_text('{"id": 7, "ID": 8, "b": 9}')
        case _:
            pq.write_table(pa.table({"id": [7], "ID": [8], "b": [9]}), path)
    copy = f"copy into t from @stg file_format = (type = {kind} parse_header = true) force = true "
    sql("create table t(b int, id int)")
    with pytest.raises((InvalidArgument, Unsupported), match=r"'id'|only in case"):
        sql(f"{copy} match_by_column_name = case_insensitive")
    stages.formats["P"] = {"TYPE": "PARQUET"}
    if kind == "parquet":
        for text in (copy + "match_by_column_name = case_sensitive", "select $1:ID from @stg"):
            with pytest.raises(Unsupported, match="only in case"):
                sql(text.replace("@stg", "@stg (file_format => 'p')") if "select" in text else text)
        return
    sql(f"{copy} match_by_column_name = case_sensitive")
    assert sql("select b, id from t") == [(None, 8)]
    sql("create or replace table t(b int)")
    sql(f"{copy} match_by_column_name = case_insensitive")
    assert sql("select b from t") == [(9,)]


def test_json_documents(sql: Sql, stages: Stages) -> None:
    (stages.folder("STG") / "x.json").write_text('{"a": 1, "b": {"c": "q"}}\n{"a": 2}\n')
    sql("create table v(doc variant)")
    sql("copy into v from @stg file_format = (type = json)")
    assert sql("select doc:a::int, doc:b.c::string from v order by 1") == [(1, "q"), (2, None)]
    sql("create table t(b variant, a int)")
    sql("copy into t from @stg file_format = (type = json) match_by_column_name = case_insensitive")
    assert sql("select a, b:c::string from t order by a") == [(1, "q"), (2, None)]


def test_selecting_from_a_stage(sql: Sql, stages: Stages) -> None:
    (stages.folder("STG") / "p").mkdir()
    (stages.folder("STG") / "p" / "x.csv").write_text("1,a\n2,b\n")
    assert sql("select t.$2, $1::int + 1, metadata$filename from @stg/p t order by 2") == [
        ("a", 2, "stg/p/x.csv"),
        ("b", 3, "stg/p/x.csv"),
    ]
    stages.formats["J"] = {"TYPE": "JSON", "STRIP_OUTER_ARRAY": True}
    (stages.folder("JS") / "x.json").write_text('[{"a": 1}, {"a": 2}]')
    assert sql("select $1:a::int from @js (file_format => 'j') order by 1") == [(1,), (2,)]


def test_rows_that_cannot_be_loaded(sql: Sql, stages: Stages) -> None:
    (stages.folder("STG") / "a.csv").write_text("1,x\nz,y\n3,z\n")
    (stages.folder("STG") / "b.csv").write_text("4,x\n")
    sql("create table t(i int, s varchar)")
    with pytest.raises(QueryFailed, match="Numeric value 'z' is not recognized"):
        sql("copy into t from @stg")
    assert sql.value("select count(*) from t") == 0
    rows = sql("copy into t from @stg on_error = 'skip_file'")
    assert [(row[0], row[1], row[3], row[5]) for row in rows] == [
        ("stg/a.csv", "LOAD_FAILED", 0, 1),
        ("stg/b.csv", "LOADED", 1, 0),
    ]
    assert "'z' of column I" in rows[0][6]
    [row] = sql("copy into t from @stg on_error = continue")
    assert row[:6] == ("stg/a.csv", "PARTIALLY_LOADED", 3, 2, 1, 1)
    assert sql("select i from t order by i") == [(1,), (3,), (4,)]


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_unloading_and_loading_again(sql: Sql, stages: Stages, kind: str) -> None:
    stages.folder("STG")
    sql("create table t as select 1 as a, 'x,\"y' as b union all select 2, null")
    options = f"file_format = (type = {kind} field_optionally_enclosed_by = '\"')"
    [(rows, _, size)] = sql(f"copy into @stg/out/ from t {options} header = true")
    [file] = [path for path in stages.folder("STG").rglob("*") if path.is_file()]
    assert (rows, size) == (2, file.stat().st_size)
    assert file.relative_to(stages.folder("STG")).as_posix().startswith("out/data_0_0_0.")
    sql("create table u like t")
    sql(
        f"copy into u from @stg/out file_format = (type = {kind} parse_header = true "
        "field_optionally_enclosed_by = '\"') match_by_column_name = case_insensitive"
    )
    assert sql("select * from u order by a") == [(1, 'x,"y'), (2, None)]
    with pytest.raises(InvalidArgument, match="already existing"):
        sql(f"copy into @stg/out/ from t {options}")
    sql(f"copy into @stg/out/ from (select a from t) {options} overwrite = true")


def test_unloading_by_partition(sql: Sql, stages: Stages) -> None:
    stages.folder("STG")
    sql(
        "copy into @stg/p from (select column1 as a from values (1), (2), (3)) "
        "partition by ('k=' || (a % 2)) file_format = (type = parquet) header = true"
    )
    names = {
        path.relative_to(stages.folder("STG")).parent.as_posix()
        for path in stages.folder("STG").rglob("*.parquet")
    }
    assert names == {"p/k=0", "p/k=1"}


def test_unloading_to_one_file(sql: Sql, stages: Stages) -> None:
    stages.folder("STG")
    sql(
        "copy into @stg/one.csv from (select 1 as a) single = true header = true "
        "file_format = (type = csv compression = none)"
    )
    assert (stages.folder("STG") / "one.csv").read_text() == "A\n1\n"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("copy into t from @nope", ObjectNotFound),
        ("copy into nope from @stg", ObjectNotFound),
        ("copy into t from 's3://bucket/x'", Unsupported),
        ("copy into t from @stg file_format = (type = orc)", Unsupported),
        ("copy into t from @stg files = ('nope.csv')", InvalidArgument),
        ("copy into t from @stg on_error = maybe", InvalidArgument),
        ("copy into t from @stg no_such_option = 1", InvalidArgument),
        ("copy into @stg/../x from t", InvalidArgument),
        ("select $1 from @stg/none", InvalidArgument),
    ],
)
def test_refusals(sql: Sql, stages: Stages, statement: str, error: type[NunatakError]) -> None:
    (stages.folder("STG") / "a.csv").write_text("1\n")
    sql("create table t(i int)")
    with pytest.raises(error):
        sql(statement)


def test_links_out_of_a_stage_are_no_files(sql: Sql, stages: Stages, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("1\n")
    (stages.folder("STG") / "link.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(InvalidArgument, match="no files"):
        sql("select $1 from @stg")


def test_documents_are_unloaded_as_they_are(sql: Sql, stages: Stages) -> None:
    place = stages.folder("STG")
    sql("create table d as select parse_json(column1) v from values (?)", text('{"a": "x\\n,"}'))
    sql("copy into @stg/d from (select v from d) file_format = (type = json)")
    [file] = place.iterdir()
    assert json.loads(gzip.decompress(file.read_bytes())) == {"a": "x\n,"}


FIRST = {"a": 1, "l": [{"x": 1}, {"y": None}, None, {}], "m": [("k", {"p": 1, "q": None})]}
NESTED: list[tuple[Any, Any]] = [
    (FIRST, [1, None]),
    ({"b": {"c": None, "d": "t"}, "l": [], "a b": 1.5}, None),
]
NESTED += [({}, [3]), (None, [])]
STRUCT = pa.struct(
    {
        "a": pa.int64(),
        "b": pa.struct({"c": pa.int64(), "d": pa.string()}),
        "a b": pa.float64(),
        "l": pa.list_(pa.struct({"x": pa.int64(), "y": pa.string()})),
        "m": pa.map_(pa.string(), pa.struct({"p": pa.int64(), "q": pa.int64()})),
    }
)
DOCUMENTS = [
    {"a": 1, "l": [{"x": 1}, {}, None, {}], "m": {"k": {"p": 1}}},
    {"b": {"d": "t"}, "l": [], "a b": 1.5},
    {},
    None,
]


@pytest.fixture
def nested(sql: Sql, stages: Stages) -> Sql:
    """Structs and lists in a Parquet file; a struct's members are those of all rows."""
    arrays = [
        pa.array(list(range(4))),
        pa.array([row[0] for row in NESTED], STRUCT),
        pa.array([row[1] for row in NESTED], pa.list_(pa.int64())),
    ]
    pq.write_table(pa.table(arrays, ["id", "d", "l"]), stages.folder("STG") / "x.parquet")
    sql("create table t(id int, d variant, l array)")
    return sql


def _documents(sql: Sql, text: str) -> list[Any]:
    return [None if value is None else json.loads(value) for (value,) in sql(text)]


@pytest.mark.parametrize(
    "copy",
    [
        "copy into t from @stg match_by_column_name = case_insensitive",
        "copy into t from (select $1:id::int, $1:d::variant, $1:l::array from @stg)",
        "copy into t from (select $1:id, $1:d, $1:l from @stg)",
        "insert into t select $1:id::int, $1:d, $1:l from @stg (file_format => ff)",
    ],
)
def test_null_members_of_structs_are_no_members(nested: Sql, stages: Stages, copy: str) -> None:
    stages.formats["FF"] = {"TYPE": "PARQUET"}
    form = " file_format = (type = parquet)" if copy.startswith("copy") else ""
    nested(copy + form)
    assert _documents(nested, "select d from t order by id") == DOCUMENTS
    assert _documents(nested, "select l from t order by id") == [[1, None], None, [3], []]
    assert nested("select d:b:c is null, d:b:d::varchar, d:l[0]:x from t where id = 1") == [
        (True, "t", None)
    ]


def test_null_members_of_a_whole_row_are_no_members(nested: Sql, stages: Stages) -> None:
    stages.formats["FF"] = {"TYPE": "PARQUET"}
    rows = _documents(nested, "select $1 from @stg (file_format => ff) order by $1:id::int")
    assert rows[0] == {"id": 0, "d": DOCUMENTS[0], "l": [1, None]}
    assert rows[1] == {"id": 1, "d": DOCUMENTS[1]}
    assert rows[3] == {"id": 3, "l": []}


def test_nulls_that_a_json_file_says_stay(sql: Sql, stages: Stages) -> None:
    (stages.folder("STG") / "x.json").write_text('{"d": {"a": null, "b": [null, {"c": null}]}}')
    sql("create table t(d variant)")
    sql("copy into t from (select $1:d from @stg) file_format = (type = json)")
    assert _documents(sql, "select d from t") == [{"a": None, "b": [None, {"c": None}]}]


def test_moments_with_zones_in_nanoseconds(sql: Sql, stages: Stages) -> None:
    moment = pa.array([1_000], pa.timestamp("ns", tz="UTC"))
    nested = pa.StructArray.from_arrays([moment, pa.array(["x"])], ["at", "b"])
    table = pa.table({"t": moment, "s": nested})
    pq.write_table(table, stages.folder("STG") / "x.parquet")
    stages.formats["FF"] = {"TYPE": "PARQUET"}
    rows = sql("select $1:t is null, $1:s:b::varchar, $1:s:at is null "
               "from @stg (file_format => ff)")  # fmt: skip
    assert rows == [(False, "x", False)]


@pytest.mark.parametrize("policy", ["ABORT_STATEMENT", "CONTINUE"])
def test_text_in_files_is_read_as_in_casts(sql: Sql, stages: Stages, policy: str) -> None:
    lines = ["03/05/2016,05-Mar-2016 10:00:00,1.5,00ff", "2016-03-05,1457172000,2,00FF"]
    (stages.folder("STG") / "in.csv").write_text("\n".join(lines))
    sql("create table t(d date, s timestamp_ntz, n number(5, 1), b binary)")
    sql(f"copy into t from @stg file_format = (type = csv) on_error = {policy}")
    assert sql("select d::varchar, s::varchar, n::varchar, b from t order by n") == [
        ("2016-03-05", "2016-03-05 10:00:00.000", "1.5", b"\x00\xff"),
        ("2016-03-05", "2016-03-05 10:00:00.000", "2.0", b"\x00\xff"),
    ]


def test_what_is_no_number_in_a_file_is_an_error(sql: Sql, stages: Stages) -> None:
    (stages.folder("STG") / "in.csv").write_text("1_000\n2\n")
    sql("create table t(n int)")
    with pytest.raises(NunatakError, match="1_000"):
        sql("copy into t from @stg file_format = (type = csv)")
    sql("copy into t from @stg file_format = (type = csv) on_error = continue")
    assert sql("select n from t") == [(2,)]


ALIKE = {
    "columns": [{"a": [1], "A": [2]}],
    "columns of two files": [{"a": [1]}, {"A": [2]}],
    "members": [{"d": [{"a": 1, "A": 2}]}],
    "members of two files": [{"d": [{"a": 1}]}, {"d": [{"A": 2}]}],
    "members of members": [{"d": [{"s": {"a": 1, "A": 2}}]}],
    "members in lists": [{"d": [[{"a": 1, "A": 2}]]}],
    "members in lists of two files": [{"d": [[[{"a": 1}]]]}, {"d": [[[{"A": 2}]]]}],
}


@pytest.mark.parametrize("tables", ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize(
    "read",
    [
        "select $1 from @stg (file_format => ff)",
        "select $1:a from @stg (file_format => ff)",
        "copy into t from (select $1:a from @stg) file_format = (type = parquet)",
        "copy into t from @stg file_format = (type = parquet)",
        "select * from table(infer_schema(location => '@stg', file_format => 'ff'))",
    ],
)
def test_names_in_parquet_files_that_differ_only_in_case_are_refused(
    sql: Sql, stages: Stages, tables: list[dict[str, Any]], read: str
) -> None:
    stages.formats["FF"] = {"TYPE": "PARQUET"}
    for number, table in enumerate(tables):
        pq.write_table(pa.table(table), stages.folder("STG") / f"{number}.parquet")
    sql("create table t(v variant)")
    with pytest.raises(Unsupported, match="differ only in case"):
        sql(read)
    assert sql("select * from t") == []


def test_parquet_files_of_other_columns_are_read_together(sql: Sql, stages: Stages) -> None:
    stages.formats["FF"] = {"TYPE": "PARQUET"}
    tables: list[dict[str, Any]] = [
        {"a": [1], "n": [{"p": 1, "a_1": 2}]},
        {"a": [2], "n": [{"r": 5}], "b": ["x"]},
        {"b": ["y"]},
    ]
    for number, table in enumerate(tables):
        pq.write_table(pa.table(table), stages.folder("STG") / f"{number}.parquet")
    rows = _documents(sql, "select $1 from @stg (file_format => ff) order by metadata$filename")
    assert rows == [
        {"a": 1, "n": {"p": 1, "a_1": 2}},
        {"a": 2, "n": {"r": 5}, "b": "x"},
        {"b": "y"},
    ]
    for number, copy in enumerate(
        (
            "copy into t{0} from @stg match_by_column_name = case_insensitive",
            "copy into t{0} from (select $1:a, $1:n, $1:b from @stg)",
        )
    ):
        sql(f"create table t{number}(a int, n variant, b varchar)")
        sql(copy.format(number) + " file_format = (type = parquet)")
        assert sql(f"select a, n:r::int, b from t{number} order by a") == [
            (1, None, None),
            (2, 5, "x"),
            (None, None, "y"),
        ]
