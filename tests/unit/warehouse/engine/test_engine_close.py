"""The engine is closed whatever its statements do."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from nunatak.config import Settings
from nunatak.warehouse.engine.engine import Engine


def test_a_statement_that_heeds_no_interrupt_leaves_what_was_committed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(home=tmp_path)
    engine = Engine(settings)
    engine.create("KEPT")
    busy, gate, inside = engine.connect(), threading.Event(), threading.Event()

    def deaf(columns: Sequence[pa.Array]) -> pa.Array:
        inside.set()
        gate.wait()
        return columns[0]

    with engine.connect() as connection:
        connection.execute("CREATE TABLE KEPT.main.t AS SELECT 1 AS a")
    busy.create_function("deaf", ["BIGINT"], "BIGINT", deaf)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            busy.execute("SELECT deaf(1)")
        except Exception as error:  # noqa: BLE001 it is looked at below
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    inside.wait()
    engine.close()
    gate.set()
    asking.join()
    assert "a statement does not end" in caplog.text
    assert len(errors) <= 1
    engine.close()  # now it ends
    again = Engine(settings)
    with again.connect() as connection:
        assert connection.execute("SELECT a FROM KEPT.main.t") == [(1,)]
    again.close()
