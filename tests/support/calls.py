"""A small world for model calls: a runner on the query engine, and models in Python."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from nunatak.catalog.sqltypes import FLOAT, NUMBER, TEXT, VARIANT, SqlType, TypeKind
from nunatak.errors import ModelCallFailed, ObjectNotFound
from nunatak.warehouse.core.call_markers import ModelCall, QueryRunner, extract_calls
from nunatak.warehouse.core.dialect import tree_of
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import tokenize
from nunatak.warehouse.model_calls.operator import BatchCaller
from nunatak.warehouse.model_calls.planner import (
    CallTarget,
    MethodParameter,
    MethodSignature,
    ModelCalls,
)

Row = tuple[Any, ...]


@dataclass
class Model:
    """`function` maps one row's arguments to a dict of outputs."""

    function: Callable[..., dict[str, Any]]
    inputs: tuple[MethodParameter, ...]
    outputs: tuple[Field, ...]
    params: tuple[MethodParameter, ...] = ()
    is_native: bool = False
    parallel: int = 2
    batch_rows: int = 1000
    label: str = "M!F"
    opened: int = 0
    closed: int = 0
    batches: list[int] = field(default_factory=list)
    before: Callable[[int], None] = lambda number: None

    @property
    def rows(self) -> int:
        """Rows that the model was given."""
        return sum(self.batches)

    @property
    def signature(self) -> MethodSignature:
        return MethodSignature(
            inputs=self.inputs,
            params=self.params,
            outputs=self.outputs,
            is_native=self.is_native,
        )

    def open(self, runner: QueryRunner) -> BatchCaller:
        self.opened += 1
        return Caller(self)


class Caller:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self.cancelled = threading.Event()

    @property
    def parallel(self) -> int:
        return self._model.parallel

    @property
    def batch_rows(self) -> int:
        return self._model.batch_rows

    def call(self, arguments: pa.RecordBatch) -> pa.Table:
        with self._lock:
            number = len(self._model.batches)
            self._model.batches.append(arguments.num_rows)
        self._model.before(number)
        columns = [column.to_pylist() for column in arguments.columns]
        rows = list(zip(*columns, strict=True)) if columns else [()] * arguments.num_rows
        try:
            answers = [self._model.function(*row) for row in rows]
        except ZeroDivisionError as error:
            raise ModelCallFailed(f"ZeroDivisionError: {error}") from error
        return pa.table({o.name: [a[o.name] for a in answers] for o in self._model.outputs})

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self._model.closed += 1


@dataclass
class World:
    """Tables, and models by name; `M!F` unless said otherwise."""

    models: dict[str, Model]
    connection: Any = field(default_factory=duckdb.connect)
    _functions: set[str] = field(default_factory=set)

    def knows_function(self, session: Session, name: tuple[str, ...]) -> bool:
        return name[-1].startswith("SVC_")

    def resolve(self, session: Session, call: ModelCall) -> CallTarget:
        name = call.target[-1]
        if name not in self.models:
            raise ObjectNotFound("Model", name)
        return self.models[name]

    def query(self, sql: str) -> list[Row]:
        """Plan and run a statement; its rows."""
        runner = Runner(self)
        try:
            return runner.run(sql)
        finally:
            runner.close()

    def reference(self, sql: str) -> list[Row]:
        """The same with each model as an ordinary function that is called row by row."""
        found = extract_calls(tokenize(sql), lambda name: self.knows_function(SESSION, name))
        tree = tree_of(sql, found.tokens, {})
        for node in list(tree.find_all(exp.Anonymous)):
            if node.name.upper() not in found.calls:
                continue
            name = found.calls[node.name.upper()].target[-1]
            arguments = [a.expression if isinstance(a, exp.Kwarg) else a for a in node.expressions]
            value: exp.Expr = exp.Anonymous(this=self._function(name), expressions=arguments)
            if not self.models[name].is_native:
                value = exp.cast(value, "JSON")
            node.replace(value)
        rows: list[Row] = self.connection.cursor().execute(to_engine(tree)).fetchall()
        return rows

    def _function(self, name: str) -> str:
        """The engine's function for a model, made when it is first needed."""
        function = f"reference_{name}"
        if name not in self._functions:
            self._functions.add(name)
            model = self.models[name]
            self.connection.create_function(
                function,
                _row_function(model),
                ["DOUBLE"] * len(model.inputs),
                "DOUBLE" if model.is_native else "VARCHAR",
                null_handling="special",
            )
        return function


def _row_function(model: Model) -> Callable[..., Any]:
    def call(*arguments: float | None) -> Any:
        answer = model.function(*arguments)
        return answer[model.outputs[0].name] if model.is_native else json.dumps(answer)

    arguments = ", ".join(f"a{i}" for i in range(len(model.inputs)))
    made: Callable[..., Any] = eval(f"lambda {arguments}: call({arguments})", {"call": call})
    return made


SESSION = Session(id=1, user="ADA", role="R")


class Stream:
    def __init__(self, runner: Runner, query: exp.Query, batch_rows: int) -> None:
        cursor = runner.cursor()
        relation = cursor.sql(to_engine(query))
        self.fields = fields_of(relation)
        self._reader = relation.to_arrow_reader(batch_rows)
        self.schema: pa.Schema = self._reader.schema
        self.closed = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self._reader)

    def close(self) -> None:
        self.closed = True


class Runner:
    """What the warehouse offers to the planner, in little."""

    def __init__(self, world: World, *, describe_only: bool = False) -> None:
        self._world = world
        self.session = SESSION
        self.query_id = "q1"
        self.describe_only = describe_only
        self.cancelled = threading.Event()
        self.registered: dict[str, pa.RecordBatchReader] = {}
        self.plan = ""
        self._callbacks: list[Callable[[], None]] = []

    def planned(self, sql: str) -> str:
        """The statement for the engine, its calls planned."""
        found = extract_calls(tokenize(sql), lambda name: self._world.knows_function(SESSION, name))
        tree = tree_of(sql, found.tokens, {})
        planned = ModelCalls(self._world).plan(tree, found.calls, runner=self)
        self.plan = planned.sql("snowflake")
        return to_engine(planned)

    def run(self, sql: str) -> list[Row]:
        planned = self.planned(sql)
        cursor = self.cursor()
        rows: list[Row] = cursor.execute(planned).fetchall()
        return rows

    def cursor(self) -> Any:
        cursor = self._world.connection.cursor()
        for name, reader in self.registered.items():
            cursor.register(name, reader)
        return cursor

    def describe(self, query: exp.Query) -> tuple[Field, ...]:
        return fields_of(self.cursor().sql(to_engine(query)))

    def stream(self, query: exp.Query, *, batch_rows: int) -> Stream:
        return Stream(self, query, batch_rows)

    def register(self, fields: Sequence[Field], batches: Iterable[pa.RecordBatch]) -> exp.Table:
        name = f"__registered_{len(self.registered)}"
        assert isinstance(batches, pa.RecordBatchReader)
        assert [f.name for f in fields] == batches.schema.names
        self.registered[name] = batches
        return exp.Table(this=exp.Identifier(this=name, quoted=True))

    def function(
        self,
        parameters: Sequence[SqlType],
        result: SqlType,
        body: Callable[[Sequence[pa.Array]], pa.Array],
    ) -> str:
        raise NotImplementedError("tests with functions run on the real engine")

    def on_close(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def close(self) -> None:
        for callback in reversed(self._callbacks):
            callback()


def fields_of(relation: Any) -> tuple[Field, ...]:
    """Names and types of a query of the engine."""
    return tuple(
        Field(name, _type(str(kind)))
        for name, kind in zip(relation.columns, relation.types, strict=True)
    )


def _type(kind: str) -> SqlType:
    if kind in ("BIGINT", "INTEGER", "HUGEINT"):
        return NUMBER
    if kind == "JSON":
        return VARIANT
    return {"DOUBLE": FLOAT, "BOOLEAN": SqlType(TypeKind.BOOLEAN)}.get(kind, TEXT)


def to_engine(tree: exp.Expr) -> str:
    """A statement in the engine's dialect, as far as these tests need."""

    def translate(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.DataType) and node.this in (
            exp.DataType.Type.VARIANT,
            exp.DataType.Type.OBJECT,
        ):
            return exp.DataType.build("JSON")
        return node

    return tree.copy().transform(translate).sql(dialect="duckdb")


def double(a: float | None, b: float | None) -> dict[str, Any]:
    """The model of most tests."""
    total = None if a is None or b is None else a + 2 * b
    return {"s": total, "sign": None if total is None else int(total > 0)}


def model(**changes: Any) -> Model:
    """`double` as a model; NULL arguments give NULL outputs."""
    made: dict[str, Any] = {
        "function": double,
        "inputs": (MethodParameter("A", FLOAT), MethodParameter("B", FLOAT)),
        "outputs": (Field("s", FLOAT), Field("sign", NUMBER)),
    }
    return Model(**{**made, **changes})
