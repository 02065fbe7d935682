"""Statements keep grammar, declared requirements and rows: what they change, services change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src" / "nunatak" / "sql"


def writes(text: str) -> list[int]:
    """The lines that open a transaction of the catalog which may change it."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr == "write"
    ]


def test_no_statement_opens_a_transaction_that_writes() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    found = {str(file.relative_to(SOURCE)): writes(file.read_text("utf-8")) for file in files}

    assert len(files) > 40
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("with rooms.catalog.write() as tx:\n    pass", [1]),
        ("x = 1\nopen_one = self._catalog.write", [2]),
        ("with rooms.catalog.read() as tx:\n    pass", []),
    ],
)
def test_the_measure_sees_transactions(text: str, expected: list[int]) -> None:
    assert writes(text) == expected
