"""Statements that are nested beyond any use: refused by name, never an incident or a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from nunatak.errors import SyntaxInvalid
from support.front_end import Front

NESTED: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: "SELECT " + "(" * n + "1" + ")" * n,
    "open parentheses": lambda n: "SELECT " + "(" * n,
    "functions": lambda n: "SELECT " + "ABS(" * n + "1" + ")" * n,
    "cases": lambda n: "SELECT " + "CASE WHEN TRUE THEN " * n + "1" + " END" * n,
    "queries": lambda n: "SELECT * FROM " + "(SELECT * FROM " * n + "(SELECT 1)" + ")" * n,
    "scalars": lambda n: "SELECT " + "(SELECT " * n + "1" + ")" * n,
}
CHAINED: dict[str, Callable[[int], str]] = {
    "plus": lambda n: "SELECT " + "1+" * n + "1",
    "texts": lambda n: "SELECT " + " || ".join(["'a'"] * n),
    "unions": lambda n: " UNION ALL ".join(["SELECT 1"] * n),
}
OTHER: dict[str, Callable[[int], str]] = {
    "arrays": lambda n: "SELECT " + "[" * n + "]" * n,
    "casts": lambda n: "SELECT 1" + "::INT" * n,
    "signs": lambda n: "SELECT " + "- " * n + "1",
    "negations": lambda n: "SELECT " + "NOT " * n + "TRUE",
    "paths": lambda n: "SELECT PARSE_JSON('1')" + "[0]" * n,
    "types": lambda n: "SELECT NULL::" + "ARRAY(" * n + "INT" + ")" * n,
}


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("home"))
    yield front
    front.close()


@pytest.mark.parametrize("kind", NESTED | CHAINED | OTHER)
@pytest.mark.parametrize("count", [3_000])
def test_what_is_nested_too_deeply_is_refused(deep: Front, kind: str, count: int) -> None:
    text = (NESTED | CHAINED | OTHER)[kind](count)
    for run in (deep.run, deep.describe):
        with pytest.raises(SyntaxInvalid, match="nested too deeply: write at most 30 levels"):
            run(text)
    assert deep.rows("SELECT 1 AS A") == [{"A": 1}]


@pytest.mark.parametrize(
    ("kind", "count"), [*((k, 29) for k in NESTED), *((k, 900) for k in CHAINED)]
)
def test_what_is_stated_is_understood(deep: Front, kind: str, count: int) -> None:
    if kind != "open parentheses":
        deep.run((NESTED | CHAINED)[kind](count))
