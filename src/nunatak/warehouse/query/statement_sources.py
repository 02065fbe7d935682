"""Sources of one statement: rows and queries that it reads as tables, under names of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
from sqlglot import exp

from nunatak.catalog.sqltypes import SEMI_STRUCTURED, SqlType
from nunatak.errors import NunatakError
from nunatak.warehouse.core.dialect import quoted
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.types import canonical_type
from nunatak.warehouse.engine.engine import EngineConnection, identifier

Source: TypeAlias = Any
"""A RecordBatchReader, an Arrow table, or the text of a query of the engine."""
_REGISTERED = "__NUNATAK_ROWS_"


class StatementSources:
    """Tables that end with the statement, on one connection."""

    def __init__(self, connection: EngineConnection) -> None:
        self._connection = connection
        self._sources: dict[str, tuple[tuple[Field, ...], Source]] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of all; no view can keep what they stand for."""
        return frozenset(self._sources)

    def fields_of(self, parts: tuple[str, ...]) -> tuple[Field, ...] | None:
        """The columns of the source that a name means; None where it means none."""
        found = self._sources.get(parts[0]) if len(parts) == 1 else None
        return None if found is None else found[0]

    def add(self, name: str, fields: tuple[Field, ...], source: Source) -> None:
        """Make Arrow data, or a query of the engine, readable under a name."""
        self._sources[name] = (fields, source)
        if isinstance(source, str):
            view = f"CREATE OR REPLACE TEMPORARY VIEW {identifier(name)} AS {source}"
            self._connection.execute(view)
        else:
            self._connection.register(name, source)

    def add_all_to(self, other: StatementSources) -> None:
        """Make everything readable on another connection too."""
        for name, (fields, source) in self._sources.items():
            other.add(name, fields, source)

    def batches(self, fields: Sequence[Field], batches: Iterable[pa.RecordBatch]) -> exp.Table:
        """Make batches readable once."""
        schema = source_schema(fields)
        reader = pa.RecordBatchReader.from_batches(schema, self._cast(batches, schema))
        return self._named(tuple(fields), reader)

    def table(self, fields: Sequence[Field], table: pa.Table) -> exp.Table:
        """Make rows readable any number of times."""
        return self._named(tuple(fields), table)

    def view(self, fields: Sequence[Field], sql: str) -> exp.Table:
        """Make a query of the engine readable."""
        return self._named(tuple(fields), sql)

    def _cast(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """The batches with the types that the engine is promised. What they raise is kept."""
        try:
            for batch in batches:
                yield batch.cast(schema) if batch.schema != schema else batch
        except NunatakError as error:
            self._connection.cause = self._connection.cause or error
            raise

    def _named(self, fields: tuple[Field, ...], source: Source) -> exp.Table:
        # A view that an earlier version made may name a source of its own statement: never ours.
        name = f"{_REGISTERED}{secrets.token_hex(8).upper()}_{len(self._sources)}"
        self.add(name, fields, source)
        return exp.Table(this=quoted(name))


def source_schema(fields: Sequence[Field]) -> pa.Schema:
    """The Arrow schema under which rows are readable as a table: semi-structured values are
    marked as JSON."""
    return pa.schema([pa.field(field.name, _source_type(field.type)) for field in fields])


def _source_type(sql_type: SqlType) -> pa.DataType:
    if sql_type.kind in SEMI_STRUCTURED:
        return pa.json_(pa.string())
    return canonical_type(sql_type, pa.int64())
