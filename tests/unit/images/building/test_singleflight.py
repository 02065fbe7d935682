"""One build per key, whoever asks."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from nunatak.images.building import singleflight
from nunatak.images.building.buildlog import BuildLog, read_log
from nunatak.images.building.runner import BuildBounds
from nunatak.images.building.singleflight import SingleFlight
from nunatak.images.errors import BuildCancelled, PackageNotFound


class Asker:
    """Somebody who wants the same thing; `started` is set when its own work begins."""

    def __init__(self, path: Path) -> None:
        self.log = BuildLog(path, clock=lambda: 0.0)
        self.cancel = threading.Event()
        self.started = threading.Event()
        self.release = threading.Event()
        self.failure: Exception | None = None

    def work(self) -> str:
        self.started.set()
        self.log.line("working")
        self.release.wait(10)
        if self.failure:
            raise self.failure
        return self.log.path.name

    def ask(self, flights: SingleFlight[str], key: str = "k") -> str:
        bounds = BuildBounds(self.cancel, math.inf)
        return flights.run(key, self.work, log=self.log, bounds=bounds)


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Asker]]:
    monkeypatch.setattr(singleflight, "POLL_S", 0.001)
    made: list[Asker] = []

    def make(name: str) -> Asker:
        made.append(Asker(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.log.close()


def waiting(one: Asker) -> None:
    """Until `one` follows somebody else's work."""
    while "being built already" not in read_log(one.log.path)[0]:
        assert not one.started.wait(0.001)


def both(
    first: Asker, second: Asker, flights: SingleFlight[str], pool: ThreadPoolExecutor
) -> tuple[Future[str], Future[str]]:
    """Both ask; the first works, the second follows."""
    leading = pool.submit(first.ask, flights)
    first.started.wait(10)
    following = pool.submit(second.ask, flights)
    waiting(second)
    return leading, following


def test_a_follower_gets_the_outcome_and_the_log(asker: Callable[[str], Asker]) -> None:
    first, second, flights = asker("a"), asker("b"), SingleFlight[str]()
    with ThreadPoolExecutor(2) as pool:
        leading, following = both(first, second, flights, pool)
        assert flights.keys() == {"k"}
        first.release.set()
        assert (leading.result(10), following.result(10)) == ("a", "a")
    assert not second.started.is_set()
    assert "working" in read_log(second.log.path)[0]
    assert flights.keys() == frozenset()


def test_a_failure_is_everybodys(asker: Callable[[str], Asker]) -> None:
    first, second, flights = asker("a"), asker("b"), SingleFlight[str]()
    first.failure = PackageNotFound("no such package", package="x")
    with ThreadPoolExecutor(2) as pool:
        leading, following = both(first, second, flights, pool)
        first.release.set()
        for outcome in (leading, following):
            with pytest.raises(PackageNotFound):
                outcome.result(10)
    assert flights.keys() == frozenset()


def test_a_follower_takes_over_from_a_cancelled_leader(asker: Callable[[str], Asker]) -> None:
    first, second, flights = asker("a"), asker("b"), SingleFlight[str]()
    first.failure = BuildCancelled("stopped")
    second.release.set()
    with ThreadPoolExecutor(2) as pool:
        leading, following = both(first, second, flights, pool)
        first.release.set()
        assert following.result(10) == "b"
        with pytest.raises(BuildCancelled):
            leading.result(10)


def test_a_follower_can_be_cancelled_alone(asker: Callable[[str], Asker]) -> None:
    first, second, flights = asker("a"), asker("b"), SingleFlight[str]()
    with ThreadPoolExecutor(2) as pool:
        leading, following = both(first, second, flights, pool)
        second.cancel.set()
        with pytest.raises(BuildCancelled):
            following.result(10)
        first.release.set()
        assert leading.result(10) == "a"


def test_other_keys_do_not_wait(asker: Callable[[str], Asker]) -> None:
    first, second, flights = asker("a"), asker("b"), SingleFlight[str]()
    second.release.set()
    with ThreadPoolExecutor(2) as pool:
        leading = pool.submit(first.ask, flights, "one")
        first.started.wait(10)
        assert pool.submit(second.ask, flights, "two").result(10) == "b"
        first.release.set()
        leading.result(10)
