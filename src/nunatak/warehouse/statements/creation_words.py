"""Options of CREATE TABLE and CREATE VIEW beside names, columns and a query."""

from __future__ import annotations

from sqlglot import exp

from nunatak.errors import Unsupported
from nunatak.warehouse.core.statement_text import StatementText

STORAGE = {"DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS", "CHANGE_TRACKING"}
"""Taken without effect: advice to the vendor's storage, for what is not offered here."""
_BOTH = (exp.TemporaryProperty, exp.SchemaCommentProperty, exp.CopyGrantsProperty)
_TAKEN = {
    "TABLE": (
        *_BOTH,
        *(exp.TransientProperty, exp.LikeProperty, exp.UsingTemplateProperty, exp.ClusterProperty),
    ),
    "VIEW": (*_BOTH, exp.SecureProperty, exp.MaterializedProperty),
}
_OTHER_TABLES = (exp.DynamicProperty, exp.ExternalProperty, exp.IcebergProperty)
_UNKEPT: dict[type[exp.Expr], str] = {
    exp.RowAccessProperty: "a row access policy",
    exp.MaskingPolicyColumnConstraint: "a masking policy",
    exp.ProjectionPolicyColumnConstraint: "a projection policy",
    exp.Tags: "tags",
    exp.CheckColumnConstraint: "a check",
}


def refuse_other_words(statement: StatementText, tree: exp.Create) -> None:
    """Raise Unsupported for what would be lost without a word: CREATE OR ALTER, which the parser
    reads as OR REPLACE, and whatever protects, checks or changes what is made."""
    kind = str(tree.args["kind"]).upper()
    if [token.text.upper() for token in statement.tokens[:3]] == ["CREATE", "OR", "ALTER"]:
        raise Unsupported(f"Unsupported: CREATE OR ALTER {kind}.")
    clone = tree.args.get("clone")
    if kind == "SEQUENCE" and clone is not None:
        raise Unsupported("Unsupported: CREATE SEQUENCE … CLONE: name START and INCREMENT.")
    if clone is not None and clone.this.args.get("when") is not None:
        raise Unsupported("Unsupported: CLONE of what was there at another time.")
    for node in tree.find_all(*_UNKEPT):
        raise Unsupported(f"Unsupported: CREATE {kind} with {_UNKEPT[type(node)]}.")
    properties = tree.args.get("properties") if kind in _TAKEN else None
    given = properties.expressions if properties is not None else []
    for item in given:
        if isinstance(item, _OTHER_TABLES):
            word = type(item).__name__.removesuffix("Property").upper()
            raise Unsupported(f"Unsupported: CREATE {word} {kind}.")
    for item in given:
        is_storage = type(item) is exp.Property and item.name.upper() in STORAGE
        if not is_storage and not isinstance(item, _TAKEN[kind]):
            shown = item.name.upper() or item.sql(dialect="snowflake")
            raise Unsupported(f"Unsupported: CREATE {kind} … {shown}.")
