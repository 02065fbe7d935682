"""Answers of finished statements, as the client that asked reads them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pyarrow as pa

from nunatak.catalog.names import quoted
from nunatak.catalog.sqltypes import TEXT
from nunatak.protocol.results.arrow import decode
from nunatak.protocol.results.jsonrows import json_rows
from nunatak.protocol.results.result_store import ResultStore, StoredResult
from nunatak.protocol.results.rowtype import rowtype
from nunatak.warehouse.core.results import Description, Field, StatementKind
from nunatak.warehouse.core.session import Session

JSON = "json"
ARROW = "arrow"
MULTI_STATEMENT = 0xA000
"""Statement type of a request with several statements; its results are fetched one by one."""
_SERVER_VERSION = 1

_FORMATS = {
    ("PYTHON", "SNOW"): "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT",
    ("GO",): "GO_QUERY_RESULT_FORMAT",
}
_FORMAT_OF_OTHERS = "JDBC_QUERY_RESULT_FORMAT"
"""The parameter that says in which format results travel, by the beginning of CLIENT_APP_ID."""

ChunkUrl = Callable[[str, int, str], str]
"""Query id, number of the chunk, format: to the address of its bytes."""


def success(data: Any, *, code: str | None = None, message: str | None = None) -> dict[str, Any]:
    """The body of every answer that is not an error."""
    return {"data": data, "code": code, "message": message, "success": True}


def is_dml(kind: int) -> bool:
    """Whether clients read affected-row counts from the JSON rows of the answer."""
    return StatementKind.INSERT & 0xF000 <= kind <= StatementKind.MULTI_TABLE_INSERT


def result_format(parameters: Mapping[str, Any], application: str, kind: int) -> str:
    """The format a client wants: its own parameter decides, and DML is always JSON."""
    if is_dml(kind):
        return JSON
    name = _FORMAT_OF_OTHERS
    for beginnings, known in _FORMATS.items():
        if application.upper().startswith(beginnings):
            name = known
    return ARROW if str(parameters[name]).upper().startswith("ARROW") else JSON


def final_names(session: Session) -> dict[str, Any]:
    """The session's current names, as clients take them over after each statement."""
    names = {
        "finalDatabaseName": session.database,
        "finalSchemaName": session.schema,
        "finalWarehouseName": session.warehouse,
        "finalRoleName": session.role,
    }
    return {key: None if name is None else quoted(name) for key, name in names.items()}


def parameter_list(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Session parameters as the clients read them."""
    return [{"name": name, "value": value} for name, value in parameters.items()]


def result_data(
    stored: StoredResult,
    *,
    wanted: str,
    parameters: Mapping[str, Any],
    store: ResultStore,
    chunk_url: ChunkUrl,
    inline_bytes: int,
    inline: bytes | None = None,
) -> dict[str, Any]:
    """The `data` of a finished statement. `inline` is the only chunk, when it is in memory.

    Small results travel in the answer, larger ones as addresses of chunks.
    """
    data = base_data(stored.query_id, stored.fields, kind=stored.kind, parameters=parameters)
    data |= {"total": stored.rows, "returned": stored.rows, "queryResultFormat": wanted}
    data |= stored.final
    data["rowset" if wanted == JSON else "rowsetBase64"] = [] if wanted == JSON else ""
    if not stored.chunks:
        return data
    if len(stored.chunks) > 1 or stored.size_bytes > inline_bytes:
        data["chunks"] = _chunks(stored, wanted, chunk_url)
        data["chunkHeaders"] = {}
        return data
    stream = inline if inline is not None else store.chunk(stored.query_id, 0)
    if wanted == ARROW:
        data["rowsetBase64"] = base64.b64encode(stream).decode()
    else:
        data["rowset"] = json_rows(_batches(stream, stored), stored.fields)
    return data


def base_data(
    query_id: str, fields: tuple[Field, ...], *, kind: int, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Parts that every answer has, rows or not. `parameters` are all of the session's, by which
    clients read and show values."""
    return {
        "queryId": query_id,
        "statementTypeId": int(kind),
        "rowtype": rowtype(fields),
        "parameters": parameter_list(parameters),
        "sqlState": None,
        "version": _SERVER_VERSION,
        "numberOfBinds": 0,
        "arrayBindSupported": False,
        "queryContext": None,
        "returned": 0,
        "total": 0,
    }


def described_data(
    query_id: str, described: Description, *, wanted: str, parameters: Mapping[str, Any], binds: int
) -> dict[str, Any]:
    """The answer of a statement with `binds` markers that was only described."""
    data = base_data(query_id, described.fields, kind=StatementKind.SELECT, parameters=parameters)
    data["numberOfBinds"] = binds
    data["arrayBindSupported"] = described.takes_lists
    data["queryResultFormat"] = wanted
    data["rowset" if wanted == JSON else "rowsetBase64"] = [] if wanted == JSON else ""
    return data


def multi_data(
    query_id: str, results: list[tuple[str, int]], *, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The answer of several statements: the ids and kinds of their results."""
    fields = (Field("multiple statement execution", TEXT),)
    data = base_data(query_id, fields, kind=MULTI_STATEMENT, parameters=parameters)
    return data | {
        "queryResultFormat": JSON,
        "rowset": [["Multiple statements executed successfully."]],
        "total": 1,
        "returned": 1,
        "resultIds": ",".join(result_id for result_id, _ in results),
        "resultTypes": ",".join(str(kind) for _, kind in results),
    }


def json_chunk(stream: bytes, stored: StoredResult) -> bytes:
    """A chunk as JSON rows, without the outer brackets, which clients add."""
    return orjson.dumps(json_rows(_batches(stream, stored), stored.fields))[1:-1]


def _batches(stream: bytes, stored: StoredResult) -> list[pa.RecordBatch]:
    """The rows of a chunk in canonical types."""
    return [decode(batch, stored.fields) for batch in pa.ipc.open_stream(stream)]


def _chunks(stored: StoredResult, wanted: str, chunk_url: ChunkUrl) -> list[dict[str, Any]]:
    return [
        {
            "url": chunk_url(stored.query_id, index, wanted),
            "rowCount": chunk.rows,
            "uncompressedSize": chunk.size_bytes,
            "compressedSize": chunk.size_bytes,
        }
        for index, chunk in enumerate(stored.chunks)
    ]
