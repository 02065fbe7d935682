"""The page of privileges, against what is registered; `test_documents` holds the file to it."""

from __future__ import annotations

from nunatak.access.privileges.callers import registered_routes
from nunatak.cli.privileges import page
from nunatak.sql.language.functions import registered_functions
from nunatak.sql.language.statement import grammars
from nunatak.warehouse.privileges import CHANGES


def test_everything_that_is_registered_is_on_the_page() -> None:
    lines = [line for line in page().splitlines() if line.startswith("| ")]
    firsts = {line.split(" | ")[0].removeprefix("| ") for line in lines}

    assert len(grammars()) > 100
    assert set(grammars()) <= firsts
    assert {f"{item.name} ({item.form})" for item in registered_functions()} <= firsts
    assert {f"`{item.method} {item.path}`" for item in registered_routes()} <= firsts
    assert len(CHANGES) == 15
    assert all(len(line.split(" | ")) == 2 for line in lines)
