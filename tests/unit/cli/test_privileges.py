"""The page of privileges, against what is registered."""

from __future__ import annotations

from pathlib import Path

from nunatak.access.privileges.callers import registered_routes
from nunatak.cli.privileges import page
from nunatak.sql.language.functions import registered_functions
from nunatak.sql.language.statement import declarations, registered
from nunatak.warehouse.privileges import CHANGES

PAGE = Path(__file__).parents[3] / "docs" / "privileges.md"


def test_the_page_says_what_is_declared() -> None:
    assert page() == PAGE.read_text("utf-8"), (
        "what is required has changed: python -m nunatak.cli.privileges > docs/privileges.md"
    )


def test_everything_that_is_registered_is_on_the_page() -> None:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    firsts = {line.split(" | ")[0].removeprefix("| ") for line in lines}

    assert len(declarations()) > 100
    assert set(registered()) == set(declarations()) <= firsts
    assert {f"{item.name} ({item.form})" for item in registered_functions()} <= firsts
    assert {f"`{item.method} {item.path}`" for item in registered_routes()} <= firsts
    assert len(CHANGES) == 15
    assert all(len(line.split(" | ")) == 2 for line in lines)
