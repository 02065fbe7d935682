"""A worker's loop, over a channel that is played."""

import gc
import mmap
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import pytest

from nunatak.worker import frames
from nunatak.worker.frames import FrameSocket, WorkerFrame
from nunatak.worker.host import Host
from nunatak.worker.model import LoadedModel, ResultContent


class Memory(mmap.mmap):
    """A batch in shared memory that can be watched."""


class Played:
    """Brings one batch, and notes whether it is still there when the next one is asked for."""

    def __init__(self) -> None:
        memory = Memory(-1, 4096)
        self._batch = weakref.ref(memory)
        self._frames = [WorkerFrame(frames.PREDICT, 7, {"method": "PREDICT"}, memoryview(memory))]
        self.sent: list[int] = []
        self.held = True

    def receive(self) -> WorkerFrame | None:
        if self._frames:
            return self._frames.pop()
        self.held = self._batch() is not None
        return None

    def send(self, kind: int, number: int, head: dict[str, Any], buffers: list[Any]) -> None:
        assert number == 7
        self.sent.append(kind)


class Summing:
    """A model that reads its batch."""

    shortcuts: ClassVar[dict[str, Any]] = {}

    def predict(self, frame: WorkerFrame) -> ResultContent:
        return ResultContent({"sum": sum(frame.body)}, [])


class Raising(Summing):
    """A model that does not."""

    def predict(self, frame: WorkerFrame) -> ResultContent:
        raise ValueError("no")


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    ("model", "answer"), [(Summing(), frames.RESULT), (Raising(), frames.ERROR)]
)
def test_an_idle_worker_holds_no_batch(model: Summing, answer: int) -> None:
    channel = Played()
    Host(cast("LoadedModel", model), threads=1).serve(cast("FrameSocket", channel))
    assert channel.sent == [answer]
    assert not channel.held
