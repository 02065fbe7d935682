"""ALTER SERVICE … FROM SPECIFICATION: a service of one's own takes another specification."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.compute.runtime import Phase
from nunatak.errors import InvalidArgument, ObjectNotFound
from support.plane import World, open_world

MINE = QualifiedName("DB", "S", "MINE")
POOL = "CREATE COMPUTE POOL POOL MIN_NODES = 1 MAX_NODES = 4 INSTANCE_FAMILY = CPU_X64_XS"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in which DB.S.MINE runs the copied specification of DB.S.SVC."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_world(tmp_path) as opened:
        opened.rows(POOL)
        opened.deploy(opened.order(num_workers=2))
        spec = opened.row("DESCRIBE SERVICE SVC")["spec"]
        opened.rows(f"CREATE SERVICE MINE IN COMPUTE POOL POOL FROM SPECIFICATION $${spec}$$")
        opened.settle()
        yield opened


def specification(world: World, *, workers: int) -> str:
    """What DB.S.MINE runs, with another number of workers."""
    text = str(world.row("DESCRIBE SERVICE MINE")["spec"])
    assert "NUM_WORKERS: '2'" in text
    return text.replace("NUM_WORKERS: '2'", f"NUM_WORKERS: '{workers}'")


def alter(world: World, text: str) -> None:
    world.rows(f"ALTER SERVICE MINE FROM SPECIFICATION $${text}$$")


def runs(world: World) -> list[str]:
    """Runtime ids of the instances of DB.S.MINE, as they are running now."""
    return [key for key, seen in world.runtime.running.items() if seen.service == str(MINE)]


def test_the_new_instance_is_ready_before_the_old_one_goes(world: World) -> None:
    (old,) = runs(world)
    world.runtime.phase = Phase.STARTING
    alter(world, specification(world, workers=3))
    world.settle()
    assert len(runs(world)) == 2
    assert world.row("DESCRIBE SERVICE MINE")["is_upgrading"] == "true"
    route = world.services.routes.by_name(MINE)
    assert route is not None
    assert [str(target.address) for target in route.targets] == [str(world.runtime.folder / old)]

    world.runtime.become(Phase.READY)
    world.settle()
    (new,) = runs(world)
    assert new != old
    assert world.runtime.specs[new].num_workers == 3
    row = world.row("DESCRIBE SERVICE MINE")
    assert (row["status"], row["is_upgrading"]) == ("RUNNING", "false")


def test_the_same_specification_again_changes_nothing(world: World) -> None:
    before = runs(world)
    alter(world, specification(world, workers=2))
    world.settle()
    assert runs(world) == before


def test_a_service_that_sleeps_stays_asleep(world: World) -> None:
    world.rows("ALTER SERVICE MINE SUSPEND")
    world.settle()
    alter(world, specification(world, workers=3))
    world.settle()
    assert (runs(world), world.service(MINE).status["state"]) == ([], "SUSPENDED")
    world.rows("ALTER SERVICE MINE RESUME")
    world.settle()
    (new,) = runs(world)
    assert world.runtime.specs[new].num_workers == 3


def test_what_cannot_run_changes_nothing(world: World) -> None:
    text = specification(world, workers=3)
    with pytest.raises(ObjectNotFound, match="Image"):
        alter(world, text.replace("sha256:d1d1", "sha256:abab"))
    large = text.replace("    env:", "    resources: {requests: {cpu: 64}}\n    env:")
    with pytest.raises(InvalidArgument, match="64"):
        alter(world, large)
    assert world.service(MINE).spec["revision"] == 0


def test_the_inference_service_keeps_its_own(world: World) -> None:
    with pytest.raises(InvalidArgument, match="made for a model"):
        world.rows("ALTER SERVICE SVC FROM SPECIFICATION $$spec: {}$$")
