"""What the official connector sees of the protocol, with a stand-in SQL front end."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Client, Server

pytestmark = pytest.mark.process


def test_a_statement_is_answered_with_a_hexadecimal_id(client: Client) -> None:
    rows, query_id, names = client(
        """
        connection = connect()
        cursor = connection.cursor().execute("select 1")
        names = [connection.database, connection.schema, connection.warehouse, connection.role]
        answer([cursor.fetchall(), cursor.sfqid, names])
        """
    )

    assert rows == [[1]]
    int(query_id.replace("-", ""), 16)
    assert names == ["NUNATAK", "PUBLIC", "COMPUTE_WH", "ACCOUNTADMIN"]


def test_every_type_is_the_same_in_arrow_json_and_data_frames(client: Client) -> None:
    arrow, json_rows, frame = client(
        """
        import datetime
        def plain(row):
            return [bytes(v) if isinstance(v, bytearray) else
                    v.astimezone(datetime.timezone.utc) if getattr(v, "tzinfo", None) else v
                    for v in row]
        cursor = connect().cursor()
        arrow = plain(cursor.execute("select types").fetchone())
        frame = plain(cursor.execute("select types").fetch_pandas_all().iloc[0].tolist())
        cursor.execute("alter session set PYTHON_CONNECTOR_QUERY_RESULT_FORMAT = 'JSON'")
        answer([arrow, plain(cursor.execute("select types").fetchone()), frame])
        """
    )

    assert arrow == json_rows
    assert [str(value).replace("[0.5 1. ]", "[0.5, 1.0]") for value in frame] == [
        str(float(value) if index in (0, 2) else value) for index, value in enumerate(arrow)
    ]


def test_nulls_and_empty_results_reach_the_client(client: Client) -> None:
    nulls, rows, count, columns = client(
        """
        cursor = connect().cursor()
        nulls = cursor.execute("select types").fetchall()[1]
        rows = cursor.execute("select rows 0").fetchall()
        frame = cursor.execute("select rows 0").fetch_pandas_all()
        answer([nulls, rows, cursor.rowcount, list(frame.columns)])
        """
    )

    assert set(nulls) == {None}
    assert (rows, count, columns) == ([], 0, ["N", "T"])


@pytest.mark.parametrize("form", ["ARROW", "JSON"])
def test_large_results_travel_in_chunks(client: Client, form: str) -> None:
    count, total, last, batches = client(
        f"""
        cursor = connect().cursor()
        cursor.execute("alter session set PYTHON_CONNECTOR_QUERY_RESULT_FORMAT = '{form}'")
        rows = cursor.execute("select rows 250000").fetchall()
        answer([len(rows), sum(n for n, _ in rows), rows[-1], len(cursor.get_result_batches())])
        """
    )

    assert (count, total) == (250_000, sum(range(250_000)))
    assert last == [249_999, "row 249999"]
    assert batches >= 3


def test_affected_rows_are_counted(client: Client) -> None:
    assert client("answer(connect().cursor().execute('insert').rowcount)") == 2


def test_errors_carry_the_vendors_codes(client: Client) -> None:
    missing, syntax, crash, mismatch = client(
        """
        cursor = connect().cursor()
        texts = ["select missing", "select (", "select crash", "select 1; select 1"]
        answer([failure(lambda: cursor.execute(text)) for text in texts])
        """
    )

    assert missing[:2] == [2003, "02000"]
    assert "does not exist or not authorized" in missing[2]
    assert syntax[:2] == [1003, "42000"]
    assert crash[:2] == [300002, "XX000"]
    assert "incident" in crash[2]
    assert "stand-in breaks" not in crash[2]
    assert mismatch[:2] == [8, "0A000"]


def test_a_slow_statement_is_waited_for(client: Client) -> None:
    assert client("answer(connect().cursor().execute('select sleep 2.2').fetchall())") == [[2.2]]


def test_a_statement_is_cancelled(client: Client) -> None:
    code, state, _ = client(
        "answer(failure(lambda: connect().cursor().execute('select sleep 100', timeout=1)))"
    )

    assert (code, state) == (604, "57014")


def test_context_follows_the_statements(client: Client) -> None:
    schema, row = client(
        """
        connection = connect()
        connection.cursor().execute("use schema other")
        row = connection.cursor().execute("select context").fetchone()
        answer([connection.schema, row])
        """
    )

    assert schema == "OTHER"
    assert row == ["ADMIN", "ACCOUNTADMIN", "OTHER"]


def test_several_statements_in_one_request(client: Client) -> None:
    assert client(
        """
        cursor = connect().cursor()
        cursor.execute("select 1; insert; select 1", num_statements=3)
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        answer(found)
        """
    ) == [[[1]], [[2]], [[1]]]


def test_an_asynchronous_statement_is_watched_and_read(client: Client) -> None:
    before, after, rows, scanned = client(
        """
        connection = connect()
        cursor = connection.cursor()
        cursor.execute_async("select sleep 1.5")
        query_id = cursor.sfqid
        before = connection.get_query_status(query_id).name
        cursor.get_results_from_sfqid(query_id)
        rows = cursor.fetchall()
        after = connection.get_query_status(query_id).name
        scanned = cursor.execute(f"select * from table(result_scan('{query_id}'))").fetchall()
        answer([before, after, rows, scanned])
        """
    )

    assert (before, after) == ("RUNNING", "SUCCESS")
    assert rows == scanned == [[1.5]]


def test_a_failed_asynchronous_statement_tells_why(client: Client) -> None:
    status, error = client(
        """
        import time
        connection = connect()
        cursor = connection.cursor()
        cursor.execute_async("select missing")
        while connection.is_still_running(connection.get_query_status(cursor.sfqid)):
            time.sleep(0.05)
        error = failure(lambda: connection.get_query_status_throw_if_error(cursor.sfqid))
        answer([connection.get_query_status(cursor.sfqid).name, error])
        """
    )

    assert status == "FAILED_WITH_ERROR"
    assert error[0] == 2003


def test_bound_values_arrive_typed(client: Client) -> None:
    rows = client(
        """
        import datetime
        snowflake.connector.paramstyle = "qmark"
        values = (1, "x", None, 1.5, True, b"a", datetime.date(2024, 1, 1))
        answer(connect().cursor().execute("select bound", values).fetchall())
        """
    )

    assert [kind for kind, _ in rows] == [
        "FIXED", "TEXT", "ANY", "REAL", "BOOLEAN", "BINARY", "DATE",
    ]  # fmt: skip
    assert rows[5][1] == "61"
    assert rows[6][1] == "1704067200000"


def test_describing_runs_nothing(client: Client) -> None:
    names = client("answer([c.name for c in connect().cursor().describe('insert')])")

    assert names[:3] == ["SMALL", "BIG", "CENTS"]


def test_files_go_up_and_come_down(server: Server, client: Client, tmp_path: Path) -> None:
    for name, text in {"a.txt": "aaa", "b.txt": "b" * 100_000, "empty.txt": ""}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "out").mkdir()
    literal, compressed, bound, down = client(
        f"""
        snowflake.connector.paramstyle = "qmark"
        cursor = connect().cursor()
        put = lambda *a, **k: [row[6] for row in cursor.execute(*a, **k).fetchall()]
        literal = put("PUT 'file://{tmp_path}/*.txt' '@DB.S.ST/lit' auto_compress = False")
        gz = put("PUT 'file://{tmp_path}/b.txt' '@DB.S.ST/gz' auto_compress = True")
        bound = put("PUT 'file://{tmp_path}/b.txt' ? auto_compress = True", ('@DB.S.ST/bound',))
        bound += put("PUT 'file://{tmp_path}/*.txt' ? auto_compress = False", ('@DB.S.ST/many',))
        down = cursor.execute("GET '@DB.S.ST/lit' 'file://{tmp_path}/out'").fetchall()
        answer([literal, gz, bound, [row[2] for row in down]])
        """
    )
    stage = server.home / "stages" / "DB.S.ST"

    assert literal + compressed + bound == ["UPLOADED"] * 8
    assert down == ["DOWNLOADED"] * 3
    assert (tmp_path / "out" / "b.txt").read_text() == "b" * 100_000
    assert [file.name for file in (stage / "gz").iterdir()] == ["b.txt.gz"]
    assert [file.name for file in (stage / "bound").iterdir()] == ["b.txt.gz"]
    assert sorted(file.stat().st_size for file in (stage / "many").iterdir()) == [0, 3, 100_000]
    assert not list((server.home / "uploads").iterdir())
