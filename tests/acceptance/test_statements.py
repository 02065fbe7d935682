"""What a person types around models, and Snowpark's data frames, against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.server import Client

pytestmark = pytest.mark.acceptance

UNSUPPORTED = 2


@pytest.mark.timeout(300)
def test_statements_around_models(client: Client, tmp_path: Path) -> None:
    found = client("connector_statements", str(tmp_path))
    _check_definitions(found["definitions"])
    _check_files(found["files"])
    _check_sessions(found["sessions"])

    assert found["once"] == [1, 1]
    assert [code for code, _ in found["unsupported"]] == [UNSUPPORTED] * 7
    named = ("TASK", "STREAM", "DYNAMIC TABLE", "EXTERNAL TABLE", "PROCEDURE", "PIPES", "UNDROP")
    assert all(word in text for word, (_, text) in zip(named, found["unsupported"], strict=True))
    codes = [2003, 904, 1003, 2002, 2003, 2043, 2003]
    assert [code for code, _ in found["wrong"]] == codes


def _check_definitions(found: dict[str, object]) -> None:
    assert found["path"] == [[1, 2, "x"], [2, None, None]]
    assert found["flatten"] == [[0, 1], [1, 2], [2, 3]]
    assert (found["next"], found["sequences"]) == ([[5]], [["SEQ", 7, 2, "odd"]])
    kinds = {"LOCAL_ONE": "TEMPORARY", "TEMPORARY_ONE": "TEMPORARY", "TRANSIENT_ONE": "TRANSIENT"}
    names = sorted({*kinds, "ALIKE", "CLONED", "RENAMED", "T"})
    assert found["tables"] == [[name, kinds.get(name, "TABLE"), "ACCOUNTADMIN"] for name in names]
    assert found["limited"] == [["TEMPORARY_ONE"]]
    assert found["terse"] == ["created_on", "name", "kind", "database_name", "schema_name"]
    assert found["views"] == [["SCOPED_VIEW", ""], ["V", "view"]]
    assert found["objects"] == len(names) + 2
    assert found["columns"] == [
        ["ID", "NOT_NULL", ""],
        ["NAME", "NOT_NULL", "n"],
        ["AMOUNT", "true", ""],
        ["V", "true", ""],
    ]
    assert (found["keys"], found["foreign"]) == ([["ID", 1]], [[], [], []])
    assert (found["schemas"], found["database"]) == ([["S", "a schema"]], [["a database"]])
    assert found["described"] == [
        ["ID", "NUMBER(38,0)", "COLUMN", "N"],
        ["NAME", "VARCHAR(20)", "COLUMN", "N"],
        ["AMOUNT", "NUMBER(10,2)", "COLUMN", "Y"],
        ["V", "VARIANT", "COLUMN", "Y"],
    ]
    assert found["view"] == [["A", "NUMBER(38,0)"], ["B", "VARCHAR(20)"]]
    assert found["in schema"] == [["T", "TABLE"], ["V", "VIEW"]]
    assert found["in database"] == [["PUBLIC", "SCHEMA"], ["S", "SCHEMA"]]
    assert found["region"] == ["LOCAL"]
    assert found["information"] == [
        ["T", "BASE TABLE"],
        ["TEMPORARY_ONE", "LOCAL TEMPORARY"],
        ["V", "VIEW"],
    ]
    assert found["packages"] == 2


def _check_files(found: dict[str, object]) -> None:
    assert found["put"] == found["got"] == ["a.csv", "b.csv"]
    assert found["list"] == ["st/in/a.csv", "st/in/b.csv"]
    assert found["pattern"] == ["st/in/b.csv"]
    assert found["copied"] == [["st/in/a.csv", "LOADED", 2, 2], ["st/in/b.csv", "LOADED", 1, 1]]
    assert found["again"] == [["Copy executed with 0 files processed."]]
    assert found["table stage"] == ["loaded/a.csv.gz", "LOADED"]
    assert found["loaded"] == [[1, "x"], [1, "x"], [2, "y"], [2, "y"], [3, "z"]]
    assert found["staged"] == [["z", "st/in/b.csv"]]
    assert (found["json"], found["documents"]) == ("LOADED", [[1, 2], [3, None]])
    assert found["unloaded"] == found["documents out"] == 5
    assert found["documents back"] == [[1], [1], [2], [2], [3]]
    assert found["inferred"] == [["A", "NUMBER(38, 0)"], ["B", "TEXT"]]
    assert found["templated"] == [["A", "NUMBER(38,0)"], ["B", "VARCHAR(16777216)"]]
    assert found["stages"] == [["ST", "d"]]
    assert found["formats"] == [["FF", "CSV"], ["FP", "PARQUET"], ["JSON_ONE", "JSON"]]
    assert found["removed"] == ["st/in/a.csv"]


def _check_sessions(found: dict[str, object]) -> None:
    assert (found["variables"], found["identifier"]) == ([[6, "KEPT"]], [[3]])
    assert found["parameter"] == [["tagged", "SESSION"]]
    assert (found["flow"], found["scan"]) == ([["KEPT", 3]], [[3]])
    assert found["merge"] == [[1, 1]]
    assert found["kept"] == [[1, "x"], [2, "y"], [3, "z"], [4, "w"], [5, "v"]]
    assert found["string"] == [[[1]], [["a;b"]], [[3]]]
    assert found["now"] == 3
    assert found["described"] == [["A", 0], ["B", 2]]


@pytest.mark.timeout(300)
def test_data_frames_of_snowpark(client: Client) -> None:
    found = client("snowpark_frames")

    types = found["types"]
    assert len(types["equal"]) == 11
    assert types["binary"] == "00ff"
    assert types["nested"] == [{"a": [1]}, [1, "b", None], {"k": 1}]
    assert types["nulls"]
    assert types["pandas nulls"]
    assert types["schema"][:4] == ["LongType", "DecimalType", "DoubleType", "StringType"]
    assert types["schema"][-3:] == ["VariantType", "ArrayType", "MapType"]
    assert types["pandas"] == ["datetime64[ns]", "object", "object"]

    assert found["pandas"] == {
        "same": True,
        "names": ["A", '"b c"', "D", "E"],
        "written": [1, 2],
        "moment": "2024-01-01T00:00:00+00:00",
        "batches": 300_000,
        "iterated": 1_000,
    }
    work = found["work"]
    assert work["grouped"] == [[1, 10], [2, 40]]
    assert (work["ranked"], work["distinct"], work["range"]) == (2, 3, [1, 4, 7])
    assert (work["updated"], work["deleted"], work["merged"]) == (1, 1, [0, 3])
    assert (work["cached"], work["view"], work["filled"], work["split"]) == (3, 2, 3, 100)
    assert (work["bound"], work["shown"]) == ([[1, "x", None]], "TRANSIENT")
    assert found["files"] == {
        "parquet": [1, 2],
        "csv": [[1, "a"], [2, "b"]],
        "json": {"a": 1},
        "copied": "LOADED",
        "loaded": 2,
    }
    assert found["later"] == {"result": 7, "done": True, "pandas": 8, "again": 7}


@pytest.mark.timeout(300)
def test_names_that_differ_only_in_case(client: Client) -> None:
    found = client("exact_names")

    appended = found["refused"].pop("append")  # Snowpark finds one by SHOW … LIKE, without case
    assert appended == "does not exist"
    assert set(found["refused"].values()) == {"only in case"}
    assert found["columns"] == ['"id"', '"Width"']
    assert found["rows"] == [[1, 0.5], [2, 1.5]]
    assert found["renamed"] == [[1.0, 1], [3.0, 2]]
    assert found["joined"] == 2
    assert found["wrong"] == "invalid identifier"
    assert found["left"] == ["iris"]
