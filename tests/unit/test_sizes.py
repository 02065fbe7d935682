"""How large files and functions may be, and how rarely any error at all may be swallowed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
FILE_LINES = 400
FUNCTION_LINES = 50
BROAD_SHARE = 0.05
FILES = sorted(SOURCE.rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, those inside others too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def swallows_anything(handler: ast.ExceptHandler) -> bool:
    """Whether it catches every exception and never raises one in its place."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    broad = any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))
        for kind in caught
    )
    return broad and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def test_files_and_functions_are_small() -> None:
    long = []
    for file in FILES:
        text = file.read_text("utf-8")
        place = file.relative_to(SOURCE)
        if text.count("\n") >= FILE_LINES:
            long.append(str(place))
        long += [
            f"{place}:{function.lineno} {function.name}"
            for function in functions(ast.parse(text))
            if (function.end_lineno or 0) - function.lineno + 1 >= FUNCTION_LINES
        ]

    assert len(FILES) > 100
    assert long == []


def test_any_error_is_swallowed_at_boundaries_only() -> None:
    handlers = [
        (f"{file.relative_to(SOURCE)}:{node.lineno}", node)
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler)
    ]
    broad = [place for place, handler in handlers if swallows_anything(handler)]

    assert len(broad) <= BROAD_SHARE * len(handlers), "\n".join(broad)


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("except Exception: pass", True),
        ("except: log()", True),
        ("except (ValueError, BaseException) as error: keep(error)", True),
        ("except BaseException: undo(); raise", False),
        ("except Exception as error: raise Failed from error", False),
        ("except ValueError: pass", False),
    ],
)
def test_the_measure_knows_what_swallows(clause: str, expected: bool) -> None:
    (handler,) = (
        node
        for node in ast.walk(ast.parse(f"try: work()\n{clause}"))
        if isinstance(node, ast.ExceptHandler)
    )
    assert swallows_anything(handler) is expected
