"""A server with the real protocol room and a stand-in for the SQL front end.

Run as a program; prints `ready <address>`. The stand-in knows the statements below, each of which
drives one behaviour of the protocol.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import re
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from nunatak.access.bootstrap import prepare_account, write_own_connection
from nunatak.access.service import Access
from nunatak.catalog import sqltypes
from nunatak.catalog.engine import Database
from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.config import Limits, Settings
from nunatak.disk import Disk
from nunatak.errors import ObjectNotFound, QueryCancelled, SyntaxInvalid
from nunatak.protocol.app import create_app
from nunatak.protocol.results.result_store import ResultStore
from nunatak.protocol.server import address, serve
from nunatak.protocol.tls import development_certificate
from nunatak.transport.address import CertificateFiles
from nunatak.transport.listening import listen
from nunatak.warehouse.core.parameters import set_parameter
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import (
    Description,
    Field,
    Result,
    StatementKind,
    Transfer,
    affected_result,
    rows_result,
    status_result,
)
from nunatak.warehouse.core.session import Session

UTC = dt.UTC
TYPES: list[tuple[Field, list[object]]] = [
    (Field("SMALL", SqlType(TypeKind.FIXED, precision=5, scale=0)), [1, None]),
    (Field("BIG", sqltypes.NUMBER), [Decimal(10**30), None]),
    (Field("CENTS", SqlType(TypeKind.FIXED, precision=10, scale=2)), [Decimal("1.25"), None]),
    (Field("REAL", sqltypes.FLOAT), [0.5, None]),
    (Field("TEXT", sqltypes.TEXT), ["grün", None]),
    (Field("FLAG", sqltypes.BOOLEAN), [True, None]),
    (Field("DAY", sqltypes.DATE), [dt.date(1969, 12, 31), None]),
    (Field("TIME", sqltypes.TIME), [dt.time(12, 30, 1, 250000), None]),
    (Field("TIME0", SqlType(TypeKind.TIME, scale=0)), [dt.time(12, 30, 1), None]),
    (Field("NTZ", sqltypes.TIMESTAMP_NTZ), [dt.datetime(1960, 1, 2, 3, 4, 5, 678901), None]),  # noqa: DTZ001
    (
        Field("NTZ3", SqlType(TypeKind.TIMESTAMP_NTZ, scale=3)),
        [dt.datetime(2024, 1, 2, 3, 4, 5, 678000), None],  # noqa: DTZ001
    ),
    (
        Field("LTZ6", SqlType(TypeKind.TIMESTAMP_LTZ, scale=6)),
        [dt.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), None],
    ),
    (
        Field("TZ3", SqlType(TypeKind.TIMESTAMP_TZ, scale=3)),
        [dt.datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC), None],
    ),
    (
        Field("TZ6", SqlType(TypeKind.TIMESTAMP_TZ, scale=6)),
        [dt.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), None],
    ),
    (
        Field("NTZ8", SqlType(TypeKind.TIMESTAMP_NTZ, scale=8)),
        [dt.datetime(2024, 1, 2, 3, 4, 5, 678901), None],  # noqa: DTZ001
    ),
    (
        Field("NTZ0", SqlType(TypeKind.TIMESTAMP_NTZ, scale=0)),
        [dt.datetime(2024, 1, 2, 3, 4, 5), None],  # noqa: DTZ001
    ),
    (Field("LTZ", sqltypes.TIMESTAMP_LTZ), [dt.datetime(2024, 7, 1, tzinfo=UTC), None]),
    (Field("TZ", sqltypes.TIMESTAMP_TZ), [dt.datetime(2024, 7, 1, tzinfo=UTC), None]),
    (Field("BYTES", sqltypes.BINARY), [b"\x00\xff", None]),
    (Field("VARIANT", sqltypes.VARIANT), ['{"a": [1, null]}', None]),
    (Field("LIST", sqltypes.ARRAY), ["[1, 2]", None]),
    (Field("VECTOR", SqlType(TypeKind.VECTOR, length=2, element="float")), [[0.5, 1.0], None]),
]
_ROWS = re.compile(r"select rows (\d+)\Z")
_GRACE_S = 4.0
"""What running statements get when the server stops: more than the longest that may end."""
_SLEEP = re.compile(r"select sleep ([\d.]+)\Z")
_PUT = re.compile(r"PUT\s+'?file://([^' ]+)'?\s+('@[^']*'|\?|@\S*)(.*)\Z", re.I | re.S)
_GET = re.compile(r"GET\s+'?@([^' ]*)'?\s+'?file://([^' ]+)'?", re.I)
_SCAN = re.compile(r"select \* from table\(result_scan\('([^']+)'\)\)\Z", re.I)


class StandIn:
    """Statements by their text."""

    def __init__(self, results: ResultStore) -> None:
        self.results = results
        self.inserted = 0

    def split(self, text: str) -> list[str]:
        """Cut at semicolons."""
        return [part.strip() for part in text.split(";") if part.strip()]

    def describe(self, request: StatementRequest) -> Description:
        """The columns of every type."""
        return Description(tuple(field for field, _ in TYPES))

    def start_session(self, session: Session) -> None:
        """Nothing is missing."""

    def end_session(self, session: Session) -> None:
        """Nothing is held."""

    def execute(self, request: StatementRequest) -> Result | Transfer:
        """Answer a known statement."""
        text = request.text.strip()
        if found := _ROWS.match(text):
            return _many(int(found[1]))
        if found := _SLEEP.match(text):
            return _sleep(request, float(found[1]))
        if found := _SCAN.match(text):
            fields, batches = self.results.load(found[1])
            return Result(fields=fields, batches=batches)
        if text.upper().startswith("PUT"):
            return _put(request)
        if found := _GET.match(text):
            return _get(found[1], found[2])
        return self._simple(text, request)

    def _simple(self, text: str, request: StatementRequest) -> Result:
        match text.lower().split():
            case ["select", "1"]:
                number = SqlType(TypeKind.FIXED, precision=1, scale=0)
                return rows_result([Field("1", number, nullable=False)], [[1]])
            case ["select", "types"]:
                arrays = [pa.array(values, type=_stored(f.type)) for f, values in TYPES]
                batch = pa.RecordBatch.from_arrays(arrays, names=[f.name for f, _ in TYPES])
                return Result(fields=tuple(f for f, _ in TYPES), batches=[batch])
            case ["select", "bound"]:
                rows = [[b.type, str(b.value)] for b in request.bindings]
                return rows_result([Field("TYPE"), Field("VALUE")], rows)
            case ["insert"]:
                self.inserted += 1
                return affected_result(StatementKind.INSERT, inserted=2)
            case ["select", "inserted"]:
                return rows_result([Field("N", sqltypes.NUMBER)], [[self.inserted]])
            case ["use", "schema", name]:
                request.session.schema = name.upper()
                return status_result("Statement executed successfully.")
            case ["alter", "session", "set", name, "=", value]:
                set_parameter(request.session.parameters, name, value.strip("'"))
                return status_result("Statement executed successfully.")
            case ["select", "crash"]:
                raise ZeroDivisionError("the stand-in breaks")
            case ["select", "context"]:
                names = [request.session.user, request.session.role, request.session.schema]
                return rows_result([Field("USER"), Field("ROLE"), Field("SCHEMA")], [names])
            case ["select", "missing"]:
                raise ObjectNotFound("Object", "DB.S.T")
            case [call, _] if call.startswith("select"):
                raise SyntaxInvalid("syntax error line 1 at position 7.", line=1, position=7)
            case _:
                return status_result("Statement executed successfully.")


def _stored(sql_type: SqlType) -> pa.DataType | None:
    from nunatak.warehouse.core.results import arrow_type

    return None if sql_type.kind is TypeKind.VECTOR else arrow_type(sql_type)


def _many(rows: int) -> Result:
    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, 10_000):
            numbers = list(range(start, min(start + 10_000, rows)))
            texts = [f"row {number}" for number in numbers]
            yield pa.RecordBatch.from_pydict({"N": numbers, "T": texts})

    return Result(fields=(Field("N", sqltypes.NUMBER), Field("T")), batches=batches())


def _sleep(request: StatementRequest, seconds: float) -> Result:
    if request.cancelled.wait(seconds):
        raise QueryCancelled("SQL execution canceled")
    return rows_result([Field("SLEPT", sqltypes.FLOAT)], [[seconds]])


def _put(request: StatementRequest) -> Transfer:
    found = _PUT.match(request.text.strip())
    assert found is not None, request.text
    stage = str(request.bindings[0].value) if found[2] == "?" else found[2].strip("'")
    compress = "auto_compress = false" not in found[3].lower().replace("=", " = ").replace(
        "  ", " "
    )
    return Transfer(
        upload=True,
        sources=(found[1],),
        keys=(f"stages/{stage.lstrip('@').replace(chr(34), '').rstrip('/')}",),
        auto_compress=compress,
    )


def _get(stage: str, local: str) -> Transfer:
    root = Path(sys.argv[sys.argv.index("--home") + 1]) / "stages"
    files = sorted(f for f in (root / stage).rglob("*") if f.is_file())
    keys = [f"stages/{file.relative_to(root)}" for file in files]
    sources = [str(file.relative_to(root)) for file in files]
    return Transfer(upload=False, sources=tuple(sources), keys=tuple(keys), local_folder=local)


class Folder:
    """Files of one folder by relative path."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open_path(self, key: str) -> Path:
        """The file."""
        path = self._root / key
        if not path.is_file():
            raise ObjectNotFound("File", key)
        return path

    def place(self, key: str) -> Path:
        """Where it belongs."""
        return self._root / key

    def stored(self, key: str, *, size_bytes: int, md5: str) -> None:
        """Nothing to note."""


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--token-s", type=float, default=3600.0)
    parser.add_argument("--answer-wait-s", type=float, default=20.0)
    arguments = parser.parse_args()
    limits = Limits(
        session_token_s=arguments.token_s,
        answer_wait_s=arguments.answer_wait_s,
        result_inline_bytes=100_000,
    )
    settings = Settings(home=arguments.home, limits=limits, tls=arguments.tls)
    database = Database.open(settings.catalog_file)
    access = Access(database, settings)
    password = prepare_account(access, settings)
    disk = Disk(settings.home, reserve_bytes=0)
    results = ResultStore(settings.folder("results"), limits, disk=disk, clock=time.time)
    app = create_app(
        disk=disk,
        settings=settings,
        access=access,
        statements=StandIn(results),
        results=results,
        sources={"stages": Folder(settings.folder("stages"))},
    )
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    write_own_connection(settings, host="127.0.0.1", port=port, password=password)
    tls: CertificateFiles | None = None
    if settings.tls:
        tls = development_certificate(settings.folder("keys"), hosts=("127.0.0.1", "localhost"))

    def ready() -> None:
        print(f"ready {address(listener, tls=settings.tls)}", flush=True)

    asyncio.run(
        serve(app, listener, on_ready=ready, tls=tls, on_stop=lambda: app.stop(grace_s=_GRACE_S))
    )
    database.close()


if __name__ == "__main__":
    main()
