"""Rules for identifiers, tables and columns: the vendor's case, full names, temporary tables."""

from __future__ import annotations

from sqlglot import exp

from nunatak.errors import InvalidArgument, Unsupported
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.rewrite.context import RewriteContext
from nunatak.warehouse.tables.tables import Location


def identifier(node: exp.Identifier, _context: RewriteContext) -> exp.Expr:
    """Unquoted identifiers mean upper case."""
    if not node.args.get("quoted"):
        if not isinstance(node.parent, exp.PropertyEQ):
            node.set("this", str(node.this).upper())
        node.args["quoted"] = True
    return node


def table(node: exp.Table, context: RewriteContext) -> exp.Expr:
    """A table by its place in the engine, under the alias by which columns name it."""
    inner = node.this
    if not isinstance(inner, exp.Identifier):
        return _unnamed_source(node)
    parts = tuple(stored(part) for part in node.parts)
    if len(parts) == 1 and (names_cte(node, parts[0]) or parts[0] in context.registered):
        return node
    found = context.resolve(parts)
    location = found.location
    node.set("this", quoted(location.table))
    node.set("db", quoted(location.schema))
    node.set("catalog", quoted(location.database))
    if not node.args.get("alias"):
        node.set("alias", exp.TableAlias(this=quoted(parts[-1])))
    if node.args.get("when") or node.args.get("version"):
        raise Unsupported("Unsupported feature: time travel (AT, BEFORE).")
    return node


def names_cte(node: exp.Table, name: str) -> bool:
    """Whether a one-part name means a common table expression that is visible there."""
    child: exp.Expr = node
    parent = node.parent
    while parent is not None:
        clause = parent if isinstance(parent, exp.With) else parent.args.get("with_")
        if clause is not None and clause is not child and _defines(clause, name, inside=child):
            return True
        child, parent = parent, parent.parent
    return False


def _defines(clause: exp.With, name: str, *, inside: exp.Expr) -> bool:
    """Whether a WITH defines the name, as seen from one of its own expressions or from outside.

    A common table expression sees those before it, and itself only when RECURSIVE.
    """
    for cte in clause.expressions:
        is_self = cte is inside
        if is_self and not clause.args.get("recursive"):
            return False
        if stored(cte.args["alias"].this) == name:
            return True
        if is_self:
            return False
    return False


def column(node: exp.Column, context: RewriteContext) -> exp.Expr:
    """`db.s.t.c` is `t.c`; `s.nextval` takes the next number of a sequence."""
    qualifier = tuple(
        stored(part) for key in ("catalog", "db", "table") if (part := node.args.get(key))
    )
    if isinstance(node.this, exp.Identifier) and stored(node.this) == "NEXTVAL" and qualifier:
        sequence = Location.permanent(context.sequence(qualifier))
        return exp.Anonymous(this="nextval", expressions=[exp.Literal.string(sequence.sql)])
    node.set("catalog", None)
    node.set("db", None)
    return node


def _unnamed_source(node: exp.Table) -> exp.Expr:
    inner = node.this
    if isinstance(inner, exp.Func):
        name = inner.name if isinstance(inner, exp.Anonymous) else inner.sql_name()
        raise InvalidArgument(
            f"'{name.upper()}' cannot be read like a table: write TABLE({name.upper()}(…))."
        )
    raise Unsupported(f"Unsupported: reading from {inner.sql(dialect='snowflake')}.")
