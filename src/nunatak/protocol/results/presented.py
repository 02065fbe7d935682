"""Presentation of a result where the session's parameters say so: how many of its rows are
answered, and how JSON is indented."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from nunatak.catalog.sqltypes import SEMI_STRUCTURED
from nunatak.protocol.results.answers import is_dml
from nunatak.warehouse.core.results import Result

_JSON_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def presented(result: Result, parameters: Mapping[str, Any]) -> Result:
    """The result under ROWS_PER_RESULTSET and JSON_INDENT; counts of changed rows stay."""
    if is_dml(int(result.kind)):
        return result
    batches: Iterable[pa.RecordBatch] = result.batches
    most, indent = int(parameters["ROWS_PER_RESULTSET"]), int(parameters["JSON_INDENT"])
    columns = [at for at, field in enumerate(result.fields) if field.type.kind in SEMI_STRUCTURED]
    if most:
        batches = _first_rows(batches, most)
    if indent and columns:
        batches = (_indented(batch, columns, indent) for batch in batches)
    if batches is result.batches:
        return result
    return Result(fields=result.fields, batches=batches, kind=result.kind)


def indented_json(text: str, indent: int) -> str:
    """A JSON document on several lines; numbers and texts stay as they are written."""
    pieces: list[str] = []
    depth, before = 0, ""
    for piece in _JSON_PIECE.findall(text):
        closes = piece in "}]"
        depth -= closes
        is_empty = closes and before in "{["
        if before and (before in "{[," or closes) and not is_empty:
            pieces.append("\n" + " " * (indent * depth))
        pieces.append(": " if piece == ":" else piece)
        depth += piece in "{["
        before = piece
    return "".join(pieces)


def _first_rows(batches: Iterable[pa.RecordBatch], most: int) -> Iterator[pa.RecordBatch]:
    source = iter(batches)
    try:
        for batch in source:
            yield batch.slice(0, most)
            most -= batch.num_rows
            if most <= 0:
                return
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()


def _indented(batch: pa.RecordBatch, columns: list[int], indent: int) -> pa.RecordBatch:
    for at in columns:
        texts = [
            None if text is None else indented_json(text, indent)
            for text in batch.column(at).to_pylist()
        ]
        given = batch.schema.field(at)
        batch = batch.set_column(at, given, pa.array(texts, pa.string()).cast(given.type))
    return batch
