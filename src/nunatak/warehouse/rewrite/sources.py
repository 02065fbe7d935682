"""Rules for what stands in FROM: VALUES, FLATTEN, GENERATOR, and table functions by name."""

from __future__ import annotations

from sqlglot import exp

from nunatak.errors import Unsupported
from nunatak.warehouse.core.dialect import DIALECT, quoted
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed
from nunatak.warehouse.rewrite.semi import engine_path

_FLATTEN_ARGUMENTS = ("INPUT", "PATH", "OUTER", "RECURSIVE", "MODE")
FLATTEN_COLUMNS = ("SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS")


def values(node: exp.Values, _context: RewriteContext) -> exp.Expr:
    """Columns of VALUES are COLUMN1, COLUMN2, … unless they are named."""
    if not node.expressions or not isinstance(node.expressions[0], exp.Tuple):
        return node
    if isinstance(node.parent, exp.Insert):
        return node
    alias = node.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        return node
    count = len(node.expressions[0].expressions)
    name = alias.this if alias is not None and alias.this else quoted("VALUES")
    columns = [quoted(f"COLUMN{index + 1}") for index in range(count)]
    node.set("alias", exp.TableAlias(this=name, columns=columns))
    return node


def parameter(node: exp.Parameter, _context: RewriteContext) -> exp.Expr:
    """`$1` is the first column of VALUES or of a staged file."""
    if isinstance(node.this, exp.Literal):
        if isinstance(node.parent, exp.Column):
            typed(node.parent, type_of(node))
            return quoted(f"COLUMN{node.this.name}")
        return typed(exp.Column(this=quoted(f"COLUMN{node.this.name}")), type_of(node))
    raise Unsupported(f"Unsupported: {node.sql(dialect='snowflake')}.")


def lateral(node: exp.Lateral, _context: RewriteContext) -> exp.Expr:
    """`LATERAL FLATTEN(…)`."""
    if isinstance(node.this, exp.Explode):
        return _flatten(node, node.this)
    return node


def table_function(node: exp.TableFromRows, _context: RewriteContext) -> exp.Expr:
    """`TABLE(f(…))` for the functions that the engine has."""
    inner = node.this
    if isinstance(inner, exp.Explode):
        return _flatten(node, inner)
    if isinstance(inner, exp.Generator):
        return _aliased(call("range", _generator_rows(inner)), node, ("SEQ",))
    if isinstance(inner, exp.SplitToTable):
        arguments = (inner.this, inner.expression)
        return _aliased(call("nk_split_to_table", *arguments), node, None)
    name = inner.name.upper() if isinstance(inner, exp.Anonymous) else type(inner).__name__
    raise Unsupported(f"Unsupported: the table function {name}.")


_BY_BLOCKS = frozenset({"BLOCK", "SYSTEM"})
"""Methods of SAMPLE that take whole blocks of rows; the others take each row by its chance."""


def sample(node: exp.TableSample, _context: RewriteContext) -> exp.Expr:
    """SAMPLE [method] (chance) and SAMPLE (n ROWS), by the engine's names of the methods."""
    by_blocks = node.text("method").upper() in _BY_BLOCKS
    if node.args.get("size") is None:
        node.set("method", exp.var("SYSTEM" if by_blocks else "BERNOULLI"))
    elif by_blocks:
        raise Unsupported("Unsupported: SAMPLE of a number of rows by blocks.")
    else:
        node.set("method", exp.var("RESERVOIR"))
    return node


_SEQUENCE_HALVES: dict[type[exp.Expr], int] = {exp.Seq1: 2**7, exp.Seq2: 2**15, exp.Seq4: 2**31}
"""How many numbers from zero on have a sequence's width."""


def sequence(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """SEQ4([sign]) and its kin number the rows from zero; behind the largest number of their width
    they go on with zero, or with the smallest one where the sign is 1. A window ordered by it keeps
    the rows' order."""
    if isinstance(node.find_ancestor(exp.Window, exp.Select), exp.Window):
        return exp.Null()
    numbered = exp.Window(this=exp.RowNumber())
    counted = exp.Paren(this=exp.Sub(this=numbered, expression=exp.Literal.number(1)))
    if isinstance(node, exp.Seq8):
        return counted
    sign = node.this.name if isinstance(node.this, exp.Expr) else "0"
    if sign not in {"0", "1"}:
        raise Unsupported("Unsupported: SEQ1, SEQ2 and SEQ4 with a sign other than 0 or 1.")
    half = exp.Literal.number(_SEQUENCE_HALVES[type(node)])
    if sign == "0":
        return exp.Paren(this=exp.Mod(this=counted, expression=half))
    shifted = exp.Paren(this=exp.Add(this=counted, expression=half))
    whole = exp.Literal.number(2 * _SEQUENCE_HALVES[type(node)])
    wrapped = exp.Mod(this=shifted, expression=whole)
    return exp.Paren(this=exp.Sub(this=wrapped, expression=half.copy()))


def _generator_rows(node: exp.Generator) -> exp.Expr:
    rows: exp.Expr | None = node.args.get("rowcount")
    if rows is None:
        raise Unsupported("Unsupported: GENERATOR without ROWCOUNT.")
    return rows


def _flatten(node: exp.Expr, explode: exp.Explode) -> exp.Expr:
    given: dict[str, exp.Expr] = {}
    for name, argument in zip(
        _FLATTEN_ARGUMENTS, (explode.this, *explode.expressions), strict=False
    ):
        if isinstance(argument, exp.Kwarg):
            given[argument.this.name.upper()] = argument.expression
        else:
            given[name] = argument
    _refuse_sequence(node)
    value = given["INPUT"]
    above = ""
    path = given.get("PATH")
    if path is not None and not isinstance(path, exp.Null):
        if not (isinstance(path, exp.Literal) and path.is_string):
            raise Unsupported("Unsupported: FLATTEN with a PATH that is computed.")
        above = path.name
    if above:
        read = DIALECT.to_json_path(path)
        if not isinstance(read, exp.JSONPath):
            raise Unsupported(f"Unsupported: FLATTEN with the PATH '{above}'.")
        value = call("json_extract", value, exp.Literal.string("$" + engine_path(read)))
    recursive = _is_true(given.get("RECURSIVE"))
    name = "nk_flatten_recursive" if recursive else "nk_flatten"
    made = call(name, value, exp.Literal.string(above))
    mode = given.get("MODE")
    if mode is not None and mode.name.upper() != "BOTH":
        raise Unsupported("Unsupported: FLATTEN with MODE other than BOTH.")
    table = _aliased(made, node, None)
    if _is_true(given.get("OUTER")):
        _make_outer(node)
    return table


def _refuse_sequence(node: exp.Expr) -> None:
    """SEQ would be the same for all rows that a FLATTEN behind others takes apart."""
    query = node.find_ancestor(exp.Select)
    if query is None or not isinstance(node.parent, exp.Join | exp.Select):
        return
    if any(item.alias.upper() == "SEQ" for item in query.expressions):
        return
    alias = node.args.get("alias")
    tables = {"", alias.name.upper() if alias is not None else ""}
    for part in query.walk(prune=lambda inner: inner is not query and isinstance(inner, exp.Query)):
        named = isinstance(part, exp.Column) and part.name.upper() == "SEQ"
        if named and part.text("table").upper() in tables:
            raise Unsupported(
                "Unsupported: SEQ of a FLATTEN behind other rows: name a column of these rows."
            )


def _is_true(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Boolean) and bool(node.this)


def _make_outer(node: exp.Expr) -> None:
    """OUTER keeps rows of the left side for which there is nothing to flatten."""
    join = node.parent
    if isinstance(join, exp.Join):
        join.set("side", "LEFT")
        join.set("kind", None)
        join.set("method", None)
        join.set("on", exp.true())
        return
    raise Unsupported("Unsupported: FLATTEN with OUTER => TRUE that follows nothing.")


def _aliased(function: exp.Expr, node: exp.Expr, columns: tuple[str, ...] | None) -> exp.Expr:
    alias = node.args.get("alias")
    name = alias.this if alias is not None and alias.this else quoted("_FLATTENED")
    named = alias.args.get("columns") if alias is not None else None
    return exp.Table(
        this=function,
        alias=exp.TableAlias(
            this=name, columns=named or [quoted(column) for column in columns or ()]
        ),
    )
