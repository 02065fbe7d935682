"""The table of conda names, and its page in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.utils import canonicalize_name

from nunatak.images.requirements.conda_names import (
    EXTRAS,
    MISSING,
    NOT_NEEDED,
    RENAMED,
    Stand,
    counterpart,
)

_PAGE = Path(__file__).parents[4] / "docs" / "environments.md"


def test_each_kind_of_counterpart() -> None:
    assert counterpart("pytorch").pypi == "torch"
    assert counterpart("scikit-learn").stand is Stand.SAME
    assert counterpart("cpuonly").stand is Stand.NOT_NEEDED
    assert counterpart("libgcc-ng").stand is Stand.MISSING
    assert counterpart("r-ggplot2").stand is Stand.MISSING


def test_the_lists_do_not_overlap_and_rename_for_a_reason() -> None:
    assert not set(RENAMED) & NOT_NEEDED
    assert not set(RENAMED) & MISSING
    assert not NOT_NEEDED & MISSING
    for conda, pypi in RENAMED.items():
        assert canonicalize_name(conda) != pypi
        assert canonicalize_name(pypi) == pypi


def test_some_packages_hold_an_extra() -> None:
    assert counterpart("Snowflake-Snowpark-Python").extra == "pandas"
    assert counterpart("scikit-learn").extra == ""
    assert not set(EXTRAS) & (set(RENAMED) | NOT_NEEDED | MISSING)


def test_the_documentation_shows_the_table() -> None:
    page = _PAGE.read_text("utf-8")
    assert dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", page, re.MULTILINE)) == RENAMED
    assert _listed(page, "not needed") == NOT_NEEDED
    assert _listed(page, "no counterpart") == MISSING


def _listed(page: str, name: str) -> set[str]:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n\n", page, re.DOTALL)
    assert found is not None
    return set(re.findall(r"`([^`]+)`", found[1]))
