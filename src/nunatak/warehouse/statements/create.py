"""CREATE TABLE, CREATE VIEW and CREATE SEQUENCE.

A table is made and filled in one transaction, so that nothing half-made is ever seen.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.catalog.names import QualifiedName, quoted
from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.catalog.temporary import TemporaryObject
from nunatak.errors import InvalidArgument, ObjectExists, Unsupported
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.core.results import Field, Result, status_result
from nunatak.warehouse.core.types import engine_type, sql_type_of
from nunatak.warehouse.engine.engine import identifier, literal
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.query.translation import sql_text
from nunatak.warehouse.rewrite import rewrite
from nunatak.warehouse.rewrite.casts import session_type
from nunatak.warehouse.statements.byte_columns import rows_as_bytes
from nunatak.warehouse.statements.identities import drawn_last, identities, identity_sequence
from nunatak.warehouse.statements.template import template_columns
from nunatak.warehouse.tables.claims import claimed, distinct_columns, dropped
from nunatak.warehouse.tables.tables import Location, TableColumn, encode_note, session_database


@dataclass(frozen=True, kw_only=True)
class NewColumn:
    """A column to be made; `default` is SQL of the engine."""

    name: str
    type: SqlType
    nullable: bool = True
    default: str | None = None
    comment: str | None = None
    identity: tuple[int, int] | None = None
    """Start and step of AUTOINCREMENT."""


@dataclass(frozen=True, kw_only=True)
class NewTable:
    """A table to be made."""

    name: QualifiedName
    location: Location
    columns: Sequence[NewColumn]
    temporary: bool = False
    transient: bool = False
    comment: str | None = None
    primary_key: Sequence[str] = field(default_factory=tuple)


def create_table(execution: Execution, tree: exp.Create) -> Result:
    """CREATE TABLE in all its forms; answers the status."""
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    name = qualified(execution, target)
    properties = list(tree.args["properties"].expressions) if tree.args.get("properties") else []
    temporary = any(isinstance(item, exp.TemporaryProperty) for item in properties)
    location = (
        Location.temporary(execution.session, name) if temporary else Location.permanent(name)
    )
    if (found := existing(execution, tree, location, "TABLE", name)) is not None:
        return found
    columns, primary_key = _columns(execution, tree, properties)
    query = tree.expression if isinstance(tree.expression, exp.Query) else None
    if (clone := tree.args.get("clone")) is not None:
        query = exp.select("*").from_(clone.this.copy())
    filled = None
    if query is not None:
        translated = execution.translator.translate(query.copy())
        fields = execution.translator.described(translated)
        columns = _from_fields(columns, fields)
        filled = translated.sql
    table = NewTable(
        name=name,
        location=location,
        columns=columns,
        temporary=temporary,
        transient=any(isinstance(item, exp.TransientProperty) for item in properties),
        comment=comment_of(properties),
        primary_key=primary_key,
    )
    make_table(execution, table, replace=bool(tree.args.get("replace")), filled=filled)
    if not temporary:
        note_created(execution, "TABLE", name)
    return status_result(f"Table {quoted(name.name)} successfully created.")


def make_table(
    execution: Execution, table: NewTable, *, replace: bool = False, filled: str | None = None
) -> None:
    """Make a table, if asked for in place of one of exactly its name, and fill it from a query of
    the engine."""
    if not table.columns:
        raise InvalidArgument(f"Table {table.name} needs at least one column.")
    distinct_columns([column.name for column in table.columns])
    if table.temporary:
        execution.engine.attach_memory(session_database(execution.session))
    run_together(execution, _making(execution, table, replace=replace, filled=filled))
    execution.tables.forget(table.location)
    if table.temporary:
        execution.session.add_temporary(TemporaryObject("TABLE", table.name))


def note_created(
    execution: Execution, kind: str, name: QualifiedName, *, comment: str = ""
) -> None:
    """The session's role owns what was made."""
    if execution.hooks.guard is not None:
        execution.hooks.guard.created(execution.session, kind, name, comment=comment)


def _making(
    execution: Execution, table: NewTable, *, replace: bool, filled: str | None
) -> Iterator[str]:
    claim = claiming(execution, table.location, "TABLE", table.name, replace=replace)
    if filled is None:
        yield from claim
        yield from _statements(table)
        return
    # the rows may be made of the table that is replaced: it goes when they are there
    new = table.location.parking()
    rows = rows_as_bytes(filled, [column.type for column in table.columns])
    yield from _statements(dataclasses.replace(table, location=new))
    yield f"INSERT INTO {new.sql} {rows}"
    yield from claim
    yield f"ALTER TABLE {new.sql} RENAME TO {identifier(table.location.table)}"


def existing(
    execution: Execution, tree: exp.Create, location: Location, kind: str, name: QualifiedName
) -> Result | None:
    """The answer of IF NOT EXISTS for an object that is there; None when it is to be made.

    Raises ObjectExists, and what `claimed` does: before anything is done.
    """
    there = claimed(execution.connection, location, kind)
    if there == kind and tree.args.get("exists"):
        return status_result(f"{quoted(name.name)} already exists, statement succeeded.")
    _refuse(there, kind, name, replace=bool(tree.args.get("replace")))
    return None


def claiming(
    execution: Execution, location: Location, kind: str, name: QualifiedName, *, replace: bool
) -> Iterator[str]:
    """Statements that make a name free for a new object: they remove the one that OR REPLACE means,
    which has exactly this name and is of this kind. Raises ObjectExists, and what `claimed`
    does."""
    there = claimed(execution.connection, location, kind)
    _refuse(there, kind, name, replace=replace)
    if there is not None:
        yield from dropping(execution, location, kind)


def _refuse(there: str | None, kind: str, name: QualifiedName, *, replace: bool) -> None:
    if there is not None and (there != kind or not replace):
        hint = f"It is a {there.lower()}: drop it first." if replace else ""
        raise ObjectExists("Object", str(name), hint=hint)


def dropping(execution: Execution, location: Location, kind: str) -> Iterator[str]:
    """Statements that remove an object of exactly that name, and the sequences of its columns."""
    own = list(identities(execution, location))
    yield from dropped(execution.connection, location, kind)
    for sequence in own:
        yield from dropped(execution.connection, sequence, "SEQUENCE")


def run_together(execution: Execution, statements: Iterable[str]) -> None:
    """Run statements of the engine as one transaction; what tells them may look at what is there
    as the transaction finds it."""
    connection = execution.connection
    connection.execute("BEGIN")
    try:
        for statement in statements:
            connection.execute(statement)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def qualified(execution: Execution, table: exp.Table) -> QualifiedName:
    """The full name that a table node means in the session."""
    return execution.session.qualify(tuple(stored(part) for part in table.parts))


def comment_of(properties: Sequence[exp.Expr]) -> str | None:
    """The COMMENT among an object's properties."""
    for item in properties:
        if isinstance(item, exp.SchemaCommentProperty):
            return str(item.this.name)
    return None


def _columns(
    execution: Execution, tree: exp.Create, properties: Sequence[exp.Expr]
) -> tuple[list[NewColumn], tuple[str, ...]]:
    like = next((item for item in properties if isinstance(item, exp.LikeProperty)), None)
    clone = tree.args.get("clone")
    for item in properties:
        if isinstance(item, exp.UsingTemplateProperty):
            described = template_columns(execution, item.this.unnest())
            return [NewColumn(name=n, type=t, nullable=null) for n, t, null in described], ()
    pattern = like.this if like is not None else clone.this if clone is not None else None
    if pattern is not None:
        table = execution.translator.table(tuple(stored(part) for part in pattern.parts))
        copied = [_copied(execution, column, go_on=clone is not None) for column in table.columns]
        return copied, table.primary_key
    if not isinstance(tree.this, exp.Schema):
        return [], ()
    columns, primary_key = [], []
    for item in tree.this.expressions:
        if isinstance(item, exp.ColumnDef):
            column, is_key = column_of(execution, item)
            columns.append(column)
            primary_key += [column.name] if is_key else []
        elif isinstance(item, exp.Identifier):
            columns.append(NewColumn(name=stored(item), type=_UNKNOWN))
        else:
            primary_key += _table_key(item)
    keyed = [
        dataclasses.replace(column, nullable=False) if column.name in primary_key else column
        for column in columns
    ]
    return keyed, tuple(primary_key)


_UNKNOWN = SqlType(TypeKind.VARIANT, length=0)
"""Stands for the type that the query of CREATE TABLE … AS will tell."""


def column_of(execution: Execution, node: exp.ColumnDef) -> tuple[NewColumn, bool]:
    """A column definition, and whether it is the primary key."""
    if node.kind is None:
        raise Unsupported(f"Unsupported: column {node.name} without a data type.")
    column = NewColumn(
        name=stored(node.this), type=session_type(node.kind, execution.translator.context())
    )
    is_key = False
    for constraint in node.args.get("constraints") or ():
        kind = constraint.kind
        match kind:
            case exp.NotNullColumnConstraint():
                column = dataclasses.replace(column, nullable=bool(kind.args.get("allow_null")))
            case exp.DefaultColumnConstraint():
                default = sql_text(rewrite(kind.this.copy(), execution.translator.context()))
                column = dataclasses.replace(column, default=default)
            case exp.CommentColumnConstraint():
                column = dataclasses.replace(column, comment=str(kind.this.name))
            case exp.PrimaryKeyColumnConstraint():
                column, is_key = dataclasses.replace(column, nullable=False), True
            case exp.AutoIncrementColumnConstraint():
                column = dataclasses.replace(column, identity=(1, 1))
            case exp.GeneratedAsIdentityColumnConstraint():
                column = dataclasses.replace(column, identity=_identity(kind))
            case exp.UniqueColumnConstraint() | exp.Reference():
                pass  # declared for readers only, as at the vendor
            case _:
                raise Unsupported(f"Unsupported: {constraint.sql(dialect='snowflake')}.")
    return column, is_key


def _identity(node: exp.Expr) -> tuple[int, int]:
    start, step = node.args.get("start"), node.args.get("increment")
    return (int(start.name) if start else 1, int(step.name) if step else 1)


def _table_key(item: exp.Expr) -> list[str]:
    keys = [item] if isinstance(item, exp.PrimaryKey) else list(item.find_all(exp.PrimaryKey))
    return [stored(part) for key in keys for part in key.find_all(exp.Identifier)]


def _copied(execution: Execution, column: TableColumn, *, go_on: bool) -> NewColumn:
    """A column like another: a copy of an AUTOINCREMENT column counts by itself, from the same
    beginning or, to `go_on`, from where the other is."""
    identity = None
    if column.identity is not None:
        identity = (column.identity.start, column.identity.increment)
        last = drawn_last(execution, column.default) if go_on else None
        identity = identity if last is None else (last + identity[1], identity[1])
    return NewColumn(
        name=column.name,
        type=column.type,
        nullable=column.nullable,
        default=column.default if identity is None else None,
        comment=column.comment,
        identity=identity,
    )


def _from_fields(columns: Sequence[NewColumn], fields: Sequence[Field]) -> list[NewColumn]:
    """Columns of CREATE TABLE … AS: named and typed by the query where not declared."""
    if not columns:
        return [NewColumn(name=column.name, type=column.type) for column in fields]
    if len(columns) != len(fields):
        raise InvalidArgument("SQL compilation error:\nInvalid column definition list")
    return [
        dataclasses.replace(column, type=given.type) if column.type is _UNKNOWN else column
        for column, given in zip(columns, fields, strict=True)
    ]


def _statements(table: NewTable) -> Iterator[str]:
    definitions = []
    for column in table.columns:
        default = column.default
        if column.identity is not None:
            start, step = column.identity
            sequence = identity_sequence(table.location).sql
            yield f"CREATE SEQUENCE {sequence} START {start} INCREMENT {step}"
            default = f"nextval({literal(sequence)})"
        definitions.append(
            f"{identifier(column.name)} {engine_type(column.type)}"
            + (f" DEFAULT {default}" if default else "")
            + ("" if column.nullable else " NOT NULL")
        )
    yield f"CREATE TABLE {table.location.sql} ({', '.join(definitions)})"
    note = encode_note(
        comment=table.comment,
        transient=table.transient,
        primary_key=list(table.primary_key),
        created=round(time.time(), 3),
    )
    yield f"COMMENT ON TABLE {table.location.sql} IS {literal(note)}"
    for column in table.columns:
        yield from column_note(table.location, column.name, column.type, column.comment)


def column_note(
    location: Location, name: str, sql_type: SqlType, comment: str | None
) -> Iterator[str]:
    """The statement that notes what the engine does not know of a column, if there is any."""
    implied = sql_type_of(engine_type(sql_type)) == sql_type
    note = encode_note(type="" if implied else sql_type.ddl(), comment=comment)
    if note != "{}":
        yield f"COMMENT ON COLUMN {location.sql}.{identifier(name)} IS {literal(note)}"
