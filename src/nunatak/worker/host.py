"""The model process: it has the model in memory, answers predictions, and forks itself when told
to.

A process that is told to FORK is a fork server; it computes nothing itself, so that no library
has started threads when it forks. One that is not told so is a worker of its own.
"""

import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any, Optional

from . import frames, model, native, output, trial
from .frames import FrameSocket, WorkerFrame, WorkerFrameError

SMALL_BATCH_ROWS = 1000
"""Up to here one thread walks trees sooner than a team of threads is woken."""
LOADING_THRESHOLDS = (50_000, 20, 100)
"""For the collector while a model is loaded: what imports make lives on, and looking through it
after every 700 new objects takes a tenth of the time."""
TRACEBACK_LIMIT = 8000
"""Characters of a traceback that are sent; the end is kept, where the cause stands."""


def main(arguments: list[str]) -> int:
    """Serve the socket whose descriptor is the only argument, until its peer closes it."""
    channel = FrameSocket(socket.socket(fileno=int(arguments[0])))
    sys.argv[:] = [""]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    native.die_with_parent(os.getppid())
    output.capture()
    first = channel.receive()
    if first is None:
        return 0
    if first.type != frames.LOAD:
        raise WorkerFrameError(f"the first frame must be LOAD, not {first.type}")
    loaded = _load(channel, first)
    if loaded is None:
        return 1
    Host(loaded, threads=int(first.head["threads"])).serve(channel)
    return 0


def _load(channel: FrameSocket, frame: WorkerFrame) -> Any:
    began = time.monotonic()
    output.begin("load")
    thresholds = gc.get_threshold()
    gc.set_threshold(*LOADING_THRESHOLDS)
    try:
        loaded = model.load(frame.head)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # loading runs the model's code
        send_error(channel, frame, error)
        return None
    finally:
        gc.set_threshold(*thresholds)
        output.end()
    gc.collect()
    gc.freeze()
    facts = dict(native.process_facts(), **model.describe(loaded))
    facts["load_s"] = time.monotonic() - began
    channel.send(frames.LOADED, frame.id, facts, [])
    return loaded


def send_error(channel: FrameSocket, frame: WorkerFrame, error: BaseException) -> None:
    """Answer a frame with the exception that it led to."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    message = f"{type(error).__name__}: {str(error)[:TRACEBACK_LIMIT]}"
    head = {"message": message, "traceback": text[-TRACEBACK_LIMIT:]}
    channel.send(frames.ERROR, frame.id, head, [])


class Host:
    """The loop over one channel, and the children forked from it."""

    def __init__(self, loaded: model.LoadedModel, *, threads: int) -> None:
        self._model = loaded
        self._threads = threads
        self._openmp: Optional[native.OpenMP] = None
        self._children: dict[int, int] = {}
        self._wakeup = -1
        self._wakeup_write = -1

    def serve(self, channel: FrameSocket) -> None:
        """Answer frames until the peer closes the channel."""
        while True:
            if self._children:
                self._wait(channel)
            frame = channel.receive()
            if frame is None:
                return
            if frame.type == frames.FORK:
                channel = self._fork(channel, frame)
                continue
            self._set_threads(frame)
            self._answer(channel, frame)
            del frame  # or an idle worker would hold its last batch in memory

    def _set_threads(self, frame: WorkerFrame) -> None:
        """Share of the processors for one frame; a process that only forks never comes here."""
        if self._openmp is None:
            self._openmp = native.OpenMP()
        rows = frame.head.get("rows")
        small = isinstance(rows, int) and rows < SMALL_BATCH_ROWS
        shortcut = self._model.shortcuts.get(str(frame.head.get("method")))
        single = small and shortcut is not None and shortcut.alone
        self._openmp.use(1 if single else self._threads)

    def _answer(self, channel: FrameSocket, frame: WorkerFrame) -> None:
        output.begin(str(frame.head.get("request_id", "-")))
        began = time.monotonic()
        try:
            if frame.type == frames.PREDICT:
                answer = self._model.predict(frame)
                answer.head["model_s"] = time.monotonic() - began
                answer.head["let_go"] = frames.let_go(frame.body)
                channel.send(frames.RESULT, frame.id, answer.head, answer.buffers)
            elif frame.type == frames.TRIAL:
                channel.send(
                    frames.TRIED,
                    frame.id,
                    trial.run(self._model, shortcuts=bool(frame.head.get("direct"))),
                    [],
                )
            else:
                raise WorkerFrameError(f"a worker takes no frame of type {frame.type}")
        except OSError:
            raise  # the channel is gone, and with it whoever would read an answer
        except (Exception, SystemExit) as error:  # noqa: BLE001
            # The boundary of a request: whatever the model raises is its caller's answer.
            send_error(channel, frame, error)
        finally:
            output.end()

    def _fork(self, control: FrameSocket, frame: WorkerFrame) -> FrameSocket:
        """In the parent, report the child and return its own channel; in the child, the child's."""
        if self._wakeup < 0:
            self._watch_children()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            os.close(frame.descriptor)
            self._children[pid] = frame.id
            control.send(frames.FORKED, frame.id, {}, [])
            return control
        native.die_with_parent(parent)
        control.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._wakeup)
        os.close(self._wakeup_write)
        self._children.clear()
        trial.adopt(self._model, frame.head.get("direct") or {})
        channel = FrameSocket(socket.socket(fileno=frame.descriptor))
        channel.send(frames.READY, frame.id, {}, [])
        return channel

    def _watch_children(self) -> None:
        self._wakeup, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _wait(self, channel: FrameSocket) -> None:
        """Wait for a frame; report children that end meanwhile."""
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while not channel.pending:
            self._reap(channel)
            ready = [descriptor for descriptor, _ in poll.poll()]
            if self._wakeup in ready:
                os.read(self._wakeup, 512)
            if channel.fileno() in ready:
                return

    def _reap(self, channel: FrameSocket) -> None:
        for child, number in list(self._children.items()):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                del self._children[pid]
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
                channel.send(frames.EXITED, number, {"code": code}, [])
