"""Guards that hold for every test: no task, thread or child process outlives its test."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Two busy cores make single examples slow; the same examples run everywhere.
settings.register_profile(
    "project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "campaign",
    settings.get_profile("project"),
    derandomize=False,
    max_examples=1000,
    database=None,
    print_blob=True,
)
settings.load_profile("project")

# Else pytest-asyncio makes a loop, to restore it after the first test, that nobody closes.
asyncio.set_event_loop(None)

_POOLS = ("asyncio_", "ThreadPoolExecutor", "AnyIO", "pydevd")


def pytest_configure() -> None:
    """Say that no loop is current: asking for one would else make one that nobody closes."""
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a non-daemon thread or a child process behind."""
    if "process" in request.keywords or "acceptance" in request.keywords:
        yield
        return
    before_threads, before_children = set(threading.enumerate()), _children()
    yield
    threads = [
        thread.name
        for thread in set(threading.enumerate()) - before_threads
        if thread.is_alive() and not thread.daemon and not thread.name.startswith(_POOLS)
    ]
    assert not threads, f"threads left running: {threads}"
    assert not _children() - before_children, "child processes left running"


def _children() -> set[str]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    if not tasks.exists():
        return set()
    return {child for task in tasks.iterdir() for child in _children_of(task)}


def _children_of(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []
