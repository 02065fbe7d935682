"""The pages point at files and modules that are there, and make a site that needs no network."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config

from nunatak.cli.privileges import page as privileges

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "nunatak"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = [
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs" / "contributing").glob("*.md"),
    *(ROOT / "docs" / "decisions").glob("*.md"),
]
"""Pages that lead through the code: what they name must be there."""
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_PLACE = re.compile(
    r"`((?:src/nunatak/|tests/)?[a-z][a-z_0-9]*(?:/[a-z_0-9]+)*(?:/|/[a-z_0-9]+\.py))`"
)
_LOADED = re.compile(
    r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(?:https?:)?//", re.IGNORECASE
)
_TARGET = re.compile(r"^([a-z]+):(.*?)(?:##\s*(.+))?$", re.MULTILINE)


def named(page: Path) -> list[str]:
    """Modules and folders that a page names."""
    return _PLACE.findall(page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [
        target for target in _LINK.findall(page.read_text()) if not (page.parent / target).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_guides_name_modules_that_are_there(page: Path) -> None:
    missing = [
        place
        for place in named(page)
        if not any((start / place).exists() for start in (SOURCE, ROOT, ROOT / "tests"))
        and not place.startswith("build/")
    ]
    assert missing == []


def test_the_guides_name_many_modules() -> None:
    assert len(set(named(ROOT / "ARCHITECTURE.md"))) > 60


def test_every_package_is_in_the_architecture() -> None:
    packages = {file.parent.name for file in SOURCE.glob("*/__init__.py")}
    first = set(
        re.findall(r"^\| `(\w+)/?` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    )

    assert packages - first == set()


def test_every_page_is_in_the_site(tmp_path: Path) -> None:
    """Strict: a link that leads nowhere, or a page that is in no menu, is an error."""
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True)

    config.plugins.on_startup(command="build", dirty=False)
    build(config)

    pages = {page.relative_to(tmp_path / "site") for page in tmp_path.rglob("*.html")}
    assert {
        Path("index.html"),
        Path("architecture.html"),
        Path("contributing/runtime.html"),
    } <= pages
    outside = [
        str(page) for page in pages if _LOADED.search((tmp_path / "site" / page).read_text("utf-8"))
    ]
    assert outside == []


def test_every_page_has_a_place_in_the_menu() -> None:
    def pages(items: object) -> set[str]:
        if isinstance(items, str):
            return {items}
        values = items.values() if isinstance(items, dict) else items
        assert not isinstance(values, str)
        return set().union(*map(pages, values))  # type: ignore[call-overload]  # lists and dicts

    menu = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])

    docs = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert docs - menu == set()


def test_every_target_of_make_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text()

    undescribed = [match[1] for match in _TARGET.finditer(text) if not match[3]]
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert undescribed == []
    assert all(f"make {match[1]} " in listed for match in _TARGET.finditer(text))


def test_the_licence_is_the_declared_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text().split()[:4] == ["Apache", "License", "Version", "2.0,"]


def test_the_page_of_privileges_says_what_is_declared() -> None:
    written = (ROOT / "docs" / "privileges.md").read_text("utf-8")
    assert privileges() == written, (
        "what is required has changed: python -m nunatak.cli.privileges > docs/privileges.md"
    )
