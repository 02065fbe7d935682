"""Plans the model calls of a statement as streaming operators.

The tree comes with placeholder functions in place of calls
(`nunatak.warehouse.core.call_markers`). Queries are taken from the inside out. Each SELECT with
calls is cut in two (`split`): the rows of the inner half are streamed to the models (`operator`),
and the outer half reads them with the answers as a table. It goes in stages when calls depend on
each other:

1. calls whose arguments hold no other call, first;
2. of these, first those in WHERE, so that no model runs on rows that are left out;
3. then those on rows, then those on aggregates.

Where nothing can be streamed, a call is a function of the engine (`functions`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from nunatak.catalog.sqltypes import TypeKind
from nunatak.warehouse.core.call_markers import BatchStream, ModelCall, QueryRunner
from nunatak.warehouse.core.dialect import quoted
from nunatak.warehouse.core.results import Field, arrow_type
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.model_calls.aliases import (
    join_calls_to_where,
    spell_out_aliases,
    spell_out_groups,
)
from nunatak.warehouse.model_calls.arguments import (
    MethodParameter,
    MethodSignature,
    match_arguments,
)
from nunatak.warehouse.model_calls.functions import CallFunctions
from nunatak.warehouse.model_calls.operator import (
    BATCH_ROWS,
    BatchCaller,
    CallOperator,
    PlannedCall,
    output_type,
)
from nunatak.warehouse.model_calls.pruning import prune_unread, push_down_fields
from nunatak.warehouse.model_calls.split import SelectSplitter, Split, SplitCall
from nunatak.warehouse.model_calls.spool import Spool
from nunatak.warehouse.model_calls.tree_queries import (
    calls_in,
    drop_unread_ctes,
    has_aggregate,
    inside_aggregate,
    is_call,
    is_grouped,
    name_of,
    own_calls,
    post_order,
    tables_named,
    text_of,
    visible_ctes,
    with_needed,
)
from nunatak.warehouse.model_calls.unsupported_positions import (
    all_calls,
    depends_on_row,
    needs_function,
)

__all__ = [
    "BatchCaller",
    "CallResolver",
    "CallTarget",
    "MethodParameter",
    "MethodSignature",
    "ModelCalls",
]


class CallTarget(Protocol):
    """A method that may be called."""

    @property
    def label(self) -> str:
        """The method as messages name it, for example DB.S.M!PREDICT."""
        ...

    @property
    def signature(self) -> MethodSignature:
        """Signature: what it takes and gives."""
        ...

    def open(self, runner: QueryRunner) -> BatchCaller:
        """Begin to call it for one query; may block until instances run, at most until
        `runner.cancelled`. Raises ServiceUnavailable, QueryCancelled and others."""
        ...


class CallResolver(Protocol):
    """Finds the methods that calls name."""

    def knows_function(self, session: Session, name: tuple[str, ...]) -> bool:
        """See `ModelCallPlanner.knows_function`."""
        ...

    def resolve(self, session: Session, call: ModelCall) -> CallTarget:
        """The method that a call means, which the session's role may use.

        Raises ObjectNotFound, PrivilegeMissing, Unsupported.
        """
        ...


class ModelCalls:
    """Plans statements (`nunatak.warehouse.core.call_markers.ModelCallPlanner`)."""

    def __init__(self, resolver: CallResolver) -> None:
        self._resolver = resolver

    def knows_function(self, session: Session, name: tuple[str, ...]) -> bool:
        """See `ModelCallPlanner.knows_function`."""
        return self._resolver.knows_function(session, name)

    def plan(
        self, tree: exp.Expr, calls: Mapping[str, ModelCall], *, runner: QueryRunner
    ) -> exp.Expr:
        """See `ModelCallPlanner.plan`."""
        return _Plan(tree, calls, self._resolver, runner).run() if calls else tree


class _Plan:
    """The planning of one statement."""

    def __init__(
        self,
        tree: exp.Expr,
        calls: Mapping[str, ModelCall],
        resolver: CallResolver,
        runner: QueryRunner,
    ) -> None:
        self._tree = tree
        self._calls = calls
        self._runner = runner
        self._targets = {
            name: resolver.resolve(runner.session, call) for name, call in calls.items()
        }
        self._functions = CallFunctions(self._targets, runner)
        self._streams: set[str] = set()
        """Names of tables and common table expressions that can be read only once."""

    def run(self) -> exp.Expr:
        """The tree without placeholders."""
        self._inline_lone_selects()
        prune_unread(self._tree, self._calls)
        push_down_fields(self._tree, self._calls)
        self._use_functions_elsewhere()
        for node in list(post_order(self._tree)):
            if isinstance(node, exp.CTE):
                self._spool_if_read_twice(node)
            elif own_calls(node, self._calls) or self._joins_with_calls(node):
                self._plan_select(node)
        drop_unread_ctes(self._tree)
        return self._tree

    def _inline_lone_selects(self) -> None:
        """`(SELECT m!f(t.x))` without FROM is nothing but its expression."""
        for query in list(self._tree.find_all(exp.Subquery)):
            select = query.this
            if (
                isinstance(select, exp.Select)
                and not isinstance(query.parent, exp.From | exp.Join | exp.Lateral | exp.In)
                and {name for name, value in select.args.items() if value} == {"expressions"}
                and len(select.expressions) == 1
                and calls_in(select.expressions[0], self._calls)
            ):
                query.replace(exp.paren(select.expressions[0].unalias().copy(), copy=False))

    def _use_functions_elsewhere(self) -> None:
        """A call outside of a SELECT's own expressions cannot be an operator."""
        places = [
            node
            for node in self._tree.find_all(exp.Anonymous, bfs=False)
            if is_call(node, self._calls)
            and needs_function(node, self._tree, label=self._targets[node.name.upper()].label)
        ]
        self._functions.replace_all(places)

    def _joins_with_calls(self, select: exp.Select) -> bool:
        return any(
            (on := join.args.get("on")) is not None and calls_in(on, self._calls)
            for join in select.args.get("joins") or ()
        )

    def _plan_select(self, select: exp.Select) -> None:
        if depends_on_row(select, self._calls, self._runner.describe):
            self._functions.replace_all(all_calls(select, self._calls))
            return
        join_calls_to_where(select, self._calls)
        spell_out_groups(select)
        spell_out_aliases(select, lambda: self._source_names(select))
        while stage := self._next_stage(select):
            calls, is_after_groups = stage
            self._split(select, calls, is_after_groups=is_after_groups)

    def _source_names(self, select: exp.Select) -> set[str]:
        """Columns that the SELECT's sources have."""
        if select.args.get("from_") is None:
            return set()
        probe = exp.Select(expressions=[exp.Star()])
        for name in ("from_", "joins", "laterals"):
            value = select.args.get(name)
            if value is not None:
                copied = [v.copy() for v in value] if isinstance(value, list) else value.copy()
                probe.set(name, copied)
        with_needed(probe, visible_ctes(select))
        return {field.name for field in self._runner.describe(probe)}

    def _next_stage(self, select: exp.Select) -> tuple[list[exp.Anonymous], bool] | None:
        """The calls to do next, and whether they take aggregates; None when none is left."""
        leaves = [
            call
            for call in own_calls(select, self._calls)
            if not any(calls_in(argument, self._calls) for argument in call.expressions)
        ]
        if not leaves:
            return None
        where = select.args.get("where")
        in_where = [
            call for call in leaves if where is not None and call.find_ancestor(exp.Where) is where
        ]
        if in_where:
            return in_where, False
        if not is_grouped(select):
            return leaves, False
        on_rows = [call for call in leaves if self._is_on_rows(call, select)]
        return (on_rows, False) if on_rows else (leaves, True)

    def _is_on_rows(self, call: exp.Anonymous, select: exp.Select) -> bool:
        """Whether a call of a grouped SELECT is made for each row and not for each group."""
        if any(map(has_aggregate, call.expressions)):
            return False
        group = select.args.get("group")
        keys = [] if group is None else group.expressions
        made = {self._key(found) for key in keys for found in calls_in(key, self._calls)}
        return inside_aggregate(call, select) or self._key(call) in made

    def _key(self, node: exp.Expr) -> str:
        """The same for calls of the same method with the same arguments."""
        call = self._calls[node.name.upper()]
        arguments = ", ".join(map(text_of, node.expressions))
        return f"{call.target!r} {call.method!r} {call.version!r} ({arguments})"

    def _split(
        self, select: exp.Select, places: Sequence[exp.Anonymous], *, is_after_groups: bool
    ) -> None:
        calls: dict[str, SplitCall] = {}
        for place in places:
            key = self._key(place)
            if key not in calls:
                calls[key] = self._split_call(place, key, number=len(calls))
        splitter = SelectSplitter(
            select,
            list(calls.values()),
            key_of=self._key,
            functions=self._calls,
            star_fields=self._runner.describe,
            is_after_groups=is_after_groups,
        )
        results = exp.Table(this=quoted("__NUNATAK_RESULTS"))
        split = splitter.split(results)
        results.replace(self._operate(split, list(calls.values())))

    def _split_call(self, place: exp.Anonymous, key: str, *, number: int) -> SplitCall:
        target = self._targets[place.name.upper()]
        signature = target.signature
        return SplitCall(
            function=place.name.upper(),
            key=key,
            arguments=tuple(match_arguments(place, signature, label=target.label)),
            outputs=signature.outputs,
            is_native=signature.is_native,
            is_nullable=signature.is_nullable,
            names=tuple(f"__R{number}_{index}" for index in range(len(signature.outputs))),
        )

    def _operate(self, split: Split, calls: Sequence[SplitCall]) -> exp.Table:
        """The table that holds what the inner half gives with the answers of the models."""
        runner = self._runner
        if runner.describe_only:
            fields = runner.describe(split.inner)
            types = [_described_type(item) for item in fields]
            source: Callable[[], BatchStream] | None = None
        else:
            stream = runner.stream(split.inner, batch_rows=BATCH_ROWS)
            runner.on_close(stream.close)
            fields, types = stream.fields, list(stream.schema.types)
            source = lambda: stream  # noqa: E731  a constant as a function
        carried = [
            (Field(name, fields[index].type), types[index])
            for index, name in zip(split.carried, split.names, strict=True)
        ]
        answers = [
            (Field(name, output.type), output_type(output))
            for call in calls
            for name, output in zip(call.names, call.outputs, strict=True)
        ]
        columns = carried + answers
        schema = pa.schema([pa.field(item.name, kind) for item, kind in columns])
        if source is None:
            rows = schema.empty_table().to_reader()
        else:
            operator = CallOperator(
                source,
                calls=[
                    self._planned(call, positions)
                    for call, positions in zip(calls, split.arguments, strict=True)
                ],
                carried=split.carried,
                schema=schema,
                cancelled=runner.cancelled,
            )
            runner.on_close(operator.close)
            rows = operator.reader()
        table = runner.register([item for item, _ in columns], rows)
        self._streams.add(table.name)
        return table

    def _planned(self, call: SplitCall, positions: tuple[int, ...]) -> PlannedCall:
        target = self._targets[call.function]
        return PlannedCall(
            label=target.label,
            open=lambda: target.open(self._runner),
            arguments=positions,
            outputs=call.outputs,
            names=call.names,
        )

    def _spool_if_read_twice(self, cte: exp.CTE) -> None:
        """The rows of an operator can be read once only."""
        name = name_of(cte.args["alias"].this)
        read = {table.name for table in cte.this.find_all(exp.Table)}
        if not read & self._streams:
            return
        with_ = cte.parent
        owner = with_.parent if with_ is not None else None
        places = [] if owner is None else tables_named(owner, name)
        if len(places) < 2:
            self._streams.add(name)
            return
        self._spool(cte, places)

    def _spool(self, cte: exp.CTE, places: Sequence[exp.Table]) -> None:
        query = cte.this.copy()
        with_needed(query, visible_ctes(cte))
        names = cte.args["alias"].args.get("columns") or []
        fields = list(self._runner.describe(query))
        for index, identifier in enumerate(names[: len(fields)]):
            fields[index] = Field(name_of(identifier), fields[index].type, fields[index].nullable)
        schema = pa.schema([pa.field(item.name, _described_type(item)) for item in fields])
        runner = self._runner
        spool = Spool(lambda: runner.stream(query, batch_rows=BATCH_ROWS), schema=schema)
        runner.on_close(spool.close)
        for place in places:
            rows = schema.empty_table().to_reader() if runner.describe_only else spool.reader()
            table = runner.register(fields, rows)
            alias = place.args.get("alias") or exp.TableAlias(this=quoted(name_of(place.this)))
            table.set("alias", alias.copy())
            for extra in ("pivots", "sample", "joins", "laterals"):
                table.set(extra, place.args.get(extra))
            place.replace(table)


def _described_type(item: Field) -> pa.DataType:
    is_integer = item.type.kind is TypeKind.FIXED and not item.type.scale
    return pa.int64() if is_integer else arrow_type(item.type)
