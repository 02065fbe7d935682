"""Pages: they point at files that are there, and the generated one says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nunatak.cli.privileges import page as privileges

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [
        target for target in _LINK.findall(page.read_text()) if not (page.parent / target).exists()
    ]
    assert missing == []


def test_the_page_of_privileges_says_what_is_declared() -> None:
    written = (ROOT / "docs" / "privileges.md").read_text("utf-8")
    assert privileges() == written, (
        "what is required has changed: python -m nunatak.cli.privileges > docs/privileges.md"
    )
