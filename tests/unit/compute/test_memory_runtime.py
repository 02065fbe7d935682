"""The double keeps the same contract as the process runtime's own tests ask of that one."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.compute.memory_runtime import InMemoryRuntime
from nunatak.compute.runtime import Phase, Runtime
from nunatak.compute.spec import InstanceSpec
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound, ServiceUnavailable


def spec(name: str = "svc-0") -> InstanceSpec:
    return InstanceSpec(id=name, service="S", python=("python",), model_dir=Path("/m"), methods=())


def test_an_instance_goes_from_starting_to_ready_to_gone() -> None:
    memory = InMemoryRuntime(clock=lambda: 7.0)
    runtime: Runtime = memory
    runtime.start(spec())
    assert runtime.observe()[0].phase is Phase.STARTING
    memory.played.become_ready("svc-0")
    assert (runtime.observe()[0].phase, runtime.observe()[0].ready_at) == (Phase.READY, 7.0)
    runtime.stop("svc-0", grace_s=1.0)
    runtime.stop("svc-0", grace_s=1.0)
    assert runtime.observe() == []
    assert memory.stopped == ["svc-0"]


def test_only_one_that_ended_may_be_started_again() -> None:
    runtime = InMemoryRuntime()
    runtime.start(spec())
    with pytest.raises(ObjectExists):
        runtime.start(spec())
    runtime.played.write_log("svc-0", "last words")
    runtime.played.end("svc-0", exit_code=1, out_of_memory=True)
    assert runtime.observe()[0].out_of_memory
    runtime.start(spec())
    assert runtime.logs("svc-0", lines=5) == ""
    assert runtime.logs("svc-0", lines=5, previous=True) == "last words\n"


def test_an_instance_that_was_ready_is_parked_and_woken() -> None:
    runtime = InMemoryRuntime(clock=lambda: 7.0)
    runtime.start(spec())
    early = runtime.park("svc-0", grace_s=1.0)
    runtime.played.become_ready("svc-0")
    assert (early, runtime.park("svc-0", grace_s=1.0)) == (False, True)
    assert (runtime.observe()[0].phase, runtime.observe()[0].parked_at) == (Phase.PARKED, 7.0)
    with pytest.raises(ObjectExists):
        runtime.start(spec())
    runtime.refuses_waking = True
    with pytest.raises(ServiceUnavailable):
        runtime.wake(spec())
    runtime.refuses_waking = False
    runtime.wake(spec())
    assert (runtime.observe()[0].phase, runtime.woken) == (Phase.STARTING, ["svc-0"])
    with pytest.raises(ObjectNotFound):
        runtime.wake(spec())
    runtime.refuses_parking = True
    runtime.played.become_ready("svc-0")
    assert not runtime.park("svc-0", grace_s=1.0)


def test_unknown_instances_have_no_log() -> None:
    with pytest.raises(ObjectNotFound):
        InMemoryRuntime().logs("x", lines=1)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 101])
def test_ids_that_are_no_folder_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        spec(name)
