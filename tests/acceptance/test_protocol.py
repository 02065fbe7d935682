"""The protocol against a real server: logins, results and files as official clients see them."""

from __future__ import annotations

import pytest

from support.server import CONNECTOR_5, Client

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("generation", [CONNECTOR_5, 2])
def test_credentials_made_by_sql_log_in(client: Client, generation: int) -> None:
    found = client("protocol_logins", generation=generation)

    for way in ("password", "key pair", "access token", "in place of the password"):
        assert found[way] == ["ADA", "SYSADMIN"], way
    assert found["wrong"] == found["unknown"] == [390100, "28000"]
    assert found["role"] == [390189, "08001"]
    assert found["another's token"] == [390100, "28000"]
    assert found["revoked"][0] == 390111
    missing, not_held, unknown = [3001, "42501"], [3013, "42501"], [2043, "02000"]
    assert found["by token"] == [None, None, not_held, unknown, missing, missing]
    assert found["privilege"] == [3001, "42501"]
    assert found["dropped"][0] == 390111
    assert found["valid"] is True


def test_results_are_the_same_in_every_format_and_size(client: Client) -> None:
    found = client("protocol_results")

    assert found["arrow"] == found["json"] == found["frame"]
    assert found["arrow"][1] == "1234567890123456789"
    assert found["arrow"][10] == "2024-07-01 01:04:05+00:00"
    assert (found["none"], found["none_columns"]) == ([], ["A"])
    assert found["many"] == [400_000, sum(range(400_000)), 400_000]
    assert found["batches"] > 1
    assert found["running"] is True
    assert found["waited"] == found["scanned"] == [["waited 1 seconds"]]
    assert found["several"] == [[[1]], [[2]]]
    assert found["cancelled"] == [604, "57014"]
    assert found["schema"] == ["LongType()", "LongType()", "DecimalType(10, 2)", "DoubleType()"]
    assert found["rows"] == [[1, "x"], [2, None]]
    assert (found["job"], found["pages"]) == ([[7]], 250_000)


def test_the_connector_alone_reads_and_writes_everything(client: Client) -> None:
    found = client("protocol_connector", generation=CONNECTOR_5)

    assert found["arrow"] == found["json"] == found["frame"]
    assert found["arrow"][1] == "1234567890123456789"
    assert found["described"] == [type_code for _, type_code in found["columns"]]
    assert found["many"] == [400_000, sum(range(400_000)), 400_000]
    assert found["bound"][:3] == ["1", "x", "None"]
    assert found["array"] == [[[1000]], [[1000, sum(range(1000))]]]
    assert found["statuses"] == ["SUCCESS", "FAILED_WITH_ERROR", "ABORTED"]
    assert found["waited"] == [["waited 1 seconds"]]
    assert found["several"] == [[[1]], [[2]]]
    assert found["errors"] == [[2003, "02000"], [1003, "42000"]]
    assert found["put"] == [["a.csv", "UPLOADED"], ["b.csv", "UPLOADED"], ["empty.csv", "UPLOADED"]]
    assert found["again"] == ["SKIPPED"] * 3
    assert found["overwritten"] == ["UPLOADED"] * 3
    assert found["list"] == ["st/gz/a.csv.gz", *(f"st/plain/{n}.csv" for n in ("a", "b", "empty"))]
    assert (found["got"], found["same"]) == (3, True)
    assert (found["write_pandas"], found["read"]) == (2, [[1, "x"], [2, None]])


def test_files_go_up_and_come_down(client: Client) -> None:
    found = client("protocol_files")

    names = ["a.csv", "b.csv", "empty.csv"]
    assert found["put"] == [[name, "UPLOADED"] for name in names]
    assert found["gzip"] == "a.csv.gz"
    assert [name for name, _ in found["list"]] == [
        "st/gz/a.csv.gz", *(f"st/plain/{name}" for name in names),
    ]  # fmt: skip
    assert (found["got"], found["same"]) == (3, True)
    assert (found["write_pandas"], found["read"]) == (2, [[1, "x"], [2, None]])
    assert found["stream"] == "streamed"
    assert found["left"] == ["st/gz/a.csv.gz", "st/s.bin"]
