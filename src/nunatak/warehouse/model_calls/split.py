"""Cuts a SELECT in two around its model calls.

    SELECT a, m!predict(b + 1) AS p FROM t JOIN u … WHERE c > 0 ORDER BY a

becomes an inner query, whose rows are streamed to the model,

    SELECT a AS c0, CAST(b + 1 AS DOUBLE) AS c1 FROM t JOIN u … WHERE c > 0

and the SELECT itself, which now reads `c0` and the answers in place of its sources. When a call
takes aggregates as arguments, grouping moves into the inner query too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.errors import Unsupported
from nunatak.warehouse.core.dialect import quoted
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.model_calls.pruning import Readers, accessed_key
from nunatak.warehouse.model_calls.tree_queries import (
    DIALECT,
    all_of,
    calls_in,
    conjuncts,
    is_aggregate,
    is_call,
    is_grouped,
    is_star,
    name_of,
    own_nodes,
    text_of,
    visible_ctes,
    with_needed,
)

_SOURCE_CLAUSES = ("from_", "joins", "laterals", "connect", "match", "start")
_KEEP_SUBQUERY = (exp.In, exp.Any, exp.All, exp.Exists)


@dataclass(frozen=True, slots=True)
class SplitCall:
    """A distinct call: where it stands in the tree, its arguments, its result columns."""

    function: str
    """The placeholder of one of the places."""
    key: str
    """What makes calls the same: target and arguments."""
    arguments: tuple[exp.Expr, ...]
    outputs: tuple[Field, ...]
    is_native: bool
    is_nullable: bool
    names: tuple[str, ...]


@dataclass(slots=True)
class Split:
    """The two halves. `inner` gives stars first, then the other expressions, by position."""

    inner: exp.Select
    carried: list[int] = field(default_factory=list)
    """Positions in `inner` that the outer half reads, in the order of `names`."""
    names: list[str] = field(default_factory=list)
    arguments: list[tuple[int, ...]] = field(default_factory=list)
    """Positions in `inner` of each call's arguments."""


class SelectSplitter:
    """Splits one SELECT; call `split` once."""

    def __init__(
        self,
        select: exp.Select,
        calls: Sequence[SplitCall],
        *,
        key_of: Callable[[exp.Expr], str | None],
        functions: Mapping[str, object],
        star_fields: Callable[[exp.Select], Sequence[Field]],
        is_after_groups: bool,
    ) -> None:
        """`key_of` tells which of the calls a node is; `functions` are all placeholder names;
        `star_fields` describes a query; `is_after_groups`: the calls take aggregates."""
        self._select = select
        self._calls = {call.key: call for call in calls}
        self._key_of = key_of
        self._functions = functions
        self._star_fields = star_fields
        self._after_groups = is_after_groups
        self._group_keys = {text_of(item) for item in self._groups()}
        self._stars: list[exp.Expr] = []
        self._star_names: list[str] = []
        self._expanded: list[exp.Expr] = []
        self._shipped: dict[str, tuple[int, exp.Expr]] = {}
        self._carried: dict[int, str] = {}
        self._output_names: set[str] = set()

    def split(self, results: exp.Table) -> Split:
        """Make the SELECT read `results` and answer the inner query."""
        select = self._select
        before, after = self._conditions("where")
        having_before, having_after = self._conditions("having")
        ctes = visible_ctes(select)
        inner = exp.Select()
        limit = self._limit_of_inner(after)
        self._project_stars(ctes)
        positions = [self._ship_all(call) for call in self._calls.values()]
        self._rewrite_projections()
        self._rewrite_conditions(after)
        self._rewrite_conditions(having_after)
        self._rewrite_clauses()
        for name in _SOURCE_CLAUSES:
            inner.set(name, select.args.get(name))
            select.set(name, None)
        inner.set("where", _clause(exp.Where, before))
        if self._after_groups:
            inner.set("group", select.args.get("group"))
            inner.set("having", _clause(exp.Having, having_before))
            select.set("group", None)
            select.set("having", None)
            after = after + having_after
        select.set("where", _clause(exp.Where, after))
        for name, clause in limit.items():
            inner.set(name, clause)
        inner.set("expressions", self._inner_projections())
        with_needed(inner, ctes)
        select.set("from_", exp.From(this=results))
        return self._finished(inner, positions)

    def _finished(self, inner: exp.Select, positions: list[list[int]]) -> Split:
        stars = len(self._star_names)
        split = Split(inner)
        split.carried = [*range(stars), *(stars + index for index in self._carried)]
        split.names = [*self._inner_star_names(), *self._carried.values()]
        split.arguments = [tuple(stars + index for index in items) for items in positions]
        return split

    def _inner_projections(self) -> list[exp.Expr]:
        shipped = [
            exp.Alias(this=node, alias=quoted(f"__C{index}"))
            for index, node in self._shipped.values()
        ]
        return [*self._stars, *shipped] or [exp.Alias(this=exp.Null(), alias=quoted("__NOTHING"))]

    def _conditions(self, clause: str) -> tuple[list[exp.Expr], list[exp.Expr]]:
        """The conjuncts without calls and those with."""
        found = self._select.args.get(clause)
        parts = conjuncts(found.this if found is not None else None)
        if clause == "having" and not self._after_groups:
            return [], []  # it stays where it is
        with_calls = [part for part in parts if calls_in(part, self._functions)]
        return [part for part in parts if part not in with_calls], with_calls

    def _groups(self) -> list[exp.Expr]:
        group = self._select.args.get("group")
        return [] if group is None else list(group.expressions)

    def _project_stars(self, ctes: dict[str, exp.CTE]) -> None:
        for star in [item for item in self._select.expressions if is_star(item)]:
            probe = exp.Select(expressions=[star.copy()])
            for name in _SOURCE_CLAUSES:
                value = self._select.args.get(name)
                probe.set(
                    name,
                    [v.copy() for v in value]
                    if isinstance(value, list)
                    else (value.copy() if value is not None else None),
                )
            with_needed(probe, ctes)
            fields = self._star_fields(probe)
            names = [item.name for item in fields]
            if self._is_bare_star(star) and len(set(names)) == len(names):
                readers = Readers()
                expanded = [self._star_column(name, readers) for name in names]
            else:
                self._stars.append(star.copy())
                expanded = [self._star_output(name) for name in names]
            before = next(i for i, item in enumerate(self._select.expressions) if item is star)
            items = list(self._select.expressions)
            self._select.set("expressions", items[:before] + expanded + items[before + 1 :])

    def _is_bare_star(self, star: exp.Expr) -> bool:
        """Whether it is a `*` alone, so that its columns' names mean them."""
        stars = [item for item in self._select.expressions if is_star(item)]
        return isinstance(star, exp.Star) and len(stars) == 1 and not any(star.args.values())

    def _star_column(self, name: str, readers: Readers) -> exp.Alias:
        """A column of a star, to be carried as any other; NULL if nobody reads it."""
        is_read = readers.is_output_read(self._select, name)
        column: exp.Expr = exp.column(quoted(name)) if is_read else exp.Null()
        return exp.Alias(this=column, alias=quoted(name))

    def _star_output(self, name: str) -> exp.Alias:
        """A column of a star that the inner query answers by position."""
        self._star_names.append(name)
        position = f"__S{len(self._star_names) - 1}"
        column = exp.Alias(this=exp.column(quoted(position)), alias=quoted(name))
        self._expanded.append(column)
        return column

    def _inner_star_names(self) -> list[str]:
        return [f"__S{index}" for index in range(len(self._star_names))]

    def _ship_all(self, call: SplitCall) -> list[int]:
        return [self._ship(argument) for argument in call.arguments]

    def _ship(self, node: exp.Expr) -> int:
        """Let the inner query compute an expression, once; answers its number."""
        text = text_of(node)
        if text not in self._shipped:
            self._shipped[text] = (len(self._shipped), node.copy())
        return self._shipped[text][0]

    def _carry(self, node: exp.Expr) -> exp.Expr:
        index = self._ship(node)
        self._carried[index] = f"__C{index}"
        return exp.column(quoted(f"__C{index}"))

    def _rewrite_projections(self) -> None:
        done: list[exp.Expr] = []
        for item in self._select.expressions:
            if any(item is column for column in self._expanded):
                self._output_names.add(name_of(item.args["alias"]))
                done.append(item)
                continue
            if isinstance(item, exp.Alias):
                name = name_of(item.args["alias"])
            elif isinstance(item, exp.Column):
                name = name_of(item.this)
            else:
                name = text_of(item).upper()
            self._output_names.add(name)
            value = exp.Alias(this=item.unalias().copy(), alias=quoted(name))
            self._rewrite(value.this)
            done.append(value)
        self._select.set("expressions", done)

    def _rewrite_conditions(self, conditions: list[exp.Expr]) -> None:
        """Rewrite conditions, which may themselves be replaced."""
        for index, condition in enumerate(conditions):
            holder = exp.Paren(this=condition.copy())
            self._rewrite(holder.this)
            conditions[index] = holder.this

    def _rewrite_clauses(self) -> None:
        names = ["qualify", "windows", "distinct", "sort", "cluster"]
        if not self._after_groups:
            names.append("group")
        for name in names:
            clause = self._select.args.get(name)
            for item in clause if isinstance(clause, list) else [clause]:
                if item is not None:
                    for child in list(item.iter_expressions()):
                        self._rewrite(child)
        if not self._after_groups and (having := self._select.args.get("having")) is not None:
            self._rewrite(having.this)
        if (order := self._select.args.get("order")) is not None:
            for term in order.expressions:
                self._rewrite_order(term)

    def _rewrite_order(self, term: exp.Expr) -> None:
        key = term.this
        if (
            isinstance(key, exp.Column)
            and not key.table
            and name_of(key.this) in self._output_names
        ):
            key.replace(exp.column(quoted(name_of(key.this))))
        elif not isinstance(key, exp.Literal):
            self._rewrite(key)

    def _rewrite(self, node: exp.Expr) -> None:
        """Replace calls by their results and what the sources give by what is carried."""
        value = self._result(node)
        if value is not None:
            node.replace(value)
        elif self._is_unit(node):
            node.replace(self._carry(node))
        elif not isinstance(node, exp.Query):
            for child in list(node.iter_expressions()):
                self._rewrite(child)

    def _result(self, node: exp.Expr) -> exp.Expr | None:
        """Expression that stands for a call, or for an access to one of its outputs."""
        key = accessed_key(node)
        holder = node.this if key is not None else None
        if holder is not None and (call := self._call(holder)) is not None and not call.is_native:
            names = dict(zip((item.name for item in call.outputs), call.names, strict=True))
            if key not in names:
                return exp.Null()
            return output_value(exp.column(quoted(names[key])), node)
        whole = self._call(node)
        return None if whole is None else _whole_result(whole)

    def _call(self, node: exp.Expr) -> SplitCall | None:
        key = self._key_of(node) if is_call(node, self._functions) else None
        return None if key is None else self._calls.get(key)

    def _is_unit(self, node: exp.Expr) -> bool:
        """Whether the inner query computes this expression as a whole."""
        if isinstance(node, exp.Query):
            return not isinstance(node.parent, _KEEP_SUBQUERY)
        if self._after_groups and (is_aggregate(node) or text_of(node) in self._group_keys):
            return True
        if isinstance(node, exp.Column):
            return not isinstance(node.this, exp.Star)
        if isinstance(node, exp.Exists | exp.Parameter):
            return True
        if isinstance(node, exp.In) and node.args.get("query"):
            return not calls_in(node.this, self._functions)
        if any(isinstance(child, exp.Lambda) for child in node.iter_expressions()):
            if calls_in(node, self._functions):
                raise Unsupported("Unsupported: a model call beside a lambda in one function.")
            return True
        return False

    def _limit_of_inner(self, after: list[exp.Expr]) -> dict[str, exp.Expr]:
        """LIMIT for the inner query where no more rows can be needed, with what it needs."""
        select = self._select
        limit, offset = select.args.get("limit"), select.args.get("offset")
        if not isinstance(limit, exp.Limit) or after or is_grouped(select):
            return {}
        if any(select.args.get(name) for name in ("distinct", "qualify", "having")):
            return {}
        if any(isinstance(node, exp.Window) for node in own_nodes(select)):
            return {}
        counts = [
            limit.expression,
            offset.expression if offset is not None else exp.Literal.number(0),
        ]
        if not all(isinstance(count, exp.Literal) and count.is_int for count in counts):
            return {}
        order = self._order_of_inner()
        if order is None:
            return {}
        total = sum(int(count.this) for count in counts)
        return {**order, "limit": exp.Limit(expression=exp.Literal.number(total))}

    def _order_of_inner(self) -> dict[str, exp.Expr] | None:
        """The same order among the sources' rows; None when it depends on a call."""
        order = self._select.args.get("order")
        if order is None:
            return {}
        aliases = {
            name_of(item.args["alias"]): item.this
            for item in self._select.expressions
            if isinstance(item, exp.Alias)
        }
        copied = order.copy()
        for term in copied.expressions:
            key = term.this
            if isinstance(key, exp.Column) and not key.table and name_of(key.this) in aliases:
                key.replace(aliases[name_of(key.this)].copy())
            elif not isinstance(key, exp.Column):
                return None
            if calls_in(term, self._functions):
                return None
        return {"order": copied}


def _whole_result(call: SplitCall) -> exp.Expr:
    """The OBJECT of a call's outputs, built by the engine from their columns."""
    columns = [exp.column(quoted(name)) for name in call.names]
    if call.is_native:
        return columns[0]
    names = [output.name for output in call.outputs]
    return object_of(list(zip(names, columns, strict=True)), is_nullable=call.is_nullable)


def object_of(values: Sequence[tuple[str, exp.Expr]], *, is_nullable: bool) -> exp.Expr:
    """The OBJECT of a call's outputs, by name; where that may be, NULL when all of them are."""
    pairs = [
        exp.JSONKeyValue(this=exp.Literal.string(name), expression=value) for name, value in values
    ]
    whole = exp.JSONObject(expressions=pairs)
    if not is_nullable:
        return whole
    is_null = exp.and_(*(exp.Is(this=value.copy(), expression=exp.Null()) for _, value in values))
    return exp.If(this=is_null, true=exp.Null(), false=whole)


def output_value(value: exp.Expr, access: exp.Expr) -> exp.Expr:
    """Expression that stands for an access to one output: a VARIANT, but under a cast the cast is
    enough."""
    if isinstance(access.parent, exp.Cast):
        return value
    return exp.cast(value, "VARIANT", dialect=DIALECT)


def _clause(kind: type[exp.Expr], conditions: list[exp.Expr]) -> exp.Expr | None:
    condition = all_of(conditions)
    return None if condition is None else kind(this=condition)
