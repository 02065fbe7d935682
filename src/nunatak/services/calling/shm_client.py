"""Calls an instance with columns in a memory file, which nobody on the way to the model copies.

The other end is `nunatak.inference.server.shm_server`; the frames are those of
docs/worker-protocol.md.
"""

from __future__ import annotations

import array
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nunatak.inference.core.errors import FrameError
from nunatak.inference.workers.frames import Frame, FrameParser, FrameType, encode_with_descriptor
from nunatak.services.calling.connections import connected, wait_until

_RECEIVE_BYTES = 256 * 1024
_DESCRIPTOR_BYTES = socket.CMSG_SPACE(4)


@dataclass(frozen=True, slots=True)
class MemoryAnswer:
    """What an instance answered; `headers` have names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: memoryview
    let_go: bool
    """Whether nobody there looks into the memory file of the request any more."""


class MemoryLine:
    """One connection to an instance (`nunatak.services.calling.connections.Reusable`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._parser = FrameParser()
        self._number = 0

    def open(self, deadline: float) -> socket.socket:
        """The connected socket, which waits no longer than a little past the deadline."""
        if self._socket is None:
            self._socket = connected(self._path)
        return wait_until(self._socket, deadline)

    def close(self) -> None:
        """Close it; `open` connects anew."""
        self._parser.close()
        self._parser = FrameParser()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(
        self, target: str, headers: Mapping[str, str], descriptor: int, size: int
    ) -> MemoryAnswer:
        """Send a request whose body is a memory file, and wait. Raises OSError, FrameError."""
        assert self._socket is not None
        self._number += 1
        head = {"target": target, "headers": {k.lower(): v for k, v in headers.items()}}
        outgoing = encode_with_descriptor(
            FrameType.CALL, self._number, head, descriptor=descriptor, size=size
        )
        rights = array.array("i", [descriptor])
        sent = self._socket.sendmsg(
            [outgoing.data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
        )
        self._socket.sendall(outgoing.data[sent:])
        return self._answer(self._receive(self._socket))

    def _receive(self, connection: socket.socket) -> Frame:
        while True:
            data, ancillary, _, _ = connection.recvmsg(
                _RECEIVE_BYTES, _DESCRIPTOR_BYTES, socket.MSG_CMSG_CLOEXEC
            )
            if not data:
                raise ConnectionResetError("it closed the connection")
            frames = self._parser.feed(data, descriptors=_descriptors(ancillary))
            if frames:
                return frames[0]

    def _answer(self, frame: Frame) -> MemoryAnswer:
        head = frame.head
        if frame.type is not FrameType.ANSWER or frame.id != self._number:
            raise FrameError(f"frame {frame.type.name} of question {frame.id} is not expected")
        try:
            body = frame.body[: int(head["size"])]
            let_go = head.get("let_go") is True
            return MemoryAnswer(int(head["status"]), dict(head["headers"]), body, let_go)
        except (KeyError, TypeError, ValueError) as error:
            raise FrameError(f"an answer cannot be read: {error}") from error


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
    return found.tolist()
