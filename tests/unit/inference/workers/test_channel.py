import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from nunatak.inference.core.errors import ModelError, WorkerLost
from nunatak.inference.workers.channel import Channel
from nunatak.transport.shm.frames import Frame, FrameType
from nunatak.worker import frames as worker_frames

pytestmark = pytest.mark.asyncio


class Ends:
    """A channel and the worker's end of it, in one process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.notices: list[Frame] = []
        self.channel = Channel(ours, notice=self.notices.append)
        self.worker = worker_frames.FrameSocket(theirs)

    def receive(self) -> worker_frames.WorkerFrame:
        """What the worker gets."""
        frame = self.worker.receive()
        assert frame is not None
        return frame


@pytest.fixture
def ends() -> Iterator[list[Ends]]:
    """Closed when the test is over."""
    made: list[Ends] = []
    yield made
    for pair in made:
        pair.worker.close()


async def opened(ends: list[Ends]) -> Ends:
    """A fresh pair on the running loop."""
    ends.append(Ends())
    return ends[-1]


async def test_a_question_that_was_sent_before_is_number_one(ends: list[Ends]) -> None:
    pair = await opened(ends)
    answer = pair.channel.expect()
    pair.worker.send(worker_frames.LOADED, 1, {"early": True}, [])
    assert (await answer).head == {"early": True}
    later = pair.channel.ask(FrameType.PREDICT, {})
    assert pair.receive().id == 2
    pair.channel.close("over")
    with pytest.raises(WorkerLost, match="over"):
        await later
    with pytest.raises(WorkerLost, match="over"):
        await pair.channel.expect()


async def test_an_answer_reaches_its_question(ends: list[Ends]) -> None:
    pair = await opened(ends)
    first = pair.channel.ask(FrameType.PREDICT, {"n": 1})
    second = pair.channel.ask(FrameType.PREDICT, {"n": 2}, buffers=[b"12345"])
    asked = [pair.receive(), pair.receive()]
    for question in reversed(asked):
        pair.worker.send(worker_frames.RESULT, question.id, {"for": question.head["n"]}, [])

    assert [(await first).head, (await second).head] == [{"for": 1}, {"for": 2}]
    assert bytes(asked[1].body) == b"12345\0\0\0"
    assert pair.channel.peer_pid == os.getpid()
    pair.channel.close()


async def test_an_error_is_raised_with_its_traceback(ends: list[Ends]) -> None:
    pair = await opened(ends)
    answer = pair.channel.ask(FrameType.PREDICT, {})
    head = {"message": "ValueError: no", "traceback": "line 1"}
    pair.worker.send(worker_frames.ERROR, pair.receive().id, head, [])

    with pytest.raises(ModelError, match="ValueError: no") as caught:
        await answer
    assert caught.value.traceback == "line 1"
    pair.channel.close()


async def test_open_questions_fail_when_the_worker_is_gone(ends: list[Ends]) -> None:
    pair = await opened(ends)
    answer = pair.channel.ask(FrameType.PREDICT, {})
    pair.worker.close()

    with pytest.raises(WorkerLost):
        await answer
    assert pair.channel.closed.done()
    with pytest.raises(WorkerLost):
        await pair.channel.ask(FrameType.PREDICT, {})


async def test_a_worker_that_breaks_the_protocol_is_cut_off(ends: list[Ends]) -> None:
    pair = await opened(ends)
    answer = pair.channel.ask(FrameType.PREDICT, {})
    os.write(pair.worker.fileno(), b"x" * 64)

    with pytest.raises(WorkerLost, match="broke the protocol"):
        await answer


async def test_an_answer_that_nobody_asked_for_ends_the_connection(ends: list[Ends]) -> None:
    pair = await opened(ends)
    pair.worker.send(worker_frames.RESULT, 99, {}, [])

    assert "nobody asked" in await pair.channel.closed


async def test_a_late_answer_to_an_abandoned_question_is_dropped(ends: list[Ends]) -> None:
    pair = await opened(ends)
    abandoned = pair.channel.ask(FrameType.PREDICT, {})
    abandoned.cancel()
    kept = pair.channel.ask(FrameType.PREDICT, {})
    for _ in range(2):
        pair.worker.send(worker_frames.RESULT, pair.receive().id, {}, [])

    await kept
    assert not pair.channel.closed.done()
    pair.channel.close()


async def test_notices_are_no_answers(ends: list[Ends]) -> None:
    pair = await opened(ends)
    answer = pair.channel.ask(FrameType.FORK, {})
    number = pair.receive().id
    pair.worker.send(worker_frames.EXITED, number, {"code": 1}, [])
    pair.worker.send(worker_frames.FORKED, number, {}, [])

    assert (await answer).type is FrameType.FORKED
    assert [notice.head for notice in pair.notices] == [{"code": 1}]
    pair.channel.close()


async def test_a_descriptor_is_handed_over_and_closed_here(ends: list[Ends]) -> None:
    pair = await opened(ends)
    read_end, write_end = os.pipe()
    pair.channel.ask(FrameType.FORK, {}, descriptor=write_end)
    received = pair.receive().descriptor
    os.write(received, b"hello")
    os.close(received)

    assert os.read(read_end, 10) == b"hello"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(write_end)
    os.close(read_end)
    pair.channel.close()


async def test_more_than_the_socket_holds_is_sent_piece_by_piece(
    ends: list[Ends], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    pair = await opened(ends)
    body = os.urandom(3_000_000)
    pair.channel.ask(FrameType.PREDICT, {}, buffers=[body])
    received = await asyncio.to_thread(pair.receive)

    assert bytes(received.body) == body
    pair.channel.close()
