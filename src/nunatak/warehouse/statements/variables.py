"""SET and UNSET of session variables."""

from __future__ import annotations

from sqlglot import exp

from nunatak.errors import InvalidArgument, LimitExceeded
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.core.results import Result, status_result
from nunatak.warehouse.query.execution import Execution

VARIABLES_LIMIT = 1_000
VALUE_LIMIT_CHARS = 16 * 1024


def set_variables(execution: Execution, tree: exp.Set) -> Result:
    """SET x = expression, SET (x, y) = (expression, expression), UNSET x."""
    session = execution.session
    names, values = _assignments(tree)
    if tree.args.get("unset"):
        for name in names:
            session.variables.pop(name, None)
        return status_result("Statement executed successfully.")
    found = []
    for value in values:
        [[computed]] = [
            list(row)
            for row in execution.connection.execute(
                execution.translator.translate(exp.select(value.copy())).sql
            )
        ]
        if isinstance(computed, str) and len(computed) > VALUE_LIMIT_CHARS:
            raise LimitExceeded(f"A variable holds at most {VALUE_LIMIT_CHARS} characters.")
        found.append(computed)
    if len(session.variables) + len(names) > VARIABLES_LIMIT:
        raise LimitExceeded(f"A session has at most {VARIABLES_LIMIT} variables: UNSET some.")
    with session.lock:
        session.variables.update(zip(names, found, strict=True))
    return status_result("Statement executed successfully.")


def _assignments(tree: exp.Set) -> tuple[list[str], list[exp.Expr]]:
    names: list[str] = []
    values: list[exp.Expr] = []
    for item in tree.expressions:
        if isinstance(item, exp.Identifier):
            names.append(stored(item))
            continue
        equal = item.this
        if not isinstance(equal, exp.EQ):
            raise InvalidArgument("SET needs a name and a value, as in SET x = 1.")
        left, right = equal.this, equal.expression
        many = isinstance(left, exp.Tuple)
        targets = left.expressions if many else [left]
        given = right.expressions if many and isinstance(right, exp.Tuple) else [right]
        if len(targets) != len(given):
            raise InvalidArgument("SET needs one value for each name.")
        names += [stored(target.find(exp.Identifier)) for target in targets]
        values += given
    return names, values
