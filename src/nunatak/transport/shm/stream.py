"""Frames in and out of one connected unix socket, on the event loop."""

import array
import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable

from nunatak.transport.shm.frames import MAX_BODY_BYTES, Frame, FrameError, FrameParser, Outgoing
from nunatak.transport.shm.memory_file import SEALS

_RECEIVE_BYTES = 128 * 1024
_ANCILLARY_BYTES = socket.CMSG_SPACE(4 * 4) + socket.CMSG_SPACE(12)
_CREDENTIALS = struct.Struct("=iII")

_received = memoryview(bytearray(_RECEIVE_BYTES))
"""What one read brings; one for all streams, since it is copied before the next read."""


class FrameStream:
    """Sends frames as they are given, hands on those that come.

    ``received`` is called with each frame; when it raises FrameError the stream ends. ``ended`` is
    called once, with the reason. Belongs to the loop that it was made on.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        received: Callable[[Frame], None],
        ended: Callable[[str], None],
        max_body_bytes: int = MAX_BODY_BYTES,
        seals: int = SEALS,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._received_frame = received
        self._ended = ended
        self._parser = FrameParser(max_body_bytes=max_body_bytes, seals=seals)
        self._unsent: deque[Outgoing] = deque()
        self._writing = False
        self.closed = False
        self.peer_pid = 0
        connection.settimeout(0)
        # The kernel then tells the peer's number as this process sees it, whatever namespace
        # the peer runs in.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._loop.add_reader(connection.fileno(), self._on_readable)

    @property
    def idle(self) -> bool:
        """Whether everything that was given has been sent."""
        return not self._unsent

    def send(self, outgoing: Outgoing) -> None:
        """Send a frame, after those before it. Its descriptor is closed here."""
        if self.closed:
            _close_descriptor(outgoing)
            return
        self._unsent.append(outgoing)
        if not self._writing:
            self._on_writable()

    def close(self, reason: str) -> None:
        """End the connection."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._parser.close()
        while self._unsent:
            _close_descriptor(self._unsent.popleft())
        ended = self._ended
        # Whoever made the stream holds it: without these the two do not hold each other.
        self._ended = self._received_frame = _nobody
        ended(reason)

    def _on_readable(self) -> None:
        try:
            size, ancillary, _, _ = self._socket.recvmsg_into(
                [_received], _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"the connection failed: {error}")
            return
        descriptors = self._read_ancillary(ancillary)
        try:
            frames = self._parser.feed(bytes(_received[:size]), descriptors=descriptors)
            if not size:
                self._parser.finish()
            for frame in frames:
                self._received_frame(frame)
        except FrameError as error:
            self.close(f"the process broke the protocol: {error}")
            return
        except Exception:
            self.close(
                "the inference server failed; see its log"
            )  # or the peer would wait for ever
            raise
        if not size:
            self.close("the process ended")

    def _read_ancillary(self, ancillary: list[tuple[int, int, bytes]]) -> list[int]:
        descriptors: list[int] = []
        for level, kind, content in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_RIGHTS:
                rights = array.array("i")
                rights.frombytes(content[: len(content) - len(content) % rights.itemsize])
                descriptors.extend(rights)
            elif kind == socket.SCM_CREDENTIALS and not self.peer_pid:
                self.peer_pid = _CREDENTIALS.unpack(content)[0]
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        return descriptors

    def _on_writable(self) -> None:
        try:
            while self._unsent:
                self._send_some()
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._socket.fileno(), self._on_writable)
            return
        except OSError as error:
            self.close(f"the connection failed: {error}")
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket.fileno())

    def _send_some(self) -> None:
        outgoing = self._unsent[0]
        if outgoing.descriptor >= 0:
            rights = array.array("i", [outgoing.descriptor])
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
            sent = self._socket.sendmsg([outgoing.data], ancillary)
            _close_descriptor(outgoing)
        else:
            sent = self._socket.send(outgoing.data)
        if sent == len(outgoing.data):
            self._unsent.popleft()
        else:
            self._unsent[0] = Outgoing(outgoing.data[sent:])


def _nobody(_: object) -> None:
    """Receiver of what comes to a stream that has ended."""


def _close_descriptor(outgoing: Outgoing) -> None:
    if outgoing.descriptor >= 0:
        os.close(outgoing.descriptor)
