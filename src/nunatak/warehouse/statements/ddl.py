"""DROP, ALTER, COMMENT and DESCRIBE for tables, views and sequences."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from nunatak.catalog.names import QualifiedName, quoted
from nunatak.catalog.sqltypes import TEXT, SqlType
from nunatak.errors import (
    InvalidArgument,
    InvalidIdentifier,
    ObjectExists,
    ObjectNotFound,
    SyntaxInvalid,
    Unsupported,
)
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.core.results import Field, Result, StatementKind, rows_result, status_result
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.core.types import engine_type
from nunatak.warehouse.engine.engine import folded, identifier, literal
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.query.translation import sql_text
from nunatak.warehouse.rewrite import rewrite
from nunatak.warehouse.rewrite.casts import session_type
from nunatak.warehouse.statements.create import (
    column_note,
    column_of,
    dropping,
    qualified,
    run_together,
)
from nunatak.warehouse.statements.creation_words import STORAGE
from nunatak.warehouse.tables.claims import claimed, distinct_columns
from nunatak.warehouse.tables.load_history import renamed
from nunatak.warehouse.tables.tables import (
    Location,
    Table,
    TableColumn,
    encode_note,
    noted_reads,
    noted_secure,
)

_SUCCESS = "Statement executed successfully."


def drop(execution: Execution, tree: exp.Drop) -> Result:
    """DROP TABLE, VIEW or SEQUENCE [IF EXISTS]."""
    kind = str(tree.args["kind"]).upper()
    if kind not in {"TABLE", "VIEW", "SEQUENCE"}:
        raise Unsupported(f"Unsupported: DROP {kind}.")
    targets = tree.args.get("tables") or [tree.this]
    if len(targets) != 1:
        raise Unsupported(f"Unsupported: dropping several objects by one DROP {kind}.")
    target = targets[0]
    name = qualified(execution, target)
    shown = quoted(name.name)
    if kind == "SEQUENCE":
        if not execution.translator.has_sequence(name):
            if tree.args.get("exists"):
                text = f"Drop statement executed successfully ({shown} already dropped)."
                return status_result(text)
            raise ObjectNotFound("Sequence", str(name))
        run_together(execution, dropping(execution, Location.permanent(name), kind))
        _note_dropped(execution, kind, name)
        return status_result(f"{shown} successfully dropped.")
    found = execution.translator.find(name)
    if found is None or found.is_view != (kind == "VIEW"):
        if tree.args.get("exists") and found is None:
            return status_result(f"Drop statement executed successfully ({shown} already dropped).")
        written = ".".join(stored(part) for part in target.parts)
        raise ObjectNotFound(kind.capitalize(), written)
    drop_table(execution, found)
    return status_result(f"{shown} successfully dropped.")


def drop_table(execution: Execution, table: Table) -> None:
    """Remove a table or view."""
    run_together(execution, dropping(execution, table.location, table.object_kind))
    if table.temporary:
        execution.session.drop_temporary(table.object_kind, table.name)
    else:
        _note_dropped(execution, table.object_kind, table.name)
    execution.tables.forget(table.location)


def _note_dropped(execution: Execution, kind: str, name: QualifiedName) -> None:
    if execution.hooks.guard is not None:
        execution.hooks.guard.dropped(kind, name)


def alter(execution: Execution, tree: exp.Alter) -> Result:
    """ALTER TABLE and ALTER VIEW in the common forms."""
    kind = str(tree.args["kind"]).upper()
    if kind not in {"TABLE", "VIEW"}:
        raise Unsupported(f"Unsupported: ALTER {kind}.")
    name = qualified(execution, tree.this)
    table = execution.translator.find(name)
    if table is None or (kind == "VIEW" and not table.is_view):
        if table is None and tree.args.get("exists"):
            return status_result(_SUCCESS)
        raise ObjectNotFound(kind.capitalize(), ".".join(stored(part) for part in tree.this.parts))
    if any(isinstance(action, exp.AlterRename) for action in tree.args.get("actions") or ()):
        _require_to(execution.request.statement)
    if any(tree.args.get(key) for key in ("options", "only", "iceberg")):
        raise Unsupported(f"Unsupported: {tree.sql(dialect='snowflake')}.")
    statements: list[str] = []
    for action in tree.args.get("actions") or ():
        handler = _ACTIONS.get(type(action))
        if handler is None:
            raise Unsupported(f"Unsupported: ALTER {kind} … {action.sql(dialect='snowflake')}.")
        statements += handler(execution, table, action)
    run_together(execution, statements)
    execution.tables.forget(table.location)
    _note_renamed(execution, table, tree)
    return status_result(_SUCCESS)


def _note_renamed(execution: Execution, table: Table, tree: exp.Alter) -> None:
    guard = execution.hooks.guard
    if guard is None:
        return
    for action in tree.args.get("actions") or ():
        if isinstance(action, exp.AlterRename):
            guard.renamed(table.object_kind, table.name, qualified(execution, action.this))
        elif isinstance(action, exp.SwapTable):
            guard.swapped(table.object_kind, table.name, qualified(execution, action.this))


def _add_column(execution: Execution, table: Table, node: exp.ColumnDef) -> list[str]:
    if node.args.get("position") is not None:
        raise Unsupported("Unsupported: ADD COLUMN … FIRST and AFTER: a new column is the last.")
    column, _ = column_of(execution, node)
    if column.identity is not None:
        raise Unsupported("Unsupported: ADD COLUMN with AUTOINCREMENT: make the table anew.")
    if table.column(column.name):
        if node.args.get("exists"):
            return []
        raise ObjectExists("Column", column.name)
    distinct_columns([*(other.name for other in table.columns), column.name])
    default = f" DEFAULT {column.default}" if column.default else ""
    added = f"{identifier(column.name)} {engine_type(column.type)}{default}"
    statements = [f"ALTER TABLE {table.location.sql} ADD COLUMN {added}"]
    if not column.nullable:
        statements.append(_alter_column(table, column.name, "SET NOT NULL"))
    notes = column_note(table.location, column.name, column.type, column.comment)
    return [*statements, *notes]


def _drop(_execution: Execution, table: Table, node: exp.Drop) -> list[str]:
    if (kind := str(node.args.get("kind")).upper()) != "COLUMN":
        raise Unsupported(f"Unsupported: ALTER TABLE … DROP {kind}.")
    names = [_plain_name(column) for column in node.args.get("tables") or [node.this]]
    return [
        f"ALTER TABLE {table.location.sql} DROP COLUMN {identifier(_known(table, name).name)}"
        for name in names
        if table.column(name) or not node.args.get("exists")
    ]


def _rename_column(_execution: Execution, table: Table, node: exp.RenameColumn) -> list[str]:
    old, new = _plain_name(node.this), _plain_name(node.args["to"])
    _known(table, old)
    if table.column(new):
        raise ObjectExists("Column", new)
    distinct_columns([new if other.name == old else other.name for other in table.columns])
    return [
        f"ALTER TABLE {table.location.sql} RENAME COLUMN {identifier(old)} TO {identifier(new)}"
    ]


def _alter_column_action(execution: Execution, table: Table, node: exp.AlterColumn) -> list[str]:
    column = _known(table, _plain_name(node.this))
    if node.args.get("using") or node.args.get("collate"):
        raise Unsupported(f"Unsupported: {node.sql(dialect='snowflake')}.")
    if (dtype := node.args.get("dtype")) is not None:
        sql_type = session_type(dtype, execution.translator.context())
        changed = _alter_column(table, column.name, f"SET DATA TYPE {engine_type(sql_type)}")
        return [changed, *_noted(table, column, sql_type, column.comment)]
    if (comment := node.args.get("comment")) is not None:
        return _noted(table, column, column.type, str(comment.name))
    if (default := node.args.get("default")) is not None:
        value = sql_text(rewrite(default.copy(), execution.translator.context()))
        return [_alter_column(table, column.name, f"SET DEFAULT {value}")]
    if node.args.get("allow_null") is not None:
        change = "DROP NOT NULL" if node.args["allow_null"] else "SET NOT NULL"
        return [_alter_column(table, column.name, change)]
    if node.args.get("drop"):
        return [_alter_column(table, column.name, "DROP DEFAULT")]
    raise Unsupported(f"Unsupported: {node.sql(dialect='snowflake')}.")


def _rename_table(execution: Execution, table: Table, node: exp.AlterRename) -> list[str]:
    new = qualified(execution, node.this)
    if table.temporary:
        raise Unsupported("Unsupported: renaming a temporary table.")
    target = Location.permanent(new)
    is_own = new.sibling(table.name.name) == table.name and folded(new.name) == folded(
        table.name.name
    )
    if new == table.name or (
        not is_own and claimed(execution.connection, target, "TABLE") is not None
    ):
        raise ObjectExists("Object", str(new))
    execution.tables.forget(target)
    word = "VIEW" if table.is_view else "TABLE"
    if (new.database, new.schema) == (table.name.database, table.name.schema):
        history = [] if table.is_view else renamed(execution.connection, table, new)
        return [*history, f"ALTER {word} {table.location.sql} RENAME TO {identifier(new.name)}"]
    raise Unsupported("Unsupported: moving a table to another schema by RENAME.")


def _require_to(statement: StatementText) -> None:
    """The parser reads `RENAME x TO y`, where COLUMN is missing, as renaming the table."""
    follow = [
        after
        for token, after in itertools.pairwise(statement.tokens)
        if token.token_type is TokenType.RENAME
    ]
    if any(token.token_type is TokenType.VAR and token.text.upper() == "TO" for token in follow):
        return
    wrong = follow[0]
    raise SyntaxInvalid(
        f"SQL compilation error:\nsyntax error line {wrong.line} at position {wrong.col} "
        f"unexpected '{wrong.text}'. (Write RENAME TO for the table, RENAME COLUMN for a column.)",
        line=wrong.line,
        position=wrong.col,
    )


def _swap(execution: Execution, table: Table, node: exp.SwapTable) -> list[str]:
    if not isinstance(node.this, exp.Table):
        raise SyntaxInvalid("SQL compilation error:\nsyntax error: SWAP WITH needs a table.")
    other = execution.translator.table(tuple(stored(part) for part in node.this.parts))
    if table.is_view or other.is_view:
        raise InvalidArgument("SWAP WITH takes tables: a view cannot be swapped.")
    if table.temporary or other.temporary:
        raise Unsupported("Unsupported: SWAP WITH of temporary tables.")
    if table.name.sibling("") != other.name.sibling(""):
        raise Unsupported("Unsupported: SWAP WITH a table of another schema.")
    execution.tables.forget(other.location)
    parking = table.location.parking()
    return [
        *renamed(execution.connection, table, other.name),
        *renamed(execution.connection, other, table.name),
        f"ALTER TABLE {table.location.sql} RENAME TO {identifier(parking.table)}",
        f"ALTER TABLE {other.location.sql} RENAME TO {identifier(table.name.name)}",
        f"ALTER TABLE {parking.sql} RENAME TO {identifier(other.name.name)}",
    ]


def _set(_execution: Execution, table: Table, node: exp.AlterSet) -> list[str]:
    given = [item for item in node.expressions if isinstance(item, exp.Properties)]
    properties = [one for item in given for one in item.expressions]
    if not properties or any(node.args.get(key) for key in ("tag", "file_format", "copy_options")):
        raise Unsupported(f"Unsupported: ALTER {table.object_kind} … {_shown(node)}.")
    for one in properties:
        is_known = isinstance(one, exp.SchemaCommentProperty | exp.SecureProperty)
        if not is_known and str(one.name).upper() not in STORAGE:
            raise Unsupported(f"Unsupported: ALTER {table.object_kind} … SET {one.name.upper()}.")
    comments = [one for one in properties if isinstance(one, exp.SchemaCommentProperty)]
    if any(isinstance(one, exp.SecureProperty) for one in properties):
        table = dataclasses.replace(table, is_secure=True)
    elif not comments:
        return []
    comment = comments[-1].this.name if comments else table.comment or ""
    return [table_comment(table, str(comment))]


def _shown(node: exp.Expr) -> str:
    return node.sql(dialect="snowflake").replace("None", "").strip()


def _add_constraint(_execution: Execution, table: Table, node: exp.AddConstraint) -> list[str]:
    """Keys are declared for readers only, as at the vendor; a check would have to hold."""
    if node.find(exp.CheckColumnConstraint) is not None:
        raise Unsupported(f"Unsupported: ALTER {table.object_kind} … ADD CONSTRAINT … CHECK.")
    return []


def _ignored(_execution: Execution, _table: Table, _node: exp.Expr) -> list[str]:
    return []


_ACTIONS: dict[type[exp.Expr], Callable[[Execution, Table, Any], list[str]]] = {
    exp.ColumnDef: _add_column,
    exp.Drop: _drop,
    exp.RenameColumn: _rename_column,
    exp.AlterColumn: _alter_column_action,
    exp.AlterRename: _rename_table,
    exp.SwapTable: _swap,
    exp.AlterSet: _set,
    exp.Cluster: _ignored,
    exp.ClusterProperty: _ignored,
    exp.AddConstraint: _add_constraint,
}


def table_comment(table: Table, comment: str) -> str:
    """The statement that sets the user's comment and keeps what else is noted."""
    word = "VIEW" if table.is_view else "TABLE"
    note = encode_note(
        comment=comment,
        transient=table.transient,
        text=table.text,
        reads=noted_reads(table.reads),
        created=table.created_on,
        primary_key=list(table.primary_key),
        columns={column.name: column.type.ddl() for column in table.columns}
        if table.is_view
        else None,
        secure=noted_secure(is_secure=table.is_secure) if table.is_view else None,
    )
    return f"COMMENT ON {word} {table.location.sql} IS {literal(note)}"


def comment_on(execution: Execution, tree: exp.Comment) -> Result:
    """COMMENT [IF EXISTS] ON TABLE, VIEW or COLUMN."""
    kind = str(tree.args["kind"]).upper()
    text = str(tree.expression.name)
    if kind == "COLUMN":
        parts = tuple(stored(part) for part in tree.this.parts)
        table = execution.translator.table(parts[:-1])
        column = _known(table, parts[-1])
        statements = _noted(table, column, column.type, text)
    elif kind in {"TABLE", "VIEW"}:
        table = execution.translator.table(tuple(stored(part) for part in tree.this.parts))
        statements = [table_comment(table, text)]
    else:
        raise Unsupported(f"Unsupported: COMMENT ON {kind}.")
    run_together(execution, statements)
    execution.tables.forget(table.location)
    return status_result(_SUCCESS)


_DESCRIBED = (
    *("name", "type", "kind", "null?", "default", "primary key", "unique key"),
    *("check", "expression", "comment", "policy name", "privacy domain"),
)
DESCRIBE_FIELDS = tuple(Field(name, TEXT) for name in _DESCRIBED)


def describe_table(execution: Execution, parts: Sequence[str]) -> Result:
    """DESCRIBE TABLE or VIEW."""
    table = execution.translator.table(tuple(parts))
    rows = [
        [
            column.name,
            column.type.ddl(),
            "COLUMN",
            "Y" if column.nullable else "N",
            column.identity.ddl if column.identity else column.shown_default,
            "Y" if column.name in table.primary_key else "N",
            "N",
            None,
            None,
            column.comment,
            None,
            None,
        ]
        for column in table.columns
    ]
    return rows_result(DESCRIBE_FIELDS, rows, kind=StatementKind.SHOW)


def _plain_name(node: exp.Expr | None) -> str:
    """The name of a column that a change means; raises SyntaxInvalid for any other expression."""
    found = node.this if isinstance(node, exp.Column | exp.Table) and len(node.parts) == 1 else node
    if not isinstance(found, exp.Identifier):
        shown = "nothing" if node is None else f"'{node.sql(dialect='snowflake')}'"
        raise SyntaxInvalid(
            f"SQL compilation error:\nsyntax error: expected the name of a column, found {shown}."
        )
    return stored(found)


def _known(table: Table, name: str) -> TableColumn:
    column = table.column(name)
    if column is None:
        raise InvalidIdentifier(f"SQL compilation error:\ninvalid identifier '{name}'")
    return column


def _alter_column(table: Table, name: str, change: str) -> str:
    return f"ALTER TABLE {table.location.sql} ALTER COLUMN {identifier(name)} {change}"


def _noted(table: Table, column: TableColumn, sql_type: SqlType, comment: str | None) -> list[str]:
    if table.is_view:
        raise Unsupported("Unsupported: comments on columns of a view.")
    erased = f"COMMENT ON COLUMN {table.location.sql}.{identifier(column.name)} IS NULL"
    return [erased, *column_note(table.location, column.name, sql_type, comment)]
