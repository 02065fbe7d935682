"""CREATE VIEW and CREATE SEQUENCE."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence

from sqlglot import exp

from nunatak.catalog.names import QualifiedName, quoted
from nunatak.catalog.temporary import TemporaryObject
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.warehouse.core.call_markers import ModelCall
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.core.results import Result, status_result
from nunatak.warehouse.engine.engine import identifier, literal
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.statements.create import (
    claiming,
    comment_of,
    existing,
    note_created,
    qualified,
    run_together,
)
from nunatak.warehouse.tables.claims import distinct_columns
from nunatak.warehouse.tables.tables import (
    Location,
    encode_note,
    is_session_database,
    noted_reads,
    noted_secure,
    session_database,
)


def create_view(execution: Execution, tree: exp.Create) -> Result:
    """CREATE [OR REPLACE] [TEMPORARY] VIEW; its text is kept for SHOW and GET_DDL."""
    columns = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    name = qualified(execution, target)
    properties = list(tree.args["properties"].expressions) if tree.args.get("properties") else []
    if any(isinstance(item, exp.MaterializedProperty) for item in properties):
        raise Unsupported("Unsupported: materialized views.")
    if not isinstance(tree.expression, exp.Query):
        raise InvalidArgument("SQL compilation error:\nA view needs a query.")
    temporary = any(isinstance(item, exp.TemporaryProperty) for item in properties)
    location = (
        Location.temporary(execution.session, name) if temporary else Location.permanent(name)
    )
    if (found := existing(execution, tree, location, "VIEW", name)) is not None:
        return found
    if temporary:
        execution.engine.attach_memory(session_database(execution.session))
    _write_view(execution, tree, name, location, columns=columns, properties=properties)
    execution.tables.forget(location)
    if temporary:
        execution.session.add_temporary(TemporaryObject("VIEW", name))
    else:
        note_created(execution, "VIEW", name)
    return status_result(f"View {quoted(name.name)} successfully created.")


def refuse_model_calls(calls: Iterable[ModelCall]) -> None:
    """Raise Unsupported for a view that would call models: what a model answers is read into the
    statement that calls it, and is gone with it."""
    for call in calls:
        written = ".".join(call.target) + (f"!{call.method}" if call.method else "")
        raise Unsupported(
            f"Unsupported: a view over a call of a model or service ({written}). Keep what it "
            "answers with CREATE TABLE … AS SELECT, or call it in the statement that reads the "
            "view."
        )


def _write_view(
    execution: Execution,
    tree: exp.Create,
    name: QualifiedName,
    location: Location,
    *,
    columns: Sequence[exp.Expression],
    properties: Sequence[exp.Expression],
) -> None:
    """Create the view with the note that says what its text and the types of its columns are."""
    if execution.sources.names:
        raise Unsupported(
            "Unsupported: a view over staged files, INFORMATION_SCHEMA, or rows that a statement "
            "left behind. Keep the rows with CREATE TABLE … AS SELECT."
        )
    translated = execution.translator.translate(tree.expression.copy())
    fields = execution.translator.described(translated)
    names = [stored(column.find(exp.Identifier)) for column in columns] or [
        field.name for field in fields
    ]
    if len(names) != len(fields):
        raise InvalidArgument("SQL compilation error:\nInvalid column definition list")
    passing = next(
        (str(name) for name, table in execution.translator.reads.items() if table.temporary), ""
    )
    if passing and not is_session_database(location.database):
        raise Unsupported(
            f"Unsupported: a view over the temporary {passing}, which it would outlive. Use CREATE "
            "TEMPORARY VIEW."
        )
    note = encode_note(
        text=execution.request.text.strip(),
        reads=noted_reads(execution.translator.read_names),
        secure=noted_secure(
            is_secure=any(isinstance(item, exp.SecureProperty) for item in properties)
        ),
        created=round(time.time(), 3),
        comment=comment_of(properties),
        columns={name: field.type.ddl() for name, field in zip(names, fields, strict=True)},
    )
    distinct_columns(names)
    columns_sql = ", ".join(map(identifier, names))
    replace = bool(tree.args.get("replace"))
    made = [
        f"CREATE VIEW {location.sql} ({columns_sql}) AS {translated.sql}",
        f"COMMENT ON VIEW {location.sql} IS {literal(note)}",
    ]
    free = claiming(execution, location, "VIEW", name, replace=replace)
    run_together(execution, itertools.chain(free, made))


def create_sequence(execution: Execution, tree: exp.Create) -> Result:
    """CREATE [OR REPLACE] SEQUENCE [IF NOT EXISTS] s [START n] [INCREMENT n] [COMMENT = …]."""
    name = qualified(execution, tree.this)
    start, step = 1, 1
    properties = tree.args["properties"].expressions if tree.args.get("properties") else ()
    for item in properties:
        if isinstance(item, exp.SequenceProperties):
            start = int(item.args["start"].name) if item.args.get("start") else start
            step = int(item.args["increment"].name) if item.args.get("increment") else step
    location = Location.permanent(name)
    if (found := existing(execution, tree, location, "SEQUENCE", name)) is not None:
        return found
    free = claiming(execution, location, "SEQUENCE", name, replace=bool(tree.args.get("replace")))
    made = f"CREATE SEQUENCE {location.sql} START {start} INCREMENT {step}"
    run_together(execution, itertools.chain(free, [made]))
    note_created(execution, "SEQUENCE", name, comment=comment_of(properties) or "")
    return status_result(f"Sequence {quoted(name.name)} successfully created.")
