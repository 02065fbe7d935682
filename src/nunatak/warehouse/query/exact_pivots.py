"""The columns that PIVOT and UNPIVOT make, by their exact names."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from nunatak.errors import Unsupported
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.query.name_scopes import collide


def pivoted(pivot: exp.Pivot, columns: Sequence[str] | None) -> list[str] | None:
    """Names that a source's columns become; None where that is not known.

    Raises Unsupported where some of the names before or after it differ only in case.
    """
    made = _made(pivot)
    if collide(columns or ()) or collide(made or ()):
        raise _indistinct(pivot)
    if columns is None or made is None:
        return None
    taken = {stored(column.this) for column in pivot.find_all(exp.Column)}
    alias = pivot.args.get("alias")
    listed = [stored(name) for name in alias.args.get("columns") or ()] if alias else []
    found = [*(name for name in columns if name not in taken), *made]
    found = [*listed, *found[len(listed) :]]
    if collide(found):
        raise _indistinct(pivot)
    return found


def _indistinct(pivot: exp.Pivot) -> Unsupported:
    word = "UNPIVOT" if pivot.args.get("unpivot") else "PIVOT"
    return Unsupported(f"Unsupported: {word} with columns that differ only in case.")


def _made(pivot: exp.Pivot) -> list[str] | None:
    fields: list[exp.Expr] = pivot.args.get("fields") or []
    if len(fields) != 1 or not isinstance(field := fields[0], exp.In):
        return None
    if pivot.args.get("unpivot"):
        names = [field.this, *pivot.expressions]
        return [stored(name) for name in names if isinstance(name, exp.Identifier)]
    values = [_named(value) for value in field.expressions]
    return None if None in values else [name for name in values if name is not None]


def _named(value: exp.Expr) -> str | None:
    if isinstance(value, exp.PivotAlias) and isinstance(value.args["alias"], exp.Identifier):
        return stored(value.args["alias"])
    if isinstance(value, exp.Literal):
        return f"'{value.this}'" if value.is_string else str(value.this)
    return None
