"""Build logs: lines with times, bounded, readable while they grow."""

from __future__ import annotations

from pathlib import Path

from nunatak.images.building.buildlog import BuildLog, read_log, tail


def test_lines_carry_their_time(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "logs" / "build.log", clock=lambda: 1_700_000_000.25)
    log.line("one\ntwo")
    log.close()
    assert read_log(log.path)[0] == ("2023-11-14T22:13:20.250Z one\n2023-11-14T22:13:20.250Z two\n")


def test_it_is_read_piece_by_piece(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "build.log", clock=lambda: 0.0)
    assert read_log(tmp_path / "other.log") == ("", 0)
    log.line("one")
    text, offset = read_log(log.path)
    log.line("two")
    more, end = read_log(log.path, offset=offset)
    log.close()
    assert text.endswith("one\n")
    assert more.endswith("two\n")
    assert end == log.path.stat().st_size


def test_half_a_line_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "build.log"
    path.write_bytes(b"whole\nhal")
    assert read_log(path) == ("whole\n", 6)


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    for word in ("one", "two"):
        log = BuildLog(tmp_path / "build.log", clock=lambda: 0.0)
        log.line(word)
        log.close()
    assert tail(log.path, 1).endswith("two\n")
    assert len(tail(log.path, 5).splitlines()) == 2
    assert tail(log.path, 0) == ""


def test_it_is_bounded_but_keeps_room_for_the_outcome(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "build.log", limit_bytes=4_000, clock=lambda: 0.0)
    for number in range(1_000):
        log.line(f"line {number}")
    log.line("it failed", important=True)
    for number in range(1_000):
        log.line(f"more {number}", important=True)
    log.close()
    text, _ = read_log(log.path)
    assert log.path.stat().st_size <= 4_000
    assert text.count("reached its limit") == 1
    assert "it failed" in text


def test_long_lines_are_cut_and_closed_logs_are_silent(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "build.log", clock=lambda: 0.0)
    log.line("y" * 100_000)
    log.close()
    log.line("too late")
    assert log.path.stat().st_size < 5_000
