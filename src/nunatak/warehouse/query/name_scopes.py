"""Scopes of names: what the names of columns in one SELECT can mean, by exact name.

The engine compares names without case. A name that nothing there has exactly is refused, whatever
the engine would take for it; one that the engine would take for another is written so that it
cannot: with its table's name before it, or as the expression that an alias stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.catalog import names
from nunatak.errors import InvalidIdentifier, Unsupported
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.core.trees import put_in_place
from nunatak.warehouse.engine.engine import folded

Qualify = Callable[[tuple[str, ...]], tuple[str, ...]]


def exact_name(node: exp.Expr) -> str:
    """The exact name that an identifier, or a column without its table, means."""
    return stored(node.this if isinstance(node, exp.Column) else node)


def invalid(name: str) -> InvalidIdentifier:
    """The refusal of a name that nothing has."""
    return InvalidIdentifier(f"SQL compilation error:\ninvalid identifier '{name}'")


def indistinct(name: str, other: str) -> Unsupported:
    """The refusal of names that the engine could not tell apart."""
    return Unsupported(
        f"Unsupported: {names.quoted(name)} beside {names.quoted(other)}, which differs only in "
        "case: give one of them another name in this query."
    )


def unique(columns: Sequence[str]) -> list[str]:
    """Names for the engine, each another one also without case: the given ones where possible."""
    seen: set[str] = set()
    made = []
    for index, name in enumerate(columns):
        chosen = name if folded(name) not in seen else f"{name}·{index}"
        seen.add(folded(chosen))
        made.append(chosen)
    return made


def collide(columns: Iterable[str]) -> bool:
    """Whether some of the names differ only in case."""
    distinct = set(columns)
    return len({folded(name) for name in distinct}) < len(distinct)


@dataclass(eq=False)
class Source:
    """An entry of FROM."""

    node: exp.Expr
    name: str
    columns: Sequence[str] | None
    """Exact names in order; None when they are not known."""
    engine: Mapping[str, str] = field(default_factory=dict)
    """What the engine calls columns that it could not tell apart by their names."""
    path: tuple[str, ...] = ()
    """The full name of a table that has no alias."""
    exact: frozenset[str] = field(init=False)
    alike: frozenset[str] = field(init=False)
    """The columns' names without case."""

    def __post_init__(self) -> None:
        self.exact = frozenset(self.columns or ())
        self.alike = frozenset(map(folded, self.exact))


@dataclass
class SelectScope:
    """The sources and aliases of one SELECT, inside those of the queries around it."""

    outer: SelectScope | None = None
    qualify: Qualify = tuple
    sources: dict[str, Source] = field(default_factory=dict)
    aliases: dict[str, exp.Expr] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    """Columns of USING, without case: they belong to both sides."""
    _columns: dict[str, list[tuple[str, Source]]] = field(default_factory=dict)
    _aliases: dict[str, list[str]] = field(default_factory=dict)

    def add(self, source: Source) -> None:
        """Make a source visible; raises Unsupported when its name differs only in case from that
        of another."""
        for other in self.sources:
            if other != source.name and folded(other) == folded(source.name):
                raise indistinct(source.name, other)
        # A second unnamed source, or a second of the same name, is the engine's to refuse.
        key = source.name if source.name not in self.sources else f"{source.name}\0{id(source)}"
        self.sources[key] = source
        for name in source.columns or ():
            self._columns.setdefault(folded(name), []).append((name, source))

    def name(self, alias: str, value: exp.Expr) -> None:
        """Make the alias of a projection visible."""
        self.aliases.setdefault(alias, value)
        self._aliases.setdefault(folded(alias), []).append(alias)

    def known(self, name: str) -> list[str]:
        """The columns here that the engine takes for a name."""
        return [other for other, _ in self._columns.get(folded(name), ())]

    def meant(self, name: str) -> tuple[list[Source], list[str], int]:
        """The sources that have exactly this column, other columns and aliases that the engine
        takes for it, and how many aliases have exactly this name."""
        found = self._columns.get(folded(name), ())
        named = self._aliases.get(folded(name), [])
        rivals = [other for other in (*(one for one, _ in found), *named) if other != name]
        return [source for other, source in found if other == name], rivals, named.count(name)

    def resolve(self, node: exp.Column) -> None:
        """Make sure that a column means to the engine what it means by its exact name.

        Raises InvalidIdentifier, and Unsupported when that cannot be done.
        """
        if node.args.get("table") is not None:
            self._qualified(node)
        elif isinstance(node.this, exp.Identifier):
            self._plain(node, stored(node.this))

    def source(self, name: str) -> Source | None:
        """The nearest source of exactly this name. Raises InvalidIdentifier when there are only
        such that differ in case, Unsupported when one of those is nearer."""
        rival = None
        scope: SelectScope | None = self
        while scope is not None:
            if name in scope.sources:
                if rival is not None:
                    raise indistinct(name, rival)
                return scope.sources[name]
            wanted = folded(name)
            rival = rival or next((one for one in scope.sources if folded(one) == wanted), None)
            scope = scope.outer
        if rival is not None:
            raise invalid(name)
        return None

    def _qualified(self, node: exp.Column) -> None:
        table = stored(node.args["table"])
        source = self.source(table)
        if source is None:
            return
        given = tuple(
            stored(part) for key in ("catalog", "db", "table") if (part := node.args.get(key))
        )
        if source.path and len(given) > 1 and source.path[-len(given) :] != given:
            raise invalid(".".join(given))
        if not isinstance(node.this, exp.Identifier):
            return
        name = stored(node.this)
        if name in source.exact:
            _rename(node, source, name)
        elif folded(name) in source.alike:
            raise invalid(f"{table}.{name}")

    def _plain(self, node: exp.Column, name: str) -> None:
        rivals: list[str] = []
        scope: SelectScope | None = self
        while scope is not None:
            exact, others, named = scope.meant(name)
            rivals += others
            if exact or named:
                self._decide(node, name, scope, exact, rivals)
                return
            scope = scope.outer
        if rivals:
            raise invalid(name)

    def _decide(
        self,
        node: exp.Column,
        name: str,
        scope: SelectScope,
        exact: list[Source],
        rivals: list[str],
    ) -> None:
        renamed = any(name in source.engine for source in exact)
        if not rivals and not renamed:
            return
        if name in scope.aliases and (not exact or _sorts(node)):
            if scope.meant(name)[2] > 1:
                raise InvalidIdentifier(f"SQL compilation error:\nambiguous column name '{name}'")
            _substitute(node, scope.aliases[name])
            return
        if len(exact) != 1 or folded(name) in scope.shared:
            raise indistinct(name, rivals[0] if rivals else name)
        [source] = exact
        if not source.name or self.source(source.name) is not source:
            raise indistinct(name, rivals[0] if rivals else name)
        node.set("table", quoted(source.name))
        _rename(node, source, name)


def _sorts(node: exp.Column) -> bool:
    """Whether a column stands alone in ORDER BY, where aliases come first."""
    ordered = node.parent
    return isinstance(ordered, exp.Ordered) and isinstance(ordered.parent, exp.Order)


def _substitute(node: exp.Column, value: exp.Expr) -> None:
    if isinstance(value, exp.Literal):
        raise indistinct(stored(node.this), stored(node.this).swapcase())
    name = stored(node.this)
    copy = value.copy()
    new = copy if isinstance(copy, exp.Column) else exp.Paren(this=copy)
    _replace(node, new, name)


def _rename(node: exp.Column, source: Source, name: str) -> None:
    if name in source.engine:
        new = node.copy()
        new.set("this", quoted(source.engine[name]))
        _replace(node, new, name)


def _replace(node: exp.Column, new: exp.Expr, name: str) -> None:
    """Put something in a column's place; a projection keeps its name."""
    if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
        new = exp.Alias(this=new, alias=quoted(name))
    put_in_place(node, new)
