"""Calls an instance with columns in a memory file, which nobody on the way to the model copies.

The other end is `nunatak.inference.server.shm_server`; the frames are those of
docs/worker-protocol.md.
"""

from __future__ import annotations

import array
import socket
from collections.abc import Mapping
from pathlib import Path

from nunatak.transport.client.connections import Answer, left_s
from nunatak.transport.client.dialing import unix_connected
from nunatak.transport.shm.frames import (
    Frame,
    FrameError,
    FrameParser,
    FrameType,
    encode_with_descriptor,
)

_RECEIVE_BYTES = 256 * 1024
_DESCRIPTOR_BYTES = socket.CMSG_SPACE(4)


class ShmClientConnection:
    """A connection to an instance (`nunatak.transport.client.connections.Reusable`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._parser = FrameParser()
        self._number = 0

    def open(self, until: float) -> socket.socket:
        """The connected socket; see `Reusable`."""
        if self._socket is None:
            self._socket = unix_connected(str(self._path), left_s(until))
        self._socket.settimeout(left_s(until))
        return self._socket

    def close(self) -> None:
        """Close it; `open` connects anew."""
        self._parser.close()
        self._parser = FrameParser()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, target: str, headers: Mapping[str, str], descriptor: int, size: int) -> Answer:
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

    def _answer(self, frame: Frame) -> Answer:
        head = frame.head
        if frame.type is not FrameType.ANSWER or frame.id != self._number:
            raise FrameError(f"frame {frame.type.name} of question {frame.id} is not expected")
        try:
            body = frame.body[: int(head["size"])]
            let_go = head.get("let_go") is True
            return Answer(int(head["status"]), dict(head["headers"]), body, let_go)
        except (KeyError, TypeError, ValueError) as error:
            raise FrameError(f"an answer cannot be read: {error}") from error


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
    return found.tolist()
