"""Reads of a view of an earlier version, of which its note says nothing: the names in the text that
the engine keeps of it, and runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from nunatak.catalog.names import QualifiedName
from nunatak.warehouse.engine.engine import EngineConnection, folded, literal

_QUOTED_OR_AS = re.compile(r'"[^"]*+"| AS ')


def names_read(
    connection: EngineConnection, statement: str, *, database: str
) -> tuple[QualifiedName, ...] | None:
    """The tables and views that the engine's `CREATE VIEW …` in a database names; None where it
    reads something else, which ended with the statement that made it, or is too deep to tell."""
    query = statement[_end_of_head(statement) :].rstrip(";")
    [(text,)] = connection.execute(f"SELECT json_serialize_sql({literal(query)})")
    try:
        parsed = json.loads(text)
    except RecursionError:  # deeper than anything that is taken now
        return None
    if parsed["error"]:
        return None
    nodes = list(_nodes(parsed["statements"]))
    within = {
        folded(entry["key"]) for node in nodes for entry in node.get("cte_map", {}).get("map", ())
    }
    found: dict[QualifiedName, None] = {}
    for node in nodes:
        if node.get("type") != "BASE_TABLE":
            continue
        schema, name = node["schema_name"], node["table_name"]
        if schema:  # the engine leaves out the database of the view
            found[QualifiedName(node["catalog_name"] or database, schema, name)] = None
        elif folded(name) not in within:
            return None
    return tuple(found)


def _end_of_head(statement: str) -> int:
    """Behind the first AS that is no part of a quoted name."""
    pieces = _QUOTED_OR_AS.finditer(statement)
    return next((piece.end() for piece in pieces if piece[0] == " AS "), 0)


def _nodes(parsed: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document, without recursion."""
    waiting = [parsed]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
