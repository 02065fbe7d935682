"""The audit log: what is recorded where, and that it holds nobody up and loses nothing unsaid."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nunatak.audit import log as module
from nunatak.audit.events import Login, ServerStarted, StatementEnded
from nunatak.audit.log import AuditLog, RecordStream
from nunatak.audit.redaction import LEFT_OUT

NOW = 1_800_000_000.0
LOGIN = Login(time=NOW, user="ADA", address="127.0.0.1", factor="PASSWORD")
ENDED = StatementEnded(
    id="q",
    session_id=1,
    user="ADA",
    role="R",
    warehouse="WH",
    database=None,
    schema=None,
    text="SELECT 1",
    started_on=NOW - 1,
    ended_on=NOW,
    status="SUCCESS",
)


def log(folder: Path) -> AuditLog:
    return AuditLog(folder, most_bytes=1024**2, days=7, clock=lambda: NOW)


def events(made: AuditLog, stream: RecordStream) -> list[str]:
    return [record["event"] for record in made.newest_first(stream, most=100)]


def test_recording_writes_nothing_until_it_is_time(tmp_path: Path) -> None:
    made = log(tmp_path)
    made.record(LOGIN)
    assert list(tmp_path.iterdir()) == []
    made.flush()
    assert [path.name for path in tmp_path.iterdir()] == ["access.jsonl"]


@pytest.mark.parametrize(
    ("text", "error", "access"),
    [
        ("SELECT 1", None, []),
        ("GRANT ROLE R TO USER U", None, ["GRANT"]),
        ("/* x */ -- y\n revoke role r from user u", None, ["GRANT"]),
        ("GRANT ROLE R TO USER U", ("003001", "no"), ["REFUSAL"]),
        ("SELECT * FROM T", ("002003", "no"), ["REFUSAL"]),
        ("SELECT 1/0", ("100051", "division"), []),
    ],
)
def test_grants_and_refusals_are_recorded_among_logins_too(
    tmp_path: Path, text: str, error: tuple[str, str] | None, access: list[str]
) -> None:
    made = log(tmp_path)
    made.record(dataclasses.replace(ENDED, text=text, error=error))
    assert events(made, RecordStream.STATEMENTS) == ["STATEMENT"]
    assert events(made, RecordStream.ACCESS) == access


def test_a_message_of_a_statement_that_names_secrets_is_left_out(tmp_path: Path) -> None:
    made = log(tmp_path)
    text, error = "ALTER USER U SET PASSWORD 'hunter2'", ("001003", "syntax error near hunter2")
    made.record(dataclasses.replace(ENDED, text=text, error=error))
    (record,) = made.newest_first(RecordStream.STATEMENTS, most=1)
    assert record["message"] == LEFT_OUT
    assert "hunter2" not in "".join(path.read_text() for path in tmp_path.iterdir())


def test_what_is_too_much_is_counted_and_the_count_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_EVENTS", 3)
    made = log(tmp_path)
    for _ in range(5):
        made.record(LOGIN)
    assert events(made, RecordStream.ACCESS) == ["DROPPED", "LOGIN", "LOGIN", "LOGIN"]
    assert made.dropped == 2
    made.record(LOGIN)
    assert events(made, RecordStream.ACCESS)[0] == "LOGIN"
    (dropped,) = [
        r for r in made.newest_first(RecordStream.ACCESS, most=9) if r["event"] == "DROPPED"
    ]
    assert dropped["count"] == 2


def test_what_the_disk_does_not_take_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = log(tmp_path / "gone")
    made.record(LOGIN)
    made.flush()
    assert made.dropped == 1
    (tmp_path / "gone").mkdir()
    assert events(made, RecordStream.ACCESS) == ["DROPPED"]


def test_a_start_says_what_is_confined(tmp_path: Path) -> None:
    made = log(tmp_path)
    made.record(ServerStarted(time=NOW, version="1", confinement="models are NOT confined"))
    (record,) = made.newest_first(RecordStream.ACCESS, most=1)
    assert (record["event"], record["confinement"]) == ("START", "models are NOT confined")
