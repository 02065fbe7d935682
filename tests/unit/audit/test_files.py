"""Files of records: bounded in size and age, private, and readable after a crash."""

from __future__ import annotations

from pathlib import Path

import orjson

from nunatak.audit.files import RecordFiles

DAY = 86_400.0
NOW = 1_800_000_000.0


def files(folder: Path, *, most_bytes: int = 160_000) -> RecordFiles:
    return RecordFiles(folder, "access", most_bytes=most_bytes, days=2)


def line(number: int) -> bytes:
    return orjson.dumps({"number": number, "filling": "x" * 980})


def numbers(found: RecordFiles) -> list[int]:
    return [record["number"] for record in found.newest_first()]


def test_records_are_read_the_newest_first_across_files(tmp_path: Path) -> None:
    made = files(tmp_path)
    for number in range(45):
        made.append([line(number)], NOW + number)
    assert len(list(tmp_path.glob("access-*.jsonl"))) == 4
    assert numbers(made) == list(range(44, -1, -1))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_oldest_files_go_when_there_is_too_much(tmp_path: Path) -> None:
    made = files(tmp_path)
    for number in range(400):
        made.append([line(number)], NOW + number)
    made.tidy(NOW + 400)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 160_000
    kept = numbers(made)
    assert kept == list(range(399, 399 - len(kept), -1))
    assert len(kept) > 100


def test_files_go_when_they_are_too_old(tmp_path: Path) -> None:
    made = files(tmp_path)
    for number in range(45):
        made.append([line(number)], NOW + number)
    made.tidy(NOW + 3 * DAY)
    assert [path.name for path in tmp_path.iterdir()] == ["access.jsonl"]


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    made = files(tmp_path)
    made.append([line(1)], NOW)
    with (tmp_path / "access.jsonl").open("ab") as file:
        file.write(b'{"number": 2, "fil\n')
    made.append([line(3)], NOW)
    assert numbers(made) == [3, 1]
