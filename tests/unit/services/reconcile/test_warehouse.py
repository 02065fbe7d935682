"""Models in the warehouse: started once, kept loaded, unloaded when nobody needs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Record
from nunatak.compute.runtime import Phase
from nunatak.config import Limits
from nunatak.errors import (
    BuildFailed,
    ConfinementMissing,
    DeadlineExceeded,
    ModelCallFailed,
    NunatakError,
    QueryCancelled,
)
from nunatak.images.requirements.declared import TargetPlatform
from nunatak.services.calling.warehouse_instances import WarehouseInstances
from nunatak.services.commands.repository_images import images_in_use
from nunatak.services.model.ports import InstanceLoad, ServedModel
from nunatak.services.model.snapshot import Service
from nunatak.services.model.spec import WAREHOUSE_POOL, warehouse_key
from nunatak.services.reconcile.warehouse import (
    FORGET_S,
    LOAD_LIMIT_S,
    LoadedVersion,
    is_forgotten,
    surplus,
)
from support.plane import IMAGE, World, open_world

LIMITS = Limits(
    warehouse_model_idle_s=60.0,
    warehouse_model_workers=3,
    warehouse_models=2,
    parked_instances=0,
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A control plane whose warehouse keeps two models loaded, and parks none."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    with opened(tmp_path) as found:
        yield found


@contextmanager
def opened(folder: Path, **limits: float) -> Iterator[World]:
    bounds = replace(LIMITS, **limits)  # type: ignore[arg-type]
    with open_world(folder, limits=bounds) as world:
        yield world


def served(world: World, version_id: str = "v-1") -> ServedModel:
    return replace(world.models.model, ref=replace(world.models.model.ref, version_id=version_id))


def begin(
    world: World, version_id: str = "v-1", *, cancelled: threading.Event | None = None
) -> Future[WarehouseInstances]:
    """A query begins to call a version."""
    model, event = served(world, version_id), cancelled or threading.Event()
    return world.begin(lambda: world.services.warehouse.open(model, event))


def call(world: World, version_id: str = "v-1") -> WarehouseInstances:
    """A query that holds a version which it has called."""
    found = world.finish(begin(world, version_id))
    world.settle()
    return found


def use(world: World, version_id: str = "v-1") -> None:
    """A query that has called a version and is over."""
    call(world, version_id).release()
    world.settle()


def record(world: World, version_id: str = "v-1") -> Record | None:
    with world.catalog.read() as tx:
        return tx.find(warehouse_key(version_id))


def state(world: World, version_id: str = "v-1") -> str:
    found = record(world, version_id)
    return str(found.status["state"]) if found is not None else ""


def loaded(world: World) -> set[str]:
    """The ids of the versions whose instance runs."""
    return {
        item.spec.model.version_id
        for item in world.snapshot().services
        if item.in_warehouse and world.snapshot().instances_of(item)
    }


def replace_spec(world: World, found: Record, **changes: bool) -> None:
    """Somebody writes another spec."""
    with world.catalog.write() as tx:
        tx.update(found, spec={**found.spec, **changes})


def pass_time(world: World, seconds: float) -> None:
    """Time passes, and everything is looked at as often as need be."""
    world.advance(seconds)
    world.settle()


# ---- started


def test_a_call_starts_an_instance_with_the_versions_environment(world: World) -> None:
    held = call(world)

    (address,) = held.ready()
    (spec,) = world.runtime.specs.values()
    assert world.builder.targets == [TargetPlatform.WAREHOUSE]
    assert spec.python[0].endswith(f"/environments/{IMAGE.environment.name}/bin/python")
    assert (spec.num_workers, spec.live.egress) == (3, None)
    assert (spec.cpus, spec.memory_limit_bytes) == (2.0 * 0.75, 8 * 1024**3 // 2)
    assert (spec.env, spec.secret_env) == ({}, {})
    assert spec.service == "DB.S.M version V1"
    assert address == world.runtime.running[spec.id].address
    held.release()


def test_an_environment_that_is_there_takes_no_build(world: World) -> None:
    world.builder.known = IMAGE

    use(world)

    assert world.builder.builds == 0
    assert world.snapshot().builds == ()
    assert state(world) == "RUNNING"


def test_its_image_is_in_use_from_the_call_on_until_it_sleeps(world: World) -> None:
    world.builder.known = IMAGE
    world.services.warehouse.want(served(world))
    assert images_in_use(world.catalog) == {IMAGE.digest}

    use(world)
    assert images_in_use(world.catalog) == {IMAGE.digest}
    pass_time(world, 70)

    assert (state(world), images_in_use(world.catalog)) == ("SUSPENDED", set())


def test_many_first_calls_start_it_once(world: World) -> None:
    world.builder.gate = threading.Event()
    calls = [begin(world) for _ in range(8)]
    world.iterate_until(lambda: world.builder.builds == 1)
    world.builder.gate.set()

    found = {world.finish(item).ready()[0] for item in calls}

    assert (len(found), world.builder.builds, len(world.runtime.starts)) == (1, 1, 1)


def test_a_loaded_model_is_called_without_a_look_at_the_catalog(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(world)
    monkeypatch.setattr(world.catalog, "read", None)
    monkeypatch.setattr(world.catalog, "write", None)

    held = world.services.warehouse.open(served(world), threading.Event())

    assert len(held.ready()) == 1
    held.release()


def test_it_runs_on_a_pool_that_is_none_of_the_accounts(world: World) -> None:
    use(world)

    assert world.snapshot().pools[WAREHOUSE_POOL].status.state == "ACTIVE"
    assert world.rows("SHOW COMPUTE POOLS") == []
    assert world.rows("SHOW SERVICES") == []
    assert world.rows("SHOW JOB SERVICES") == []


def test_its_states_are_metrics_and_events(world: World) -> None:
    use(world)
    found = record(world)
    assert found is not None
    with world.catalog.read() as tx:
        events = [event.new for event in tx.events_of(found)]
    asked: list[Requirement] = []

    page = world.services.monitor.metric_page(lambda needed: asked.append(needed) or True)  # type: ignore[func-returns-value]

    assert events == ["PENDING", "RUNNING"]
    assert 'nunatak_service_state{service="DB.S.M version V1",state="RUNNING"} 1' in page
    assert Requirement("MONITOR", "MODEL", "DB.S.M") in asked
    assert WAREHOUSE_POOL not in page


def test_where_nothing_can_be_confined_nothing_is_written(world: World) -> None:
    world.runtime.unconfined = ConfinementMissing("no namespaces")

    with pytest.raises(ConfinementMissing):
        call(world)

    assert record(world) is None


# ---- unloaded


def test_it_is_unloaded_when_it_was_idle_for_long_enough_and_not_before(world: World) -> None:
    held = call(world)
    pass_time(world, 1000)
    assert state(world) == "RUNNING"
    held.release()
    pass_time(world, 59)
    assert state(world) == "RUNNING"

    pass_time(world, 6)

    assert (state(world), world.runtime.running) == ("SUSPENDED", {})


def test_an_idle_model_is_parked_and_the_next_call_wakes_it(tmp_path: Path) -> None:
    with opened(tmp_path, parked_instances=1) as world:
        use(world)
        pass_time(world, 70)
        assert [seen.phase for seen in world.runtime.running.values()] == [Phase.PARKED]

        use(world)

        assert (len(world.runtime.starts), len(world.runtime.wakes)) == (1, 1)


def test_it_is_removed_when_its_version_is_dropped_and_no_query_holds_it(world: World) -> None:
    held = call(world)
    world.models.dropped.add("v-1")
    pass_time(world, 10)
    assert state(world) == "RUNNING"
    held.release()

    pass_time(world, 10)

    assert (record(world), world.runtime.running) == (None, {})


@pytest.mark.parametrize("is_idle", [False, True])
def test_a_call_of_one_that_is_being_removed_waits_for_its_end_and_begins_it_anew(
    world: World, is_idle: bool
) -> None:
    use(world)
    before = record(world)
    assert before is not None
    replace_spec(world, before, dropped=True, suspended=is_idle)
    world.plane.iterate()
    going = record(world)

    wanted = world.services.warehouse.want(served(world))

    assert (wanted.service_id, state(world)) == (before.id, "DELETING")
    assert record(world) == going
    held = world.finish(begin(world))
    after = record(world)
    assert after is not None
    assert after.id != before.id
    assert world.services.routes.held(after.id) == 1
    held.release()


def test_the_least_recently_called_makes_room(world: World) -> None:
    for version_id in ("v-1", "v-2"):
        use(world, version_id)
        pass_time(world, 10)
    held = call(world, "v-1")
    pass_time(world, 10)
    held.release()

    use(world, "v-3")
    pass_time(world, 1)

    assert loaded(world) == {"v-1", "v-3"}
    assert state(world, "v-2") == "SUSPENDED"


def test_models_in_use_are_kept_although_they_are_too_many(world: World) -> None:
    held = [call(world, version_id) for version_id in ("v-1", "v-2", "v-3")]
    pass_time(world, 10)
    assert loaded(world) == {"v-1", "v-2", "v-3"}

    held[1].release()
    pass_time(world, 1)

    assert loaded(world) == {"v-1", "v-3"}


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=12), st.integers(1, 12))
def test_no_more_make_room_than_need_be(found: list[tuple[bool, float]], bound: int) -> None:
    models = [LoadedVersion(number, *item) for number, item in enumerate(found)]

    gone = surplus(models, bound=bound)

    kept = [item for item in models if item.service_id not in gone]
    left = [item for item in models if item.service_id in gone]
    assert not any(item.in_use for item in left)
    assert len(kept) <= bound or all(item.in_use for item in kept)
    assert not gone or len(kept) >= bound
    latest = max((item.last_request_at for item in left), default=0.0)
    assert all(item.in_use or item.last_request_at >= latest for item in kept)


def test_one_that_nobody_calls_for_long_leaves_no_record(world: World) -> None:
    use(world)
    pass_time(world, 70)
    pass_time(world, FORGET_S - 1)
    assert record(world) is not None

    pass_time(world, 2)

    assert record(world) is None
    use(world)
    assert state(world) == "RUNNING"


def test_one_that_a_call_wakes_while_it_is_forgotten_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(world)
    pass_time(world, 70)
    before = record(world)

    def woken_meanwhile(service: Service, *, is_parked: bool, now: float) -> bool:
        found = is_forgotten(service, is_parked=is_parked, now=now)
        if found:
            world.services.warehouse.want(served(world))
        return found

    monkeypatch.setattr("nunatak.services.reconcile.services.is_forgotten", woken_meanwhile)
    pass_time(world, FORGET_S + 1)

    after = record(world)
    assert before is not None
    assert after is not None
    assert (after.id, state(world)) == (before.id, "RUNNING")


# ---- failed


def test_a_model_that_cannot_be_loaded_is_stopped_and_its_log_shown(world: World) -> None:
    world.runtime.phase = Phase.STARTING
    world.runtime.log = "No module named 'xgboost'"
    calls = [begin(world), begin(world)]
    world.iterate_until(lambda: bool(world.runtime.running))
    world.runtime.fail_to_load("ImportError: xgboost")

    for item in calls:
        with pytest.raises(
            ModelCallFailed,
            match=r"Model DB\.S\.M could not be loaded: ImportError: xgboost\n(.|\n)*No module",
        ):
            world.finish(item)
    world.settle()
    assert (world.runtime.running, state(world)) == ({}, "SUSPENDED")


@pytest.mark.parametrize("exit_code", [1, -9])
def test_one_that_ends_while_it_starts_is_not_started_again(world: World, exit_code: int) -> None:
    world.runtime.phase = Phase.STARTING
    calling = begin(world)
    world.iterate_until(lambda: bool(world.runtime.running))
    world.runtime.become(Phase.EXITED, exit_code=exit_code)

    with pytest.raises(ModelCallFailed, match="could not be loaded: The instance") as raised:
        world.finish(calling)
    pass_time(world, 30)

    assert "started again" not in str(raised.value)
    assert len(world.runtime.starts) == 1


def test_one_that_the_runtime_cannot_start_says_why(world: World) -> None:
    world.runtime.failure = NunatakError("no more processes")

    with pytest.raises(ModelCallFailed, match=r"could not be loaded: no more processes$"):
        call(world)


def test_the_call_after_a_failed_build_tries_again(world: World) -> None:
    world.builder.failure = BuildFailed("no such package")
    with pytest.raises(BuildFailed, match=r"^no such package$"):
        call(world)
    world.builder.failure = None

    use(world)

    assert (world.builder.builds, state(world)) == (2, "RUNNING")


def test_of_the_builds_that_failed_only_the_newest_is_kept(world: World) -> None:
    world.builder.failure = BuildFailed("no such package")
    for version_id in ("v-1", "v-2", "v-1", "v-1", "v-2"):
        with pytest.raises(BuildFailed):
            call(world, version_id)
        world.settle()

    builds = world.snapshot().builds

    assert world.builder.builds == 5
    assert sorted(build.spec.model.version_id for build in builds) == ["v-1", "v-2"]
    assert len(list((world.settings.home / "builds").iterdir())) == 2


def test_the_call_after_a_failed_start_tries_again(world: World) -> None:
    world.runtime.failure = NunatakError("no more processes")
    for _ in range(3):
        with pytest.raises(ModelCallFailed):
            call(world)
    world.runtime.failure = None

    use(world)

    assert (world.builder.builds, state(world)) == (1, "RUNNING")


def test_one_that_never_loads_is_given_up(world: World) -> None:
    world.runtime.phase = Phase.STARTING
    calling = begin(world)
    world.iterate_until(lambda: bool(world.runtime.running))
    world.advance(LOAD_LIMIT_S + 1)

    with pytest.raises(ModelCallFailed, match="could not be loaded: It was not loaded within"):
        world.finish(calling)


def test_an_instance_that_ended_by_itself_is_started_again(world: World) -> None:
    held = call(world)
    (address,) = held.ready()
    world.runtime.become(Phase.EXITED, exit_code=-9)
    held.gone(address)
    assert held.ready() == []

    waiting = world.begin(lambda: held.wait(threading.Event()))
    world.iterate_until(lambda: not world.runtime.running or len(world.runtime.starts) == 1)
    world.settle()
    world.advance(5)

    assert len(world.finish(waiting)) == 1
    assert len(world.runtime.starts) == 2
    held.release()


def test_an_image_that_is_outdated_is_built_again(world: World) -> None:
    use(world)
    pass_time(world, 70)
    world.builder.problems[IMAGE.digest] = "It was made for another server."

    use(world)

    assert (world.builder.builds, state(world)) == (2, "RUNNING")
    assert set(world.builder.targets) == {TargetPlatform.WAREHOUSE}


# ---- waiting


def test_a_cancelled_call_does_not_wait_nor_stop_the_start_for_others(world: World) -> None:
    world.builder.gate, cancelled = threading.Event(), threading.Event()
    calling = begin(world, cancelled=cancelled)
    world.iterate_until(lambda: world.builder.builds == 1)
    cancelled.set()
    with pytest.raises(QueryCancelled, match=r"waiting for model DB\.S\.M version V1"):
        calling.result(timeout=30)
    world.builder.gate.set()

    use(world)

    assert world.builder.builds == 1


def test_a_call_does_not_wait_for_ever(world: World) -> None:
    world.builder.gate = threading.Event()
    calls = replace(world.services.warehouse, wait_limit_s=0.01)

    with pytest.raises(DeadlineExceeded, match="model"):
        calls.open(served(world), threading.Event())

    world.builder.gate.set()


# ---- servers that follow


def test_what_an_earlier_server_left_is_taken_over(world: World) -> None:
    use(world)

    world.restart()
    use(world)

    assert (len(world.runtime.starts), world.builder.builds) == (1, 1)


def test_what_did_not_survive_the_server_waits_for_a_call(world: World) -> None:
    use(world)
    world.runtime.running.clear()

    world.restart()
    world.settle()
    assert (state(world), loaded(world)) == ("SUSPENDED", set())

    use(world)
    assert (state(world), len(world.runtime.starts)) == ("RUNNING", 2)


def test_other_bounds_hold_from_the_next_start_on(tmp_path: Path) -> None:
    with opened(tmp_path) as world:
        use(world)
        pass_time(world, 70)
        limits = replace(LIMITS, warehouse_model_workers=1, warehouse_model_cpu_share=0.5)
        world.settings = replace(world.settings, limits=limits)
        world.restart()

        use(world)

        last = world.runtime.specs[world.runtime.starts[-1]]
        assert (last.num_workers, last.cpus) == (1, 1.0)


def test_a_service_of_the_same_version_has_an_image_of_its_own(world: World) -> None:
    world.pool()
    use(world)

    world.deploy()

    assert world.builder.targets == [TargetPlatform.WAREHOUSE, TargetPlatform.CPU]
    with world.catalog.read() as tx:
        assert tx.find(warehouse_key("v-1")) is not None
    assert world.service(QualifiedName("DB", "S", "SVC")).status["state"] == "RUNNING"


def test_busy_instances_are_in_use(world: World) -> None:
    world.loads.current = InstanceLoad(1, 1.0, 1, 0.0)
    use(world)

    pass_time(world, 1000)

    assert state(world) == "RUNNING"
