"""Docstrings of modules and classes lead with the noun of the field, so that it can be searched."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "nunatak"
NO_NOUN = re.compile(
    r"(What|How|Whether|Who|Where|Which|When|Why|Whatever|Whoever|Nobody|Somebody|Everybody|Anybody"
    r"|Nothing|Everything|None|It|They|One|All|That|Those|These|This|Each|Its|Their|Some|Others"
    r"|Our|We|From)\b"
)


def first_words(text: str) -> list[tuple[str, str]]:
    """The names and docstrings of a file's module and classes."""
    tree = ast.parse(text)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef)]
    return [(getattr(node, "name", "module"), ast.get_docstring(node) or "") for node in nodes]


def test_docstrings_lead_with_a_noun() -> None:
    found = [
        f"{file.relative_to(SOURCE)} {name}: {docstring.partition(chr(10))[0]}"
        for file in sorted(SOURCE.rglob("*.py"))
        for name, docstring in first_words(file.read_text("utf-8"))
        if NO_NOUN.match(docstring)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [("What a caller sends.", True), ("One call.", True), ("A call.", False), ("Oneness.", False)],
)
def test_the_measure_knows_what_is_no_noun(docstring: str, expected: bool) -> None:
    assert bool(NO_NOUN.match(docstring)) is expected
