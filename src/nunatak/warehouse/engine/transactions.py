"""Open transactions: a session in BEGIN … COMMIT keeps one connection."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nunatak.errors import NunatakError, QueryFailed
from nunatak.warehouse.engine.engine import EngineConnection


class Transactions:
    """The connections of sessions that have a transaction open, by session id."""

    def __init__(self) -> None:
        self._open: dict[int, EngineConnection] = {}
        self._lock = threading.Lock()

    def connection(self, session_id: int) -> EngineConnection | None:
        """The session's connection while its transaction is open."""
        with self._lock:
            return self._open.get(session_id)

    def begin(self, session_id: int, connect: Callable[[], EngineConnection]) -> None:
        """Open a transaction; one that is open already goes on."""
        if self.connection(session_id) is not None:
            return
        connection = connect()
        connection.execute("BEGIN")
        with self._lock:
            self._open[session_id] = connection

    def end(self, session_id: int, *, commit: bool) -> None:
        """Commit or roll back what is open; does nothing when nothing is.

        Raises QueryFailed when a statement of the transaction had failed: then nothing of it is
        kept.
        """
        with self._lock:
            connection = self._open.pop(session_id, None)
        if connection is None:
            return
        with connection:
            if commit:
                _check(connection)
            connection.execute("COMMIT" if commit else "ROLLBACK")
            for action in connection.on_commit if commit else ():
                action()

    def abandon(self, session_id: int) -> None:
        """Stop what the session's connection does and forget its transaction."""
        with self._lock:
            connection = self._open.pop(session_id, None)
        if connection is not None:
            connection.interrupt()
            connection.close()


def _check(connection: EngineConnection) -> None:
    """The engine gives a transaction up when a statement in it fails, and would commit nothing
    without a word."""
    try:
        connection.execute("SELECT 1")
    except NunatakError as error:
        connection.execute("ROLLBACK")
        raise QueryFailed(
            "The transaction was rolled back, because a statement in it failed: repeat all of it."
        ) from error
