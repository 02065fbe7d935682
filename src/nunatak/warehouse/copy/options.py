"""The options of COPY INTO, and the statement cut into its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from nunatak.errors import InvalidArgument, Unsupported
from nunatak.warehouse.core.dialect import stored

_KNOWN = frozenset(
    {"FILE_FORMAT", "FILES", "PATTERN", "ON_ERROR", "PURGE", "FORCE", "MATCH_BY_COLUMN_NAME"}
    | {"HEADER", "OVERWRITE", "SINGLE", "MAX_FILE_SIZE", "PARTITION BY", "INCLUDE_QUERY_ID"}
    | {"DETAILED_OUTPUT", "TRUNCATECOLUMNS", "ENFORCE_LENGTH", "RETURN_FAILED_ONLY", "SIZE_LIMIT"}
    | {"LOAD_UNCERTAIN_FILES", "INCLUDE_METADATA", "VALIDATION_MODE"}
)
_REFUSED = frozenset({"VALIDATION_MODE", "INCLUDE_METADATA", "SIZE_LIMIT"})
_FIXED = {
    "TRUNCATECOLUMNS": False,
    "ENFORCE_LENGTH": True,
    "RETURN_FAILED_ONLY": False,
    "INCLUDE_QUERY_ID": False,
}
"""Options that are taken with one value only."""

_MATCHING: Mapping[str, Callable[[str], str] | None] = {
    "NONE": None,
    "CASE_SENSITIVE": str,
    "CASE_INSENSITIVE": str.upper,
}


@dataclass(frozen=True, kw_only=True)
class CopyOptions:
    """Options by upper-case name, as Python values."""

    values: dict[str, Any] = field(default_factory=dict)
    partition_by: exp.Expr | None = None

    @property
    def file_format(self) -> dict[str, Any]:
        """The statement's own format."""
        given = self.values.get("FILE_FORMAT") or {}
        return dict(given) if isinstance(given, dict) else {"FORMAT_NAME": str(given)}

    def flag(self, name: str) -> bool:
        """A boolean option; false when it is not set."""
        return str(self.values.get(name, False)).upper() in {"TRUE", "1"}

    def texts(self, name: str) -> list[str]:
        """An option that is a list of strings."""
        given = self.values.get(name) or []
        return [str(item) for item in given] if isinstance(given, list) else [str(given)]

    def text(self, name: str) -> str | None:
        """A text option."""
        given = self.values.get(name)
        return None if given is None else str(given)


def copy_options(tree: exp.Copy) -> CopyOptions:
    """Read the options of a bound COPY; raises Unsupported or InvalidArgument."""
    if tree.args.get("credentials") is not None and list(
        tree.args["credentials"].iter_expressions()
    ):
        raise Unsupported("Unsupported: COPY from or to storage outside of stages.")
    values: dict[str, Any] = {}
    partition_by = None
    for parameter in tree.args.get("params") or ():
        name = str(parameter.this.name).upper()
        if name not in _KNOWN:
            raise InvalidArgument(f"SQL compilation error:\ninvalid parameter '{name}'")
        if name == "PARTITION BY":
            partition_by = parameter.args["expression"]
        elif parameter.expressions:
            values[name] = {
                str(item.this.name).upper(): option_value(item.args.get("value"))
                for item in parameter.expressions
            }
        else:
            values[name] = option_value(parameter.args.get("expression"))
    for name in _REFUSED & values.keys():
        raise Unsupported(f"Unsupported: COPY with {name}.")
    for name, value in _FIXED.items():
        is_named = name == "INCLUDE_QUERY_ID" and partition_by is not None  # files always are
        if name in values and values[name] is not value and not is_named:
            raise Unsupported(f"Unsupported: COPY with {name} = {str(not value).upper()}.")
    return CopyOptions(values=values, partition_by=partition_by)


def matching(text: str | None) -> Callable[[str], str] | None:
    """Form of their names by which columns match (MATCH_BY_COLUMN_NAME); None where their places
    do. Raises InvalidArgument."""
    word = (text or "NONE").upper()
    if word not in _MATCHING:
        raise InvalidArgument(
            f"MATCH_BY_COLUMN_NAME cannot be '{text}': "
            "use CASE_SENSITIVE, CASE_INSENSITIVE or NONE."
        )
    return _MATCHING[word]


def option_value(node: exp.Expr | None) -> Any:
    """A literal, word, name or list as a Python value."""
    match node:
        case None | exp.Null():
            return None
        case exp.Boolean():
            return bool(node.this)
        case exp.Tuple() | exp.Array():
            return [option_value(item) for item in node.expressions]
        case exp.Paren():
            return [option_value(node.this)]
        case exp.Neg():
            return -int(node.this.name)
        case exp.Literal():
            return node.name if node.is_string else int(float(node.name))
        case exp.Identifier():
            return stored(node)
        case exp.Column() | exp.Table():
            return node.sql(dialect="snowflake")
    return None if node.name.upper() == "NONE" else node.name
