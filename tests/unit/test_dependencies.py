"""Third-party libraries: each is declared with bounds, imported, and has its reason on a page."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "nunatak"
MODULES = {
    "argon2-cffi": "argon2",
    "prometheus-client": "prometheus_client",
    "pyjwt": "jwt",
    "pysimdjson": "simdjson",
    "pyyaml": "yaml",
    "snowflake-connector-python": "snowflake",
}
"""The module of a library, where it has another name."""
ROW = re.compile(r"\| ([a-z0-9-]+) \| ([^|]+) \| ([^|]+) \|")
REQUIREMENT = re.compile(r"([A-Za-z0-9-]+)(?:\[\w+\])?(.*)")


def module_of(library: str) -> str:
    """The name under which a library is imported."""
    return MODULES.get(library, library)


def imports(*places: Path) -> set[str]:
    """The first names of everything that files and folders import from outside the project."""
    files = [
        file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])
    ]
    found = set().union(*map(imported, files))
    return found - sys.stdlib_module_names - {"nunatak"}


@cache
def imported(file: Path) -> frozenset[str]:
    """The first names of everything that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
    return frozenset(found)


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, list[Path]]]:
    """The page's reason and places of each library."""
    text = (ROOT / "docs" / "dependencies.md").read_text()
    return {
        match[1]: (
            match[2].strip(),
            [SOURCE / place for place in re.findall(r"`([^`]+)`", match[3])],
        )
        for match in ROW.finditer(text)
        if "`" in match[3]
    }


@pytest.fixture(scope="module")
def declared() -> dict[str, str]:
    """What the project requires and its extras for users do, with the bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        line
        for name, lines in project["optional-dependencies"].items()
        for line in lines
        if name != "dev"
    ]
    matches = [REQUIREMENT.fullmatch(line) for line in (*project["dependencies"], *extras)]
    return {match[1]: match[2] for match in matches if match}


def test_every_library_that_is_imported_has_a_row_and_none_other(
    rows: dict[str, tuple[str, list[Path]]],
) -> None:
    server = [place for place in SOURCE.iterdir() if place.name != "worker"]

    found = imports(*(place for place in server if place.is_dir() or place.suffix == ".py"))

    assert found == set(map(module_of, rows))
    assert all(len(reason) > 10 for reason, _ in rows.values())


def test_every_place_that_the_page_names_imports_the_library(
    rows: dict[str, tuple[str, list[Path]]],
) -> None:
    wrong = [
        f"{library}: {place.relative_to(SOURCE)}"
        for library, (_, places) in rows.items()
        for place in places
        if not place.exists() or module_of(library) not in imports(place)
    ]

    assert wrong == []
    assert len(rows) > 20


def test_what_is_declared_is_what_is_on_the_page_and_has_bounds(
    rows: dict[str, tuple[str, list[Path]]], declared: dict[str, str]
) -> None:
    assert set(declared) == set(rows)
    assert {name for name, bounds in declared.items() if not {"<", ">"} <= set(bounds)} == set()
