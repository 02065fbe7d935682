"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE, with the vendor's counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from sqlglot import exp

from nunatak.catalog.sqltypes import NUMBER
from nunatak.errors import InvalidIdentifier, Unsupported
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.core.results import (
    Field,
    Result,
    StatementKind,
    affected_result,
    rows_result,
    status_result,
)
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.query.translation import sql_text
from nunatak.warehouse.rewrite.literal_lists import note_targets
from nunatak.warehouse.statements.byte_columns import (
    merged_as_bytes,
    set_as_bytes,
    stored_as_bytes,
)
from nunatak.warehouse.statements.create import run_together
from nunatak.warehouse.tables.load_history import forgotten
from nunatak.warehouse.tables.tables import Table

UPDATE_FIELDS = (
    Field("number of rows updated", NUMBER),
    Field("number of multi-joined rows updated", NUMBER),
)


def insert(execution: Execution, tree: exp.Insert) -> Result:
    """INSERT [OVERWRITE] INTO t [(columns)] VALUES … or SELECT …."""
    _refuse_returning(tree)
    overwrite = bool(tree.args.get("overwrite"))
    tree.args.pop("overwrite", None)
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    table = _target(execution, target)
    named = tree.this.expressions if isinstance(tree.this, exp.Schema) else ()
    targets = [stored(column) for column in named] or [column.name for column in table.columns]
    stored_as_bytes(tree, table, targets)
    columns = [table.column(name) for name in targets]
    note_targets(tree.expression, [column.type if column else None for column in columns])
    sql = sql_text(execution.translator.rewritten(tree))
    if not overwrite:
        return affected_result(StatementKind.INSERT, inserted=_count(execution, sql))
    statements = _replaced(execution, table, sql)
    if execution.in_transaction:
        for statement in statements:
            _count(execution, statement)
    else:
        with alone(execution, table):
            run_together(execution, statements)
    rows = execution.connection.execute(f"SELECT count(*) FROM {table.location.sql}")
    return affected_result(StatementKind.INSERT, inserted=int(rows[0][0]))


_ROW_ID = "rowid"


def _replaced(execution: Execution, table: Table, sql: str) -> Iterator[str]:
    """INSERT OVERWRITE: the new rows come before the old ones go, since they may be made of them;
    the engine counts a table's rows upwards."""
    if any(column.name.lower() == _ROW_ID for column in table.columns):
        raise Unsupported(f"Unsupported: INSERT OVERWRITE of a table with a column '{_ROW_ID}'.")
    here = table.location.sql
    [(last,)] = execution.connection.execute(f"SELECT max({_ROW_ID}) FROM {here}")
    yield sql
    if last is not None:
        yield f"DELETE FROM {here} WHERE {_ROW_ID} <= {last}"


def update(execution: Execution, tree: exp.Update) -> Result:
    """UPDATE t SET … [FROM …] [WHERE …]."""
    _refuse_returning(tree)
    table = _target(execution, tree.this)
    set_as_bytes(tree, table)
    _set_own(tree, tree.this, table)
    rewritten = execution.translator.rewritten(tree)
    with alone(execution, table):
        count = _count(execution, sql_text(rewritten))
    return rows_result(UPDATE_FIELDS, [[count, 0]], kind=StatementKind.UPDATE)


def delete(execution: Execution, tree: exp.Delete) -> Result:
    """DELETE FROM t [USING …] [WHERE …]."""
    _refuse_returning(tree)
    table = _target(execution, tree.this)
    with alone(execution, table):
        count = _count(execution, sql_text(execution.translator.rewritten(tree)))
    return affected_result(StatementKind.DELETE, deleted=count)


def merge(execution: Execution, tree: exp.Merge) -> Result:
    """MERGE INTO t USING … ON … WHEN …."""
    kinds = merge_counts(tree)
    table = _target(execution, tree.this)
    for clause in tree.find_all(exp.When):
        action = clause.args["then"]
        merged_as_bytes(action, table)
        if isinstance(action, exp.Update):
            _set_own(action, tree.this, table)
    rewritten = execution.translator.rewritten(tree)
    with alone(execution, table):
        rows = execution.connection.execute(f"{sql_text(rewritten)} RETURNING merge_action")
    counts = Counter(str(action) for (action,) in rows)
    counted = {name: counts[action] for action, name in kinds.items()}
    return affected_result(StatementKind.MERGE, **counted)


def merge_counts(tree: exp.Merge) -> dict[str, str]:
    """Counts that a MERGE answers: words of the result's columns, by action."""
    actions = {
        "INSERT"
        if isinstance(then, exp.Insert)
        else "UPDATE"
        if isinstance(then, exp.Update)
        else "DELETE"
        for clause in tree.find_all(exp.When)
        if (then := clause.args.get("then")) is not None
    }
    names = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}
    return {action: name for action, name in names.items() if action in actions}


def truncate(execution: Execution, tree: exp.TruncateTable) -> Result:
    """TRUNCATE TABLE t."""
    for target in tree.expressions:
        name = execution.session.qualify(tuple(stored(part) for part in target.parts))
        found = execution.translator.find(name)
        if found is None and tree.args.get("exists"):
            continue
        if tree.args.get("exists") and not _is_there(execution, target):
            continue
        table = _target(execution, target)
        with alone(execution, table):
            emptied = f"DELETE FROM {table.location.sql}"
            run_together(execution, [emptied, *forgotten(execution.connection, table)])
    return status_result("Statement executed successfully.")


def _refuse_returning(tree: exp.Expr) -> None:
    if tree.args.get("returning") is not None:
        raise Unsupported(f"Unsupported: {tree.key.upper()} … RETURNING.")


def _set_own(action: exp.Update, target: exp.Table, table: Table) -> None:
    """Name the columns that are set without their table, which has to be the one that changes.
    Raises InvalidIdentifier for a column of another."""
    whole = (table.name.database, table.name.schema, table.name.name)
    own = {whole[at:] for at in range(len(whole))}
    if (alias := target.args.get("alias")) is not None and alias.this is not None:
        own.add((stored(alias.this),))
    for assignment in action.expressions:
        column = assignment.this if isinstance(assignment, exp.EQ) else None
        if not isinstance(column, exp.Column) or len(column.parts) == 1:
            continue
        *place, _ = parts = [stored(part) for part in column.parts]
        if tuple(place) not in own:
            name = ".".join(parts)
            raise InvalidIdentifier(f"SQL compilation error:\ninvalid identifier '{name}'")
        column.replace(exp.Column(this=column.this.copy()))


def _is_there(execution: Execution, node: exp.Table) -> bool:
    name = execution.session.qualify(tuple(stored(part) for part in node.parts))
    found = execution.translator.find(name)
    return found is not None


def _target(execution: Execution, node: exp.Table) -> Table:
    return execution.translator.table(tuple(stored(part) for part in node.parts))


def alone(execution: Execution, table: Table) -> AbstractContextManager[None]:
    """Wait until no other statement changes the table; not inside a transaction."""
    if execution.in_transaction:
        return nullcontext()
    return execution.tables.write_locks.held(table.location, check=execution.check_cancelled)


def _count(execution: Execution, sql: str) -> int:
    execution.check_cancelled()
    rows = execution.connection.execute(sql)
    return int(rows[0][0]) if rows else 0
