"""Words that mean several things name nothing in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "nunatak"
PAGE = ROOT / "docs" / "glossary.md"
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def defined(tree: ast.AST) -> Iterator[str]:
    """The names that a module gives: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def words(name: str) -> set[str]:
    """The words of a name, whatever joins them."""
    return {word.lower() for word in WORD.findall(name)}


def never() -> set[str]:
    """The words of the page's last table."""
    table = PAGE.read_text().partition("## Words that are not used")[2]
    return set(re.findall(r"^\| (\w+) \| ", table, re.MULTILINE)) - {"not"}


def names() -> set[str]:
    """Every name of the project, those of its modules too."""
    files = sorted(SOURCE.rglob("*.py"))
    found = {part for file in files for part in file.relative_to(SOURCE).with_suffix("").parts}
    return found.union(*(defined(ast.parse(file.read_text("utf-8"))) for file in files))


def test_no_name_has_a_word_that_means_several_things() -> None:
    unwanted = never()
    used: dict[str, set[str]] = {}
    for name in names():
        for word in words(name) & unwanted:
            used.setdefault(word, set()).add(name)

    assert len(unwanted) > 5
    assert used == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_OF_THIS_ROOM", {"of", "this", "room"}),
        ("MemoryLine", {"memory", "line"}),
        ("RoutesOfRooms", {"routes", "of", "rooms"}),
        ("has_room_2", {"has", "room"}),
    ],
)
def test_the_measure_finds_words(name: str, expected: set[str]) -> None:
    assert words(name) == expected
