"""Documents of records are read as the structures of their kinds, and changed as such: nobody
picks parts out of what the catalog keeps by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src" / "nunatak"
DOCUMENTS = ("spec", "status")
READERS = ("read", "is_build")
"""What takes a whole document: the structure of its kind, and what tells the kinds of services."""


def _is_document(node: ast.AST | None) -> bool:
    """Whether an expression is `….spec` or `….status`."""
    return isinstance(node, ast.Attribute) and node.attr in DOCUMENTS


def _is_kept(node: ast.AST | None) -> bool:
    """Whether it is that of a record for certain, by the name of what it belongs to."""
    if not isinstance(node, ast.Attribute) or node.attr not in DOCUMENTS:
        return False
    owner = node.value
    return (isinstance(owner, ast.Name) and owner.id == "record") or (
        isinstance(owner, ast.Attribute) and owner.attr == "record"
    )


def _parts(tree: ast.AST) -> Iterator[ast.AST]:
    """The expressions that treat documents as mappings."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Subscript(value=held)
                | ast.Attribute(value=held, attr="get" | "items" | "keys" | "values" | "pop")
            ) if _is_document(held):
                yield held
            case ast.Dict():
                parts = zip(node.keys, node.values, strict=True)
                yield from (value for key, value in parts if key is None and _is_document(value))
            case ast.BinOp(op=ast.BitOr()):
                yield from filter(_is_kept, (node.left, node.right))
            case ast.Assign(value=value) | ast.Return(value=value):
                values = value.elts if isinstance(value, ast.Tuple) else [value]
                yield from filter(_is_kept, values)
            case ast.Call(func=function):
                name = getattr(function, "attr", getattr(function, "id", ""))
                if name not in READERS:
                    yield from filter(_is_kept, node.args)
                    yield from filter(_is_kept, (keyword.value for keyword in node.keywords))


def picked(text: str) -> list[int]:
    """The lines where parts are picked out of documents, or documents are handed on as mappings."""
    return sorted({getattr(node, "lineno", 0) for node in _parts(ast.parse(text))})


def test_documents_are_read_as_structures() -> None:
    # migrations change documents whose structures are not there any more
    migrations = SOURCE / "catalog" / "migrations"
    files = sorted(file for file in SOURCE.rglob("*.py") if file.parent != migrations)
    found = {str(file.relative_to(SOURCE)): picked(file.read_text("utf-8")) for file in files}

    assert len(files) > 300
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = record.spec['a']", [1]),
        ("x = tx.get(key).status.get('state')", [1]),
        ("x = {**tag.spec, 'a': 1}", [1]),
        ("x = record.spec | {'a': 1}", [1]),
        ("x = dict(record.spec)", [1]),
        ("x = f(old=self.record.status)", [1]),
        ("spec = record.spec", [1]),
        ("a, spec = 1, record.spec", [1]),
        ("x = [key for key in one.status.items()]", [1]),
        ("x = Spec.read(record.spec)", []),
        ("x = is_build(record.spec)", []),
        ("same = record.spec == service.record.spec", []),
        ("x = service.spec.tags.get('a')", []),
        ("spec = service.spec", []),
    ],
)
def test_the_measure_sees_documents_as_mappings(text: str, expected: list[int]) -> None:
    assert picked(text) == expected
