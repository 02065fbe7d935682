"""Model calls as functions of the engine, where they cannot be operators.

A condition of an outer join, a subquery that depends on the outer row, a recursive common table
expression or the SET of an UPDATE has no rows of its own that could be streamed to a model. There
a call becomes a function that lives as long as the statement: the engine hands it vectors of up
to some thousand rows, and each goes to the model as a batch, by the same way as an operator's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from nunatak.errors import ModelCallFailed, QueryCancelled, Unsupported
from nunatak.warehouse.core.call_markers import QueryRunner
from nunatak.warehouse.core.types import canonical_type
from nunatak.warehouse.model_calls.arguments import MethodSignature, match_arguments
from nunatak.warehouse.model_calls.operator import (
    BatchCaller,
    PlannedCall,
    output_columns,
    wait_for,
)
from nunatak.warehouse.model_calls.pruning import accessed_key
from nunatak.warehouse.model_calls.split import object_of, output_value

_THREADS = 16


class Callee(Protocol):
    """The callee; see `nunatak.warehouse.model_calls.planner.CallTarget`."""

    @property
    def label(self) -> str:
        """The method as messages name it."""
        ...

    @property
    def signature(self) -> MethodSignature:
        """Signature: what it takes and gives."""
        ...

    def open(self, runner: QueryRunner) -> BatchCaller:
        """Begin to call it for one query."""
        ...


class CallFunctions:
    """Puts functions in place of the calls of one statement."""

    def __init__(self, targets: Mapping[str, Callee], runner: QueryRunner) -> None:
        """`targets` by the names of the placeholders."""
        self._targets = targets
        self._runner = runner

    def replace_all(self, places: Iterable[exp.Anonymous]) -> None:
        """Replace calls, given from the outside in. Raises InvalidArgument, Unsupported."""
        for place in reversed(list(places)):
            self._replace(place)

    def _replace(self, place: exp.Anonymous) -> None:
        target = self._targets[place.name.upper()]
        signature = target.signature
        arguments = match_arguments(place, signature, label=target.label)
        if not arguments:
            raise Unsupported(
                f"Unsupported: {target.label} in this place, because it takes no arguments. Call"
                " it in a SELECT, and use that in the statement."
            )
        function = _Function(target, len(arguments), self._runner)

        def value(index: int) -> exp.Expr:
            copies = [argument.copy() for argument in arguments]
            return exp.Anonymous(this=function.name(index), expressions=copies)

        outputs = [output.name for output in signature.outputs]
        parent = place.parent
        key = accessed_key(parent) if parent is not None and parent.this is place else None
        if parent is not None and key is not None and not signature.is_native:
            index = outputs.index(key) if key in outputs else None
            found = exp.Null() if index is None else value(index)
            parent.replace(output_value(found, parent))
        elif signature.is_native:
            place.replace(value(0))
        else:
            values = [(name, value(at)) for at, name in enumerate(outputs)]
            place.replace(object_of(values, is_nullable=signature.is_nullable))


class _Function:
    """The engine's functions of one call, one for each output that is read."""

    def __init__(self, target: Callee, count: int, runner: QueryRunner) -> None:
        declared = (*target.signature.inputs, *target.signature.params)[:count]
        self._types = [parameter.type for parameter in declared]
        self._target = target
        self._runner = runner
        self._names: dict[int, str] = {}
        self._call = PlannedCall(
            label=target.label,
            open=lambda: target.open(runner),
            arguments=tuple(range(count)),
            outputs=target.signature.outputs,
            names=tuple(output.name for output in target.signature.outputs),
        )
        self._lock = threading.Lock()
        self._caller: BatchCaller | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._closed = False
        # By thread: the interpreter forgets a thread of the engine, and with it what is local to
        # it, between two calls.
        self._last: dict[int, tuple[pa.RecordBatch, list[pa.Array]]] = {}
        runner.on_close(self.close)

    def name(self, index: int) -> str:
        """The engine's function for an output."""
        if index not in self._names:
            output = self._call.outputs[index]
            body = self._body(index)
            self._names[index] = self._runner.function(self._types, output.type, body)
        return self._names[index]

    def close(self) -> None:
        """Stop at once; whoever still computes gets QueryCancelled."""
        with self._lock:
            self._closed = True
            caller, threads = self._caller, self._threads
        if caller is not None and threads is not None:
            caller.cancel()
            threads.shutdown()
            caller.close()

    def _body(self, index: int) -> Callable[[Sequence[pa.Array]], pa.Array]:
        return lambda columns: self._answer(columns)[index]

    def _answer(self, columns: Sequence[pa.Array]) -> list[pa.Array]:
        """All outputs. The engine asks for one after the other: each thread remembers its last
        vector, so that the model is called once."""
        arrays = [
            column.cast(canonical_type(kind, column.type))
            for kind, column in zip(self._types, columns, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, names=[f"c{at}" for at in range(len(arrays))])
        thread = threading.get_ident()
        last = self._last.get(thread)
        if last is None or not last[0].equals(batch):
            last = self._last[thread] = batch, self._outputs(batch)
        return last[1]

    def _outputs(self, batch: pa.RecordBatch) -> list[pa.Array]:
        caller, threads = self._opened()
        parts = []
        for start in range(0, batch.num_rows, max(1, caller.batch_rows)):
            part = batch.slice(start, max(1, caller.batch_rows))
            answer = threads.submit(caller.call, part)
            try:
                table = wait_for(answer, self._check)
                parts.append(output_columns(self._call, table, rows=part.num_rows))
            except ModelCallFailed as error:
                raise ModelCallFailed(f"{self._call.label} failed: {error.message}") from error
            except QueryCancelled:
                caller.cancel()
                raise
        return [pa.concat_arrays(pieces) for pieces in zip(*parts, strict=True)]

    def _opened(self) -> tuple[BatchCaller, ThreadPoolExecutor]:
        self._check()
        with self._lock:
            if self._caller is None or self._threads is None:
                self._caller = self._call.open()
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="nunatak-call")
            return self._caller, self._threads

    def _check(self) -> None:
        if self._closed or self._runner.cancelled.is_set():
            raise QueryCancelled("The query was cancelled.")
