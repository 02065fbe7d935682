"""What macros write out several times is bound to a name where it is large."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlglot import exp

from nunatak.warehouse.rewrite import once
from nunatak.warehouse.rewrite.context import call
from support.front_end import Front

REPEATING = [
    (name, at)
    for name, macro in once.inlined().items()
    for at, uses in enumerate(macro.uses)
    if uses > 1 and name not in once._AGGREGATES
]


def nested(name: str, at: int, levels: int) -> exp.Expr:
    """Calls of a macro inside of each other, each an argument of the next."""
    made: exp.Expr = exp.column("x")
    for _ in range(levels):
        count = len(once.inlined()[name].uses)
        made = call(name, *(made if i == at else exp.column("y") for i in range(count)))
    return made


def size(node: exp.Expr) -> int:
    """How many pieces the engine reads when it has inlined all macros."""
    own, uses = once._repeats(node, len(list(node.iter_expressions())))
    return own + sum(
        size(part) * times for part, times in zip(node.iter_expressions(), uses, strict=True)
    )


@pytest.mark.parametrize(("name", "at"), REPEATING)
def test_what_the_engine_reads_grows_with_the_depth(name: str, at: int) -> None:
    small, large = (size(once.bound_once(nested(name, at, levels))) for levels in (10, 40))
    assert large < 6 * small + 30 * once.LARGE


def test_every_kind_of_repetition_is_known() -> None:
    names = {name for name, _ in REPEATING}
    assert {"nk_divide", "nk_variant", "nk_canonical", "nk_text", "array_to_string"} <= names
    assert once.inlined()["nk_divide"].uses == (1, 2)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("home"))
    made.rows("CREATE TABLE t (a INT, b VARCHAR, c FLOAT, v VARIANT, d DATE)")
    made.rows(
        "INSERT INTO t SELECT column1, column2, column3, PARSE_JSON(column4), column5 FROM VALUES "
        "(1, '1', 1.5, '[1, {\"a\": 2}]', '2024-01-01'), (2, '2', NULL, '{\"a\": 1.50}', NULL), "
        "(NULL, NULL, 0.5, 'null', '2023-12-31'), (2, 'x', 4, NULL, '2024-02-29')"
    )
    yield made
    made.close()


STATEMENTS = [
    "SELECT 8 / (1 + a / (1 + c)) AS x, b FROM t ORDER BY b",
    "SELECT OBJECT_CONSTRUCT('a', OBJECT_CONSTRUCT(b, v)) AS x FROM t WHERE b IS NOT NULL",
    "SELECT ARRAY_INSERT(ARRAY_SORT([a, 1]), 0, v) AS x FROM t",
    "SELECT SUM(c) / (1 / COUNT(*)) AS x, a FROM t GROUP BY a ORDER BY a",
    "SELECT 1 / (1 / (a + 1)) AS x, COUNT(*) AS n FROM t GROUP BY 1 / (1 / (a + 1)) ORDER BY 1",
    "SELECT 1 / (1 / (a + 1)) AS x, COUNT(*) AS n FROM t GROUP BY 1 ORDER BY 1",
    "SELECT SUM(1 / (1 / (a + 1))) OVER (ORDER BY b) AS x FROM t",
    "SELECT 1 / (1 / (SUM(a) OVER () + 1)) AS x FROM t",
    "SELECT 1 / (1 / (SELECT MAX(a) FROM t)) AS x",
    "SELECT a, b FROM t WHERE 1 / (1 / NULLIF(a, 2)) = 1",
    "SELECT a, b FROM t WHERE a BETWEEN (SELECT MIN(a) FROM t) AND 1 / (1 / a)",
    "SELECT a FROM t GROUP BY a HAVING SUM(a) BETWEEN 2 AND MAX(a) + 2",
    "SELECT TO_VARCHAR(TO_DOUBLE(TO_VARCHAR(c))) AS x FROM t",
    "SELECT SPLIT_PART(SPLIT_PART(TO_VARCHAR(c), '.', 1), ',', 1) AS x FROM t",
    "SELECT CASE a / 1 WHEN 1 THEN 1 WHEN 2 THEN 1 / (a - 2.5) ELSE a END AS x FROM t",
    "SELECT CASE 2 - 1 WHEN 2 THEN (SELECT 1) WHEN 1 THEN (SELECT 2) END AS x",
    "SELECT CASE a / 1 WHEN 2 THEN 0 WHEN 3 THEN 7 ELSE 1 / (a - 2) END AS x FROM t",
    "SELECT TYPEOF(TO_ARRAY(v)) AS x, ARRAY_CONTAINS(a::VARIANT, TO_ARRAY(v)) AS y FROM t",
    "SELECT t.a FROM t JOIN t u ON 1 / (1 / t.a) = 1 / (1 / u.a) ORDER BY 1",
    "SELECT WEEK(DATEADD(day, 1 / (1 / a), d)) AS x FROM t",
    "SELECT ARRAY_AGG(1 / (1 / a)) AS x FROM t",
    "SELECT a FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY 1 / (1 / a) ORDER BY b) = 1",
    "SELECT COUNT(DISTINCT OBJECT_CONSTRUCT('a', v)) AS x FROM t",
    "SELECT a FROM t ORDER BY 1 / (1 / a), b",
    "SELECT a FROM t HAVING 1 / (1 / MAX(a)) > 0",
]


@pytest.mark.parametrize("text", STATEMENTS)
def test_what_is_bound_answers_the_same(
    front: Front, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    def answer() -> object:
        try:
            rows = front.rows(text)
        except Exception as error:  # noqa: BLE001 the same error, whatever it is
            return type(error), str(error)
        return front.describe(text), sorted(map(str, rows))

    usual = answer()
    monkeypatch.setattr(once, "LARGE", 0)
    assert answer() == usual


NESTED = {
    "OBJECT_CONSTRUCT('k', ": ("a", ")", '{"k":' * 25 + "1" + "}" * 25),
    "[": ("a", "]", "[" * 25 + "1" + "]" * 25),
    "OBJECT_CONSTRUCT_KEEP_NULL('k', ": ("a", ")", '{"k":' * 25 + "1" + "}" * 25),
    "1 / (": ("a", ")", 1.0),
    "ARRAY_CAT([], ": ("[a]", ")", "[1]"),
    "TO_VARIANT(": ("a", ")", "1"),
    "SQUARE(": ("a", ")", 1.0),
    "ZEROIFNULL(": ("a", ")", 1),
    "NULLIFZERO(": ("a", ")", 1),
    "(": ("a", " BETWEEN 0 AND 2)", True),
}


@pytest.mark.parametrize("start", NESTED)
def test_deep_values_are_made(front: Front, start: str) -> None:
    inner, end, expected = NESTED[start]
    found = front.value(f"SELECT {start * 25}{inner}{end * 25} FROM t WHERE b = '1'")
    assert found == expected
