"""A damaged log is told from one that a crash cut off."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.config import Settings
from nunatak.warehouse.engine.engine import Engine
from nunatak.warehouse.engine.log_file import log_problem


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The log of several commits, as a crash leaves it."""
    home = tmp_path_factory.mktemp("home")
    engine = Engine(Settings(home=home))
    engine.create("D")
    with engine.connect() as connection:
        connection.execute("CREATE TABLE D.main.T (A VARCHAR)")
        for number in range(5):
            connection.execute(f"INSERT INTO D.main.T VALUES ('{'x' * number}')")
        connection.execute("INSERT INTO D.main.T SELECT i FROM range(3000) r(i)")
    content = (home / "databases" / "D.duckdb.wal").read_bytes()
    engine.close()
    return content


def problem(content: bytes, folder: Path) -> str | None:
    file = folder / "D.duckdb.wal"
    file.write_bytes(content)
    return log_problem(file)


def test_a_whole_log_and_one_that_is_not_there_are_sound(log: bytes, tmp_path: Path) -> None:
    assert problem(log, tmp_path) is None
    assert log_problem(tmp_path / "never") is None


@settings(deadline=None, max_examples=60)
@given(left=st.integers(0, 1_000_000), zeros=st.sampled_from([0, 1, 100, 5000]))
def test_a_log_that_was_cut_off_is_sound(
    log: bytes, tmp_path_factory: pytest.TempPathFactory, left: int, zeros: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert problem(log[: left % (len(log) + 1)] + bytes(zeros), folder) is None


@settings(deadline=None, max_examples=60)
@given(offset=st.integers(0, 1_000_000), change=st.integers(1, 255))
def test_content_that_has_changed_before_the_last_entry_is_damage(
    log: bytes, tmp_path_factory: pytest.TempPathFactory, offset: int, change: int
) -> None:
    first = log.index(b"\xff\xff") + 2 + 16  # the content of the first entry
    size = int.from_bytes(log[first - 16 : first - 8], "little")
    changed = bytearray(log)
    changed[first + offset % size] ^= change
    assert "is damaged" in str(problem(bytes(changed), tmp_path_factory.getbasetemp()))


@pytest.mark.parametrize("content", [b"\xde\xad\xbe\xef" * 100, b"text"])
def test_what_is_no_log_is_told(content: bytes, tmp_path: Path) -> None:
    assert problem(content, tmp_path) == "is no log of a database"


@pytest.mark.parametrize(
    "content", [b"", b"\x64", b"\x64\x00\x62", b"\x64\x00\x62\x65\x00\x09" * 9]
)
def test_of_other_forms_only_the_start_is_looked_at(content: bytes, tmp_path: Path) -> None:
    assert problem(content, tmp_path) is None


def test_a_database_with_a_damaged_log_is_not_opened(log: bytes, tmp_path: Path) -> None:
    engine = Engine(Settings(home=tmp_path))
    engine.create("D")
    engine.close()
    changed = bytearray(log)
    changed[log.index(b"\xff\xff") + 20] ^= 1
    shutil.rmtree(tmp_path / "spill", ignore_errors=True)
    (tmp_path / "databases" / "D.duckdb.wal").write_bytes(changed)
    engine = Engine(Settings(home=tmp_path))
    try:
        assert "D.duckdb.wal is damaged" in str(engine.damage.of("D"))
    finally:
        engine.close()
    assert (tmp_path / "databases" / "D.duckdb.wal").read_bytes() == changed
