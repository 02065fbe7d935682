"""Statements keep grammar, declared requirements and rows: what they change and what they show is
changed and read by services."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src" / "nunatak" / "sql"


def transactions(text: str) -> list[int]:
    """The lines that open a transaction of the catalog, or take part in one."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Attribute(attr="write"):
                found.append(node.lineno)
            case ast.Attribute(
                attr="read", value=ast.Attribute(attr="catalog" | "_catalog") | ast.Name("catalog")
            ):
                found.append(node.lineno)
            case ast.ImportFrom(module="nunatak.catalog.store", names=names) if any(
                alias.name == "Transaction" for alias in names
            ):
                found.append(node.lineno)
    return found


def test_no_statement_opens_a_transaction() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    found = {str(file.relative_to(SOURCE)): transactions(file.read_text("utf-8")) for file in files}

    assert len(files) > 40
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("with rooms.catalog.write() as tx:\n    pass", [1]),
        ("x = 1\nopen_one = self._catalog.write", [2]),
        ("with rooms.catalog.read() as tx:\n    pass", [1]),
        ("with self._catalog.read() as tx:\n    pass", [1]),
        ("x = 1\nwith catalog.read() as tx:\n    pass", [2]),
        ("from nunatak.catalog.store import Key, Transaction", [1]),
        ("from nunatak.catalog.store import Key, Record", []),
        ("spec = FunctionSpec.read(record.spec)", []),
    ],
)
def test_the_measure_sees_transactions(text: str, expected: list[int]) -> None:
    assert transactions(text) == expected
