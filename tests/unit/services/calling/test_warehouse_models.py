"""Models in the warehouse: started once, kept warm, stopped when nobody needs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import FLOAT
from nunatak.compute.memory_runtime import InMemoryRuntime
from nunatak.compute.nodes import Machine
from nunatak.compute.spec import MethodSpec
from nunatak.config import Limits
from nunatak.errors import (
    BuildFailed,
    ModelCallFailed,
    ObjectNotFound,
    QueryCancelled,
)
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.building.environment import Environment
from nunatak.images.requirements.declared import Declared
from nunatak.services.calling.warehouse_models import OWNER, WarehouseModels
from nunatak.services.model.ports import ServedMethod, ServedModel
from nunatak.services.model.spec import ModelRef
from nunatak.transport.address import UnixAddress
from nunatak.warehouse.model_calls.arguments import MethodSignature, Parameter

MANIFEST = """
manifest_version: "1.0"
runtimes:
  python_runtime: {language: PYTHON, version: "3.11", imports: [], dependencies: {}}
"""


class World:
    """Stands for the runtime, the builder and the models."""

    def __init__(self, folder: Path) -> None:
        (folder / "MANIFEST.yml").write_text(MANIFEST)
        self.folder = folder
        self.now = 0.0
        self.runtime = InMemoryRuntime(ready_at_once=True)
        self.builds = 0
        self.asked: tuple[str, ...] = ()
        self.before_build: Callable[[threading.Event], None] = lambda cancel: None
        self.dropped: set[str] = set()
        self.models = WarehouseModels(
            runtime=self.runtime,
            environments=self,
            models=self,
            limits=Limits(warehouse_model_idle_s=60.0, warehouse_model_workers=3),
            machine=Machine(cpus=4.0, memory_bytes=1000),
            logs=folder / "logs",
            clock=lambda: self.now,
            sleep=self.sleep,
        )
        self.while_loading: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.while_loading()

    def environment(
        self, declared: Declared, log: BuildLog, cancel: threading.Event
    ) -> Environment:
        self.builds += 1
        self.asked = declared.pip
        self.before_build(cancel)
        return Environment("d", Path("/environments/d"), 1)

    def resolve_for_warehouse(self, model: QualifiedName, version: str) -> ServedModel:
        raise NotImplementedError

    def load(self, ref: ModelRef) -> ServedModel:
        if ref.version_id in self.dropped:
            raise ObjectNotFound("Model version", ref.version_id)
        return self.served(ref.version_id)

    def served(self, version_id: str = "v1") -> ServedModel:
        method = ServedMethod(
            spec=MethodSpec(name="PREDICT", handler="f.predict.infer", path="predict"),
            signature=MethodSignature(inputs=(Parameter("A", FLOAT),)),
        )
        return ServedModel(
            ref=ModelRef("D", "S", "M", "V1", version_id),
            folder=self.folder,
            digest="x",
            methods=(method,),
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.models.close()


def never() -> threading.Event:
    return threading.Event()


def test_a_call_starts_the_instance_with_the_versions_environment(world: World) -> None:
    held = world.models.instances(world.served(), never())
    [address] = held.ready()
    [spec] = world.runtime.started
    assert spec.python == ("/environments/d/bin/python",)
    assert "pyarrow" in world.asked
    assert (spec.num_workers, spec.live.egress) == (3, None)
    assert (spec.cpus, spec.memory_limit_bytes) == (3.0, 500)
    assert spec.labels == {"owner": OWNER, "version": "v1"}
    assert address == world.runtime.observe()[0].address
    held.release()


def test_many_first_calls_start_it_once(world: World) -> None:
    gate, all_wait = threading.Event(), threading.Barrier(9)
    world.before_build = lambda _: (gate.wait(30), None)[1]
    found: list[Any] = []

    def call() -> None:
        all_wait.wait(30)
        found.append(world.models.instances(world.served(), never()).ready())

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    all_wait.wait(30)
    gate.set()
    for caller in callers:
        caller.join()
    assert (len(found), len(set(found)), world.builds) == (8, 1, 1)


def test_it_is_stopped_when_it_was_idle_for_long_enough_and_not_before(world: World) -> None:
    held = world.models.instances(world.served(), never())
    world.now += 1000
    world.models.iterate()
    assert world.runtime.stopped == []
    held.release()
    world.now += 59
    world.models.iterate()
    assert world.runtime.stopped == []
    world.now += 1
    world.models.iterate()
    assert world.runtime.stopped == ["warehouse-v1"]


def test_it_is_stopped_when_its_version_is_dropped(world: World) -> None:
    world.models.instances(world.served(), never()).release()
    world.dropped.add("v1")
    world.models.iterate()
    assert world.runtime.observe() == []


def test_a_model_that_cannot_be_loaded_is_stopped_and_its_log_shown(world: World) -> None:
    world.runtime._ready_at_once = False

    def fail() -> None:
        world.runtime.write_log("warehouse-v1", "No module named 'xgboost'")
        world.runtime.fail_to_load("warehouse-v1", "ImportError: xgboost")

    world.while_loading = fail
    with pytest.raises(ModelCallFailed, match=r"ImportError: xgboost\n(.|\n)*No module named"):
        world.models.instances(world.served(), never())
    assert world.runtime.observe() == []


def test_the_call_after_a_failure_tries_again(world: World) -> None:
    def fail(_: threading.Event) -> None:
        if world.builds == 1:
            raise BuildFailed("no such package")

    world.before_build = fail
    with pytest.raises(BuildFailed):
        world.models.instances(world.served(), never())
    assert world.models.instances(world.served(), never()).ready()


def test_one_that_never_loads_is_given_up(world: World) -> None:
    world.runtime._ready_at_once = False
    with pytest.raises(ModelCallFailed, match="could not be loaded"):
        world.models.instances(world.served(), never())
    assert world.now > 800


def test_a_cancelled_call_does_not_wait_nor_stop_the_start_for_others(world: World) -> None:
    gate, cancelled = threading.Event(), threading.Event()
    world.before_build = lambda _: (gate.wait(30), None)[1]
    cancelled.set()
    with pytest.raises(QueryCancelled):
        world.models.instances(world.served(), cancelled)
    gate.set()
    assert world.models.instances(world.served(), never()).ready()
    assert world.builds == 1


def test_an_instance_that_ended_by_itself_is_started_again(world: World) -> None:
    held = world.models.instances(world.served(), never())
    held.gone(held.ready()[0])
    assert len(world.runtime.started) == 1
    world.runtime.end("warehouse-v1", exit_code=-9)
    held.gone(UnixAddress(Path("/nonexistent")))
    assert held.ready() == ()
    assert held.wait(never())
    assert len(world.runtime.started) == 2


def test_what_an_earlier_server_left_is_taken_over(world: World) -> None:
    world.models.instances(world.served(), never())
    later = WarehouseModels(
        runtime=world.runtime,
        environments=world,
        models=world,
        limits=Limits(),
        machine=Machine(cpus=4.0, memory_bytes=1000),
        logs=world.folder,
        clock=lambda: world.now,
    )
    later.recover()
    assert later.instances(world.served(), never()).ready()
    assert world.builds == 1
    later.close()
    assert world.runtime.observe() == []


def test_closing_lets_nobody_wait(world: World) -> None:
    begun = threading.Event()

    def build(cancel: threading.Event) -> None:
        begun.set()
        cancel.wait(30)
        raise QueryCancelled("stopped")

    world.before_build = build
    failures: list[BaseException] = []

    def call() -> None:
        try:
            world.models.instances(world.served(), never())
        except QueryCancelled as error:
            failures.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    assert begun.wait(30)
    world.models.close()
    caller.join()
    assert len(failures) == 1


def test_nothing_is_started_after_closing(world: World) -> None:
    world.models.close()

    with pytest.raises(QueryCancelled, match="stopping"):
        world.models.instances(world.served(), never())
