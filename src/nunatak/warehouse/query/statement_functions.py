"""Functions of the engine that live as long as one statement."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from nunatak.catalog.sqltypes import SEMI_STRUCTURED, SqlType
from nunatak.errors import NunatakError
from nunatak.warehouse.core.types import engine_type
from nunatak.warehouse.engine.engine import Engine, EngineConnection
from nunatak.warehouse.rewrite.context import MadeFunction

Body = Callable[[Sequence[pa.Array]], pa.Array]
_NAME = "__NUNATAK_FUNCTION_"
_IN_TRANSACTION = "_T"


class StatementFunctions:
    """The functions of one statement, which all of its connections may call.

    They are made on a connection of their own, where they are at once there for every other one.
    A transaction that began earlier does not see them: its connection gets its own. Their names
    cannot be guessed, since the engine would let any statement call them.
    """

    def __init__(self, engine: Engine, *, pinned: EngineConnection | None) -> None:
        """`pinned` is the connection of the transaction that the statement is in."""
        self._engine = engine
        self._pinned = pinned
        self._maker: EngineConnection | None = None
        self._made: dict[str, MadeFunction] = {}
        self._users: list[EngineConnection] = []
        self._lock = threading.Lock()

    def made(self, connection: EngineConnection) -> Mapping[str, MadeFunction]:
        """Functions that have been made so far, as this connection calls them, by the name in the
        statement."""
        if connection is not self._pinned:
            return self._made
        return {
            name: MadeFunction(name + _IN_TRANSACTION, made.parameters, made.result)
            for name, made in self._made.items()
        }

    def used_by(self, connection: EngineConnection) -> None:
        """Add a user of the functions: what one raises is to be known to this connection, whose
        engine passes it on as mere text."""
        with self._lock:
            self._users.append(connection)

    def make(self, parameters: Sequence[SqlType], result: SqlType, body: Body) -> str:
        """See `QueryRunner.function`."""
        if self._maker is None:
            self._maker = self._engine.connect()
        name = _NAME + secrets.token_hex(16).upper()
        types, known = [_type(kind) for kind in parameters], self._known(body)
        self._maker.create_function(name, types, _type(result), known)
        self._made[name] = MadeFunction(name, tuple(parameters), result)
        if self._pinned is not None:
            self._pinned.create_function(name + _IN_TRANSACTION, types, _type(result), known)
        return name

    def close(self) -> None:
        """Forget them."""
        if self._maker is None:
            return
        for name in self._made:
            self._maker.drop_function(name)
            if self._pinned is not None:
                try:
                    self._pinned.drop_function(name + _IN_TRANSACTION)
                except NunatakError:
                    continue  # a transaction that failed takes them with it
        self._maker.close()
        self._maker = None

    def _known(self, body: Body) -> Body:
        def run(columns: Sequence[pa.Array]) -> pa.Array:
            try:
                return body(columns)
            except NunatakError as error:
                with self._lock:
                    for connection in self._users:
                        connection.cause = connection.cause or error
                raise

        return run


def _type(kind: SqlType) -> str:
    """The engine's type of an argument or result; semi-structured values go as text."""
    return "VARCHAR" if kind.kind in SEMI_STRUCTURED else engine_type(kind)
