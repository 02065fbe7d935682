"""The server is killed at each step of a deployment, and started again on the same home."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.faults import Deployment, check_answers, prepare, settle
from support.ground import Ground, wait_for

pytestmark = [
    pytest.mark.acceptance,
    # The connector cancels what it gave up in a thread of its own, which fails: no server is there.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
Moment = Callable[[Ground], bool]


def _during_the_build(ground: Ground) -> bool:
    scratch = (ground.home / "environments").glob(".building-*")
    return bool(ground.builds("RUNNING")) and any(scratch)


def _after_the_build(ground: Ground) -> bool:
    return bool(ground.builds("DONE"))


def _while_starting(ground: Ground) -> bool:
    return any(seen.status.get("started") for seen in ground.objects("INSTANCE"))


def _while_running(ground: Ground) -> bool:
    return bool(ground.services("RUNNING"))


def _during_suspend(ground: Ground) -> bool:
    return bool(ground.services("SUSPENDING"))


def _while_parked(ground: Ground) -> bool:
    return bool(ground.services("SUSPENDED")) and bool(ground.parked())


POINTS: dict[str, Moment] = {
    "during the build": _during_the_build,
    "after the build": _after_the_build,
    "while starting": _while_starting,
    "while running": _while_running,
    "during suspend": _during_suspend,
    "while parked": _while_parked,
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A home whose environment is built; each test starts it with no service on it."""
    ground = Ground(tmp_path_factory.mktemp("faults") / "home")
    ground.start()
    try:
        prepare(ground)
        yield ground
    finally:
        ground.stop()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("number", "point"), list(enumerate(POINTS)), ids=POINTS)
def test_a_killed_server_goes_on_where_it_was(ground: Ground, number: int, point: str) -> None:
    """Point by point; the later ones find the home as the earlier ones left it."""
    deployment = Deployment(ground, number + 1, force_rebuild="build" in point)
    deployment.start()
    wait_for(f"point '{point}'", lambda: POINTS[point](ground) or deployment.failure)
    ground.kill()
    promised = ground.promised()
    assert promised or point != "while running"
    check_answers(promised)  # the instance answers on, and the next server takes it over
    settle(ground, deployment, stays=promised)
