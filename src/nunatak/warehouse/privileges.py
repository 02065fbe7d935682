"""The privileges that statements on tables need.

What a statement reads is checked where its names are resolved (`Translator.table`), so that no
query can pass by; what it makes, changes or removes is declared here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import CheckedInside, Nothing, Rules, declared
from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.catalog.names import QualifiedName, quoted
from nunatak.errors import ObjectNotFound
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.sources import stage_location
from nunatak.warehouse.statements.create import qualified
from nunatak.warehouse.statements.dml import merge_counts
from nunatak.warehouse.tables.listing import find_sequence
from nunatak.warehouse.tables.tables import Table, object_not_found, sequences_drawn_from

MADE = frozenset({"TABLE", "VIEW", "SEQUENCE"})
"""Kinds that the warehouse makes."""


def authorise(execution: Execution, tree: exp.Expr) -> None:
    """Check what a bound statement changes; raises PrivilegeMissing or ObjectNotFound."""
    changes = CHANGES[type(tree)]
    if execution.hooks.guard is not None:
        changes.check(execution, tree)


def _insert(execution: Execution, tree: exp.Insert) -> None:
    _target(execution, tree.this, "INSERT", *(["DELETE"] if tree.args.get("overwrite") else []))


def _update(execution: Execution, tree: exp.Update) -> None:
    _target(execution, tree.this, "UPDATE")


def _delete(execution: Execution, tree: exp.Delete) -> None:
    _target(execution, tree.this, "DELETE")


def _merge(execution: Execution, tree: exp.Merge) -> None:
    _target(execution, tree.this, *sorted(merge_counts(tree)))


def _truncate(execution: Execution, tree: exp.TruncateTable) -> None:
    for target in tree.expressions:
        _target(execution, target, "TRUNCATE")


def _copy(execution: Execution, tree: exp.Copy) -> None:
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if stage_location(target) is None:
        _target(execution, target, "INSERT")


def _describe(execution: Execution, tree: exp.Describe) -> None:
    _target(execution, tree.this, ANY)


def _alter(execution: Execution, tree: exp.Alter | exp.Drop) -> None:
    for target in tree.args.get("tables") or [tree.this]:
        if not isinstance(target, exp.Table):
            continue
        if str(tree.args["kind"]).upper() == "SEQUENCE":
            name = qualified(execution, target)
            if execution.translator.has_sequence(name):
                execution.translator.require(Requirement(OWNERSHIP, "SEQUENCE", str(name)))
        else:
            _target(execution, target, OWNERSHIP)
    _references(execution, tree)
    for action in tree.args.get("actions") or ():
        if isinstance(action, exp.SwapTable):
            _target(execution, action.this, OWNERSHIP)
        elif isinstance(action, exp.AlterRename):
            _making(execution, str(tree.args["kind"]).upper(), qualified(execution, action.this))


def _comment(execution: Execution, tree: exp.Comment) -> None:
    if str(tree.args["kind"]).upper() == "COLUMN":
        _permit(execution, tuple(stored(part) for part in tree.this.parts)[:-1], OWNERSHIP)
    else:
        _target(execution, tree.this, OWNERSHIP)


def _create(execution: Execution, tree: exp.Create) -> None:
    properties = tree.args.get("properties")
    given = {type(item) for item in (properties.expressions if properties else ())}
    kind = str(tree.args["kind"]).upper()
    if kind not in MADE:
        return
    _references(execution, tree)
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    name = qualified(execution, target)
    if exp.TemporaryProperty in given:  # whoever may use a schema may keep private tables there
        execution.translator.require(Requirement(ANY, "SCHEMA", _schema_of(name)))
        return
    _making(execution, kind, name)
    if not tree.args.get("replace"):
        return
    if kind == "SEQUENCE":
        if find_sequence(execution.connection, name) is not None:
            execution.translator.require(Requirement(OWNERSHIP, kind, str(name)))
        return
    existing = execution.tables.permanent(name, connection=execution.connection)
    if existing is not None:
        execution.translator.permit(existing, OWNERSHIP)


def _references(execution: Execution, tree: exp.Expr) -> None:
    """Foreign keys need REFERENCES on the table that they name, but for the statement's own."""
    own = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    for reference in tree.find_all(exp.Reference):
        node = reference.this
        table = node.this if isinstance(node, exp.Schema) else node
        if qualified(execution, table) == qualified(execution, own):
            continue
        parts = tuple(stored(part) for part in table.parts)
        found = execution.translator.find(execution.session.qualify(parts))
        if found is None:
            raise object_not_found(parts)
        execution.translator.permit(found, "REFERENCES")


def _making(execution: Execution, kind: str, name: QualifiedName) -> None:
    execution.translator.require(Requirement(f"CREATE {kind}", "SCHEMA", _schema_of(name)))


def _schema_of(name: QualifiedName) -> str:
    return f"{quoted(name.database)}.{quoted(name.schema)}"


def _target(execution: Execution, node: exp.Expr, *privileges: str) -> None:
    table = node.this if isinstance(node, exp.Schema) else node
    if isinstance(table, exp.Table):
        _permit(execution, tuple(stored(part) for part in table.parts), *privileges)


def _permit(execution: Execution, parts: tuple[str, ...], *privileges: str) -> None:
    """Permit a use; what is not there, or may not be seen, is left to the statement, which knows
    about IF EXISTS."""
    name = execution.session.qualify(parts)
    table = execution.translator.find(name)
    if table is None:
        return
    execution.translator.permit(table, *privileges)
    if "INSERT" in privileges:
        _draw_defaults(execution, table)


def _draw_defaults(execution: Execution, table: Table) -> None:
    """The defaults of new rows draw from sequences with the rights of the table's owner, who may
    have lost them; AUTOINCREMENT draws from the table's own."""
    guard = execution.hooks.guard
    if guard is None:
        return
    owner = (
        execution.session.role if table.temporary else guard.owner(table.object_kind, table.name)
    )
    for column in table.columns:
        drawn = sequences_drawn_from(column.default or "") if column.identity is None else []
        for sequence in drawn:
            name = str(QualifiedName(sequence.database, sequence.schema, sequence.table))
            if owner is None or not guard.allows(owner, Requirement("USAGE", "SEQUENCE", name)):
                hint = f"(The default of column '{column.name}' draws from it with the rights of "
                hint += f"role {owner}, which owns table {table.name}.)"
                raise ObjectNotFound("Sequence", name, hint=hint)


def _nothing(_execution: Execution, _tree: exp.Expr) -> None:
    """Nothing is changed that others see."""


@dataclass(frozen=True, slots=True)
class StatementPrivileges:
    """Privileges that a kind of statement needs besides those to read, and their check."""

    needs: Rules
    check: Callable[[Execution, Any], None]


def _named(*privileges: str) -> Rules:
    return (CheckedInside(why="the statement names its objects", privileges=privileges),)


READS = _named(
    "SELECT on each table and view that is read, by its owner for what a view reads",
    "READ on each stage",
    "USAGE on each file format, model, function and sequence",
    "USAGE on a role of each service",
)
"""Of every statement, also inside of others: asked where a name is resolved."""
_OF_SESSION: Rules = (Nothing(why="variables belong to the session"),)
_OF_TRANSACTION: Rules = (Nothing(why="a transaction belongs to the session"),)
CHANGES: Mapping[type[exp.Expr], StatementPrivileges] = {
    exp.Insert: StatementPrivileges(
        _named(
            "INSERT on the table, and USAGE on the sequences of its defaults by its owner",
            "DELETE on it with OVERWRITE",
        ),
        _insert,
    ),
    exp.Update: StatementPrivileges(_named("UPDATE on the table"), _update),
    exp.Delete: StatementPrivileges(_named("DELETE on the table"), _delete),
    exp.Merge: StatementPrivileges(
        _named("INSERT, UPDATE and DELETE on the table, for what the clauses do"), _merge
    ),
    exp.TruncateTable: StatementPrivileges(_named("TRUNCATE on the table"), _truncate),
    exp.Copy: StatementPrivileges(
        _named("INSERT on the table, or WRITE on the stage, that is written"), _copy
    ),
    exp.Describe: StatementPrivileges(_named("any privilege on the table"), _describe),
    exp.Alter: StatementPrivileges(
        _named(
            "OWNERSHIP of the object",
            "CREATE and its kind on the schema for another name",
            "REFERENCES on each table that a foreign key names",
        ),
        _alter,
    ),
    exp.Drop: StatementPrivileges(_named("OWNERSHIP of the object"), _alter),
    exp.Comment: StatementPrivileges(_named("OWNERSHIP of the table"), _comment),
    exp.Create: StatementPrivileges(
        _named(
            "CREATE TABLE, VIEW or SEQUENCE on the schema, any privilege for a temporary one",
            "REFERENCES on each table that a foreign key names",
            "OWNERSHIP of what OR REPLACE replaces",
        ),
        _create,
    ),
    exp.Set: StatementPrivileges(_OF_SESSION, _nothing),
    exp.Transaction: StatementPrivileges(_OF_TRANSACTION, _nothing),
    exp.Commit: StatementPrivileges(_OF_TRANSACTION, _nothing),
    exp.Rollback: StatementPrivileges(_OF_TRANSACTION, _nothing),
}
"""Every kind of statement that changes something; another kind does not run."""
for _kind, _changes in CHANGES.items():
    declared(_kind.__name__, _changes.needs)
