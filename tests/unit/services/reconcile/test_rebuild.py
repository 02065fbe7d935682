"""Images that are lost or outdated are built again when their service must start."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from nunatak.catalog.store import Record
from nunatak.errors import BuildFailed
from nunatak.services.commands.repository_images import images_in_use
from nunatak.services.model.snapshot import Service
from nunatak.services.model.spec import service_key
from support.plane import DIGEST, IMAGE, SERVICE, World

KEY = service_key(SERVICE)
OTHER = replace(IMAGE, digest="e2" * 32)
MISSING = "Image d1 is missing."
OUTDATED = "Image d1 was made for inference server 1; this is 2."


@pytest.fixture
def asleep(world: World) -> World:
    """A world in which DB.S.SVC was suspended by its owner."""
    world.pool()
    world.deploy()
    world.settle()
    world.services.commands.suspend(KEY)
    world.settle()
    return world


def builds(world: World) -> list[Record]:
    return [build.record for build in world.snapshot().builds]


def digest(world: World) -> str:
    return Service(world.service()).digest


def test_a_lost_image_is_built_again_when_the_service_is_resumed(asleep: World) -> None:
    asleep.builder.problems = {DIGEST: MISSING}
    asleep.services.commands.resume(KEY)
    asleep.settle()

    assert asleep.state() == "RUNNING"
    assert (asleep.builder.builds, len(builds(asleep)), digest(asleep)) == (2, 2, DIGEST)
    assert asleep.service().status["rebuild"] is None


def test_a_service_of_before_an_upgrade_gets_a_new_image(asleep: World) -> None:
    asleep.builder.problems, asleep.builder.image = {DIGEST: OUTDATED}, OTHER
    asleep.services.commands.resume(KEY)
    asleep.settle()

    assert (asleep.state(), digest(asleep)) == ("RUNNING", OTHER.digest)
    assert images_in_use(asleep.catalog) == {OTHER.digest}


def test_the_message_says_why_it_is_built(asleep: World) -> None:
    asleep.builder.problems, asleep.builder.failure = {DIGEST: OUTDATED}, BuildFailed("no network")
    asleep.builder.gate = threading.Event()
    asleep.services.commands.resume(KEY)
    for _ in range(20):
        asleep.plane.iterate()
    waiting = str(asleep.service().status["message"])
    asleep.builder.gate.set()
    asleep.settle()

    assert waiting.startswith(f"{OUTDATED} Waiting for image build MODEL_BUILD_")
    assert asleep.state() == "FAILED"
    assert "no network" in asleep.service().status["message"]


def test_a_failed_build_is_tried_again_by_suspend_and_resume(asleep: World) -> None:
    asleep.builder.problems, asleep.builder.failure = {DIGEST: MISSING}, BuildFailed("no network")
    asleep.services.commands.resume(KEY)
    asleep.settle()
    asleep.builder.failure = None
    asleep.services.commands.suspend(KEY)
    asleep.settle()
    asleep.services.commands.resume(KEY)
    asleep.settle()

    assert (asleep.state(), asleep.builder.builds) == ("RUNNING", 3)


def test_the_recorded_order_is_used_and_force_is_not(world: World) -> None:
    world.pool()
    world.pool("BUILDERS")
    world.deploy(world.order(build_pool="BUILDERS", force_rebuild=True))
    world.settle()
    world.services.commands.suspend(KEY)
    world.settle()
    world.builder.problems = {DIGEST: MISSING}
    world.services.commands.resume(KEY)
    world.settle()

    assert [item.spec["pool"] for item in builds(world)] == ["BUILDERS", "BUILDERS"]
    assert sorted(item.spec["force"] for item in builds(world)) == [False, True]


def test_an_image_without_a_recorded_build_is_built_on_the_services_pool(world: World) -> None:
    world.pool()
    world.builder.known = IMAGE
    world.deploy()
    world.settle()
    world.services.commands.suspend(KEY)
    world.settle()
    assert builds(world) == []
    world.builder.problems = {DIGEST: MISSING}
    world.services.commands.resume(KEY)
    world.settle()

    (build,) = builds(world)
    assert (build.spec["pool"], world.state()) == ("POOL", "RUNNING")


def test_a_service_that_runs_keeps_its_outdated_image(world: World) -> None:
    world.pool()
    world.deploy()
    world.settle()
    world.builder.problems = {DIGEST: OUTDATED}
    world.settle()

    assert (world.state(), world.builder.builds) == ("RUNNING", 1)


def test_a_new_server_builds_for_what_it_must_start(world: World) -> None:
    world.pool()
    world.deploy()
    world.settle()
    world.runtime.running.clear()
    world.builder.problems, world.builder.image = {DIGEST: OUTDATED}, OTHER
    world.restart()
    world.settle()

    assert (world.state(), digest(world)) == ("RUNNING", OTHER.digest)
    assert len(world.runtime.running) == 1


def test_a_copied_home_runs_in_environments_of_its_own(world: World) -> None:
    world.pool()
    world.builder.known = replace(IMAGE, environment=Path("/of/the/original/environments/d1"))
    world.deploy()
    [spec] = world.runtime.specs.values()
    environment = world.settings.home / "environments" / "d1"
    assert spec.python == (str(environment / "bin" / "python"),)
    assert spec.readable == (environment,)
