"""A backup's side of the hold that a running server keeps for it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nunatak.errors import NunatakError
from nunatak.maintenance.hold_server import RESUME, SOCKET, STOP, reached

_ANSWER_S = 300.0
"""The engine may be writing a large log into its file, which it ends first."""


class HeldHome:
    """A home of which the running server holds the files for this process, until the connection
    is closed. `stopped_s` is how long changes of files had to wait."""

    def __init__(self, connection: socket.socket, answers: BinaryIO) -> None:
        self._connection, self._answers = connection, answers
        self.stopped_s = 0.0
        self._heard()

    @contextmanager
    def changes_stopped(self) -> Iterator[None]:
        """No file of a stage or model gets a name, or loses it, meanwhile. Raises NunatakError
        when that took longer than the server allows."""
        began = time.monotonic()
        self._ask(STOP)
        yield
        self._ask(RESUME)
        self.stopped_s += time.monotonic() - began

    def require_held(self) -> None:
        """Raises NunatakError when the server has stopped: its files are not what they were."""
        self._connection.settimeout(0)
        try:
            if not self._connection.recv(1, socket.MSG_PEEK):
                raise _ended()
        except BlockingIOError:
            return
        except OSError as error:
            raise _ended() from error
        finally:
            self._connection.settimeout(_ANSWER_S)

    def _ask(self, what: str) -> None:
        try:
            self._connection.sendall(f"{what}\n".encode())
        except OSError as error:
            self._heard()  # it may have said why before it closed the connection
            raise _ended() from error
        self._heard()

    def _heard(self) -> None:
        try:
            line = self._answers.readline()
        except OSError as error:
            raise _ended() from error
        if not line:
            raise _ended()
        if problem := json.loads(line)["error"]:
            raise NunatakError(f"There is no backup: {problem}.")


@contextmanager
def hold_running(home: Path) -> Iterator[HeldHome]:
    """Let the server that uses a home hold its files. Raises NunatakError where it does not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_S)
        try:
            with reached(home) as address:
                connection.connect(address)
        except OSError as error:
            raise NunatakError(
                f"A process uses {home} and does not answer at {SOCKET}: a server that starts or "
                "stops, one of an earlier version, or one of another user. Try again, or stop it."
            ) from error
        with connection.makefile("rb") as answers:
            yield HeldHome(connection, answers)


def _ended() -> NunatakError:
    return NunatakError(
        "There is no backup: the server stopped meanwhile. Run the command again; what was copied "
        "so far is not copied anew."
    )
