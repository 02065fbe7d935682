"""Deploying: from an order to a running service, and every way in which that may end."""

from __future__ import annotations

import hashlib
import threading

import pytest

from nunatak.compute.runtime import Phase
from nunatak.errors import (
    BuildFailed,
    ConfinementMissing,
    InvalidArgument,
    ModelCallFailed,
    ObjectNotFound,
    QueryCancelled,
    VersionExists,
)
from nunatak.services.commands.deploy import build_name
from nunatak.services.model.spec import Requested
from nunatak.services.reconcile.builds import RECORD_S
from support.plane import IMAGE, World


def test_a_deployment_builds_starts_and_publishes_a_route(world: World) -> None:
    world.pool()

    text = world.deploy()

    assert text == "Service DB.S.SVC successfully deployed"
    route = world.services.routes.by_name(world.service().qualified)
    assert route is not None
    assert [target.instance for target in route.targets] == ["0"]
    assert route.methods[0].spec.name == "PREDICT"
    assert world.services.routes.by_endpoint(route.endpoint_id) is route


def test_where_no_model_is_run_nothing_is_written(world: World) -> None:
    world.pool()
    world.runtime.unconfined = ConfinementMissing("not confined")

    with pytest.raises(ConfinementMissing):
        world.deploy()

    assert (world.snapshot().services, world.snapshot().builds) == ((), ())


def test_the_build_service_has_the_name_that_clients_compute(world: World) -> None:
    query_id = "01b2c3d4-0000-4000-8000-0000000000aa"
    number = str(int(query_id.replace("-", ""), 16)).encode()

    expected = "MODEL_BUILD_" + hashlib.md5(number).hexdigest()[:8].upper()

    assert build_name(query_id) == expected


def test_a_known_image_needs_no_build(world: World) -> None:
    world.pool()
    world.builder.known = IMAGE

    world.deploy()

    assert world.builder.builds == 0
    assert world.snapshot().builds == ()


def test_force_rebuild_builds_a_known_image_again(world: World) -> None:
    world.pool()
    world.builder.known = IMAGE

    world.deploy(world.order(force_rebuild=True))

    assert world.builder.builds == 1


def test_a_failed_build_says_why_and_frees_the_name(world: World) -> None:
    world.pool()
    world.builder.failure = BuildFailed("package nothing-like-this is not there")

    with pytest.raises(BuildFailed, match="nothing-like-this"):
        world.deploy()

    with pytest.raises(ObjectNotFound):
        world.service()
    world.builder.failure = None
    build = world.snapshot().builds[0]
    assert "nothing-like-this" in build.message


def test_a_service_whose_model_does_not_load_fails_with_its_log(world: World) -> None:
    world.pool()
    world.runtime.log = "ModuleNotFoundError: no module named nothing"
    world.runtime.phase = Phase.EXITED
    tick = threading.Event()

    def clock() -> None:
        while not tick.wait(0.002):
            world.advance(5)

    thread = threading.Thread(target=clock)
    thread.start()
    try:
        with pytest.raises(ModelCallFailed, match="no module named nothing"):
            world.deploy()
    finally:
        tick.set()
        thread.join()

    assert world.state() == "FAILED"


def test_the_same_order_again_joins_the_service(world: World) -> None:
    world.pool()
    world.deploy()

    text = world.deploy()

    assert text == "Service DB.S.SVC successfully deployed"
    assert len(world.snapshot().services) == 1


def test_another_order_for_the_same_name_is_refused(world: World) -> None:
    world.pool()
    world.deploy()

    with pytest.raises(VersionExists, match="already exists"):
        world.deploy(world.order(max_instances=2))


def test_gpus_that_no_node_has_are_refused_at_once(world: World) -> None:
    world.pool(instance_family="GPU_NV_S")

    with pytest.raises(InvalidArgument, match="this machine has no more"):
        world.deploy(world.order(requested=Requested(gpus=1)))


def test_an_unknown_pool_is_named(world: World) -> None:
    with pytest.raises(ObjectNotFound, match="POOL"):
        world.deploy()


def test_a_cancelled_deployment_cancels_the_build_and_takes_back_the_service(
    world: World,
) -> None:
    world.pool()
    world.builder.gate = threading.Event()
    cancelled = threading.Event()
    cancelled.set()

    with pytest.raises(QueryCancelled):
        world.services.deployments.deploy(
            world.order(), query_id="0" * 32, owner="ADMIN", cancelled=cancelled
        )
    world.settle()

    assert world.snapshot().services == ()
    assert [build.state for build in world.snapshot().builds] == ["CANCELLED"]


def test_workers_follow_the_processors_of_the_instance(world: World) -> None:
    world.pool()

    world.deploy(world.order(requested=Requested(cpus=0.5)))

    (spec,) = world.runtime.specs.values()
    assert spec.num_workers == 3
    assert spec.cpus == 0.5


def test_num_workers_is_honoured(world: World) -> None:
    world.pool()

    world.deploy(world.order(num_workers=7))

    (spec,) = world.runtime.specs.values()
    assert spec.num_workers == 7


def test_the_record_of_a_build_stays_for_thirty_days_and_while_a_service_needs_it(
    world: World,
) -> None:
    world.pool()
    world.deploy()
    world.settle()
    world.advance(RECORD_S + 1)
    world.settle()
    while_served = len(world.snapshot().builds)
    world.services.commands.drop(world.service().key)
    world.settle()

    assert (while_served, len(world.snapshot().builds)) == (1, 0)
    world.query_id = "9" * 32
    world.deploy()
    world.services.commands.drop(world.service().key)
    world.settle()
    world.advance(RECORD_S - 10)
    world.settle()
    assert len(world.snapshot().builds) == 1
