"""Stars, USING and NATURAL JOIN by exact name, in upper and lower case."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from nunatak.errors import Unsupported
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.engine.engine import folded
from nunatak.warehouse.query.name_scopes import SelectScope, Source, exact_name, indistinct, invalid


def projected(node: exp.Select, scope: SelectScope) -> Sequence[str] | None:
    columns: list[str] = []
    for item in list(node.expressions):
        star = item.this if isinstance(item, exp.Column) else item
        if isinstance(star, exp.Star):
            chosen = list(scope.sources.values())
            if isinstance(item, exp.Column):
                source = scope.source(stored(item.args["table"]))
                chosen = [source] if source is not None else []
            found = _starred(star, all_columns(chosen, scope) if chosen else None)
            if any(source.engine for source in chosen) or _recases(star):
                _expand(item, star, chosen, scope)
            if found is None:
                return None
            columns += (new for _, new in found)
        else:
            columns.append(_output_name(item))
    return columns


def _recases(star: exp.Star) -> bool:
    """Whether RENAME changes the case of a name alone, which the engine tells its readers not."""
    return any(
        folded(exact_name(part.this)) == folded(stored(part.args["alias"]))
        for part in star.args.get("rename") or ()
    )


def _expand(item: exp.Expr, star: exp.Star, chosen: Sequence[Source], scope: SelectScope) -> None:
    """Write the columns out, with their names, where the engine calls them otherwise."""
    written: list[exp.Expr] = []
    for source in chosen:
        found = _starred(star, source.columns)
        if scope.shared or star.args.get("replace") or found is None or not source.name:
            raise Unsupported("Unsupported: this form of * over columns that differ only in case.")
        for name, new in found:
            column = exp.column(quoted(source.engine.get(name, name)), table=quoted(source.name))
            written.append(exp.Alias(this=column, alias=quoted(new)))
    select = item.parent
    assert isinstance(select, exp.Select)
    index = select.expressions.index(item)
    rest = select.expressions[index + 1 :]
    select.set("expressions", [*select.expressions[:index], *written, *rest])


def aliases(item: exp.Expr) -> Sequence[exp.Alias]:
    """The names that a projection gives."""
    star = item.this if isinstance(item, exp.Column) else item
    if isinstance(star, exp.Star):
        return star.args.get("rename") or ()
    return [item] if isinstance(item, exp.Alias) else ()


def all_columns(chosen: Sequence[Source], scope: SelectScope) -> list[str] | None:
    columns: list[str] = []
    seen: set[str] = set()
    for source in chosen:
        if source.columns is None:
            return None
        columns += [
            name
            for name in source.columns
            if folded(name) not in scope.shared or folded(name) not in seen
        ]
        seen |= scope.shared & {folded(name) for name in source.columns}
    return columns


def _starred(star: exp.Star, columns: Sequence[str] | None) -> Sequence[tuple[str, str]] | None:
    """The columns that a star takes, each with the name that it gives; None when not known."""
    if columns is None or star.args.get("ilike"):
        return None
    left_out = {exact_name(part) for part in star.args.get("except_") or ()}
    renamed = {
        exact_name(part.this): stored(part.args["alias"]) for part in star.args.get("rename") or ()
    }
    return [(name, renamed.get(name, name)) for name in columns if name not in left_out]


def check_star(star: exp.Star, scope: SelectScope) -> None:
    if isinstance(star.parent, exp.StarMap) and any(s.engine for s in scope.sources.values()):
        raise Unsupported("Unsupported: OBJECT_CONSTRUCT(*) of columns that differ only in case.")
    named = [*(star.args.get("except_") or ()), *(star.args.get("rename") or ())]
    named += star.args.get("replace") or ()
    for part in named:
        node = part.args["alias"] if part in (star.args.get("replace") or ()) else part
        name = exact_name(node.this if isinstance(node, exp.Alias) else node)
        known = scope.known(name)
        if known and name not in known:
            raise invalid(name)


def check_join(join: exp.Join, source: Source, scope: SelectScope) -> None:
    """USING and NATURAL JOIN take columns of both sides by name."""
    if join.args.get("method") == "NATURAL":
        for name in source.columns or ():
            for other in scope.known(name):
                if other != name:
                    raise indistinct(name, other)
                scope.shared.add(folded(name))
    for part in join.args.get("using") or ():
        name = exact_name(part)
        known = scope.known(name)
        for columns in (known, source.columns or ()):
            rivals = [other for other in columns if folded(other) == folded(name)]
            if rivals and name not in rivals:
                raise invalid(name)
        if any(other != name for other in known):
            raise indistinct(name, next(other for other in known if other != name))
        scope.shared.add(folded(name))


def _output_name(item: exp.Expr) -> str:
    """The name of a projection; empty when nothing can refer to it."""
    if isinstance(item, exp.Alias):
        return stored(item.args["alias"])
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Identifier):
        return stored(item.this)
    alias = item.args.get("alias")
    return stored(alias.this) if isinstance(alias, exp.TableAlias) and alias.this else ""
