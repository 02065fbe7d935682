"""Counting of walks: functions and files that ran in processes which note them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.walks import Walk, ran, usual


@contextmanager
def told(folder: Path, answers: list[bytes]) -> Iterator[None]:
    """A process that tells what it ran, one answer after the other."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "server.sock"))
    listener.listen()

    def serve() -> None:
        for answer in answers:
            caller, _ = listener.accept()
            with caller:
                caller.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        listener.close()


def test_files_are_counted_once() -> None:
    walk = Walk(
        {"server": frozenset({"a.py f", "a.py g"}), "front": frozenset({"a.py f", "b.py h"})}
    )
    assert walk.of("server") == (2, 1)
    assert walk.of("server", "front") == (3, 2)


def test_a_process_that_does_not_run_ran_nothing(tmp_path: Path) -> None:
    assert ran(tmp_path, "front") == frozenset()


def test_what_ran_now_and_then_is_no_part_of_a_walk(tmp_path: Path) -> None:
    before, usually, once = b"a.py before", b"a.py f\nb.py g", b"a.py f\nb.py g\nc.py sweep"
    answers = [
        answer for number in range(9) for answer in (before, once if number < 4 else usually)
    ]
    with told(tmp_path, answers):
        walk = usual(tmp_path, lambda: None)
    assert walk.functions["server"] == {"a.py f", "b.py g"}
    assert walk.functions["front"] == frozenset()
