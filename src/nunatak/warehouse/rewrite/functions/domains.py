"""Rules for functions of numbers that are not defined everywhere: outside they are an error."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import FLOAT
from nunatak.warehouse.rewrite.context import RewriteContext, call, typed
from nunatak.warehouse.rewrite.semi import is_json

_CHECKS = {
    exp.Sqrt: ("nk_not_negative", "sqrt"),
    exp.Ln: ("nk_positive", "ln"),
    exp.Log: ("nk_positive", "log"),
    exp.Acos: ("nk_at_most_one", "acos"),
    exp.Asin: ("nk_at_most_one", "asin"),
}


def checked(node: exp.Func, _context: RewriteContext) -> exp.Expr:
    """SQRT(x), LN(x), LOG(base, x), ACOS(x) and ASIN(x): the argument is checked."""
    check, name = _CHECKS[type(node)]
    key = "expression" if node.args.get("expression") is not None else "this"
    argument = node.args[key]
    if isinstance(argument, exp.Expr) and not _is_within(argument):
        if is_json(argument):
            to = exp.DataType.build("DOUBLE", dialect="duckdb")
            argument = exp.Cast(this=argument, to=to)
        node.set(key, call(check, argument, exp.Literal.string(name)))
    return typed(node, FLOAT)


def _is_within(argument: exp.Expr) -> bool:
    """Whether every check passes by what is written."""
    if not isinstance(argument, exp.Literal) or argument.is_string:
        return False
    return 0 < float(argument.name) <= 1
