"""The project speaks of itself only: no package registry, no place on somebody's machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REGISTRY = re.compile(
    r"\b(?:pypi|pythonhosted|anaconda|conda|pytorch|huggingface|npmjs|docker)\.(?:org|com|io|net|co)\b",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"https?://(?:[^\s/@\"'`<>]*@)?(?P<host>[a-z0-9][a-z0-9.-]*)", re.IGNORECASE)
PLACEHOLDER = re.compile(
    r"(?:.*\.)?(?:example(?:\.(?:com|org|net))?|test|invalid|localhost)|127\.0\.0\.1|[a-z]",
    re.IGNORECASE,
)
"""Names reserved for documentation and tests, the machine itself, or a single letter."""
SOMEBODYS_FOLDER = re.compile(r"(?<![\w.}])/(?:home|Users|work|opt|mnt)/\w+")


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, str]]:
    """Every line of every tracked text file, with its place."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a clone: what belongs to the project is not known")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if path.is_file():
            text = path.read_text("utf-8", errors="replace")
            found += [(f"{name}:{at}", line) for at, line in enumerate(text.splitlines(), 1)]
    return found


def test_names_no_package_registry(lines: list[tuple[str, str]]) -> None:
    assert [place for place, line in lines if REGISTRY.search(line)] == []


def test_addresses_are_placeholders(lines: list[tuple[str, str]]) -> None:
    """The licence's text is not ours, and has the address where it was published."""
    found = [
        (place, match["host"])
        for place, line in lines
        if not place.startswith("LICENSE:")
        for match in ADDRESS.finditer(line)
        if not PLACEHOLDER.fullmatch(match["host"])
    ]
    assert found == []


def test_names_no_folder_of_a_machine(lines: list[tuple[str, str]]) -> None:
    assert [place for place, line in lines if SOMEBODYS_FOLDER.search(line)] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRY, "files.pythonhosted" + ".org/x"),
        (REGISTRY, "repo.anaconda" + ".com/pkgs"),
        (SOMEBODYS_FOLDER, "cd /ho" + "me/me/project"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
