"""SIGTERM: what runs may end, then the process does."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from .conftest import connected, running

pytestmark = pytest.mark.process


def test_a_statement_under_way_is_answered_before_the_server_ends(tmp_path: Path) -> None:
    with running(tmp_path) as server, connected(server.home) as client:
        stop = threading.Timer(1.0, server.process.send_signal, [signal.SIGTERM])
        client("answer(connect().cursor().execute('select 1').fetchall())")
        stop.start()
        rows = client("answer(connect().cursor().execute('select sleep 3').fetchall())")
        stop.join()
        status = server.process.wait(timeout=60)

    assert rows == [[3.0]]
    assert status == 0
