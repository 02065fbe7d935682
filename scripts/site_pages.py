"""Hook of MkDocs: the pages that lie at the root of the repository are pages of the site, too."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
}
"""Files at the root, and what they are called in the site."""
_LINK = re.compile(r"\]\(([^):#]+)((?:#[^)]*)?)\)")


def rewritten(text: str) -> str:
    """A page of the root with its links as they are from within the site."""

    def moved(match: re.Match[str]) -> str:
        target = PAGES.get(match[1], match[1].removeprefix("docs/"))
        return f"]({target}{match[2]})"

    return _LINK.sub(moved, text)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=rewritten((ROOT / name).read_text())))
    return files
