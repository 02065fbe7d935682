"""Docstrings lead with a noun that can be searched: of the field, or of what is answered."""

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

QUESTION = re.compile(r"(What|How|Who|Where|Which|When|Why|Whatever|Whoever|Whether)\b")
ANSWERS_YES_OR_NO = re.compile(r"\b(bool|TypeGuard|TypeIs)\b")


def first_words(text: str) -> list[tuple[str, str]]:
    """The names and docstrings of a file's module and classes."""
    tree = ast.parse(text)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef)]
    return [(getattr(node, "name", "module"), ast.get_docstring(node) or "") for node in nodes]


def questions(text: str) -> list[tuple[str, str]]:
    """The names and docstrings of a file's functions that begin with a question: *Whether* is for
    those that answer yes or no."""
    functions = (
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    found = []
    for node in functions:
        docstring = ast.get_docstring(node) or ""
        word = QUESTION.match(docstring)
        answer = "" if node.returns is None else ast.unparse(node.returns)
        if word and not (word[0] == "Whether" and ANSWERS_YES_OR_NO.search(answer)):
            found.append((node.name, docstring))
    return found


def test_docstrings_lead_with_a_noun() -> None:
    found = [
        f"{file.relative_to(SOURCE)} {name}: {docstring.partition(chr(10))[0]}"
        for file in sorted(SOURCE.rglob("*.py"))
        for name, docstring in first_words(file.read_text("utf-8"))
        if NO_NOUN.match(docstring)
    ]

    assert found == []


def test_docstrings_of_functions_ask_nothing() -> None:
    found = [
        f"{file.relative_to(SOURCE)} {name}: {docstring.partition(chr(10))[0]}"
        for file in sorted(SOURCE.rglob("*.py"))
        for name, docstring in questions(file.read_text("utf-8"))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("docstring", "answer", "expected"),
    [
        ("What a role may do.", "str", True),
        ("Privileges of a role.", "str", False),
        ("Whether a role may.", "bool", False),
        ("Whether it matches, by row.", "list[bool]", False),
        ("Whether a role may.", "Decision", True),
        ("Whichever is first.", "str", False),
    ],
)
def test_only_what_answers_yes_or_no_asks(docstring: str, answer: str, expected: bool) -> None:
    text = f'def asked() -> {answer}:\n    """{docstring}"""\n'
    assert bool(questions(text)) is expected


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [("What a caller sends.", True), ("One call.", True), ("A call.", False), ("Oneness.", False)],
)
def test_the_measure_knows_what_is_no_noun(docstring: str, expected: bool) -> None:
    assert bool(NO_NOUN.match(docstring)) is expected
