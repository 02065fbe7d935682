"""Regular expressions that the engine would long prepare are refused, wherever they come from."""

from __future__ import annotations

import pytest

from nunatak.errors import InvalidArgument, NunatakError, QueryFailed

from ...conftest import Sql

CALLS = {
    "like": "REGEXP_LIKE('x', {})",
    "operator": "'x' RLIKE {}",
    "count": "REGEXP_COUNT('x', {})",
    "place": "REGEXP_INSTR('x', {})",
    "part": "REGEXP_SUBSTR('x', {})",
    "parts": "REGEXP_SUBSTR_ALL('x', {})",
    "with letters": "REGEXP_SUBSTR('x', {}, 1, 1, 'i')",
    "replaced": "REGEXP_REPLACE('x', {}, '')",
}
LARGE = {
    "long": ("x", 10_001),
    "groups": ("()", 501),
    "repetitions": ("x{9}", 101),
    "classes": (r"\\pL", 101),
    "other classes": ("[[:alpha:]]", 101),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", LARGE)
def test_large_patterns_are_refused(sql: Sql, call: str, kind: str) -> None:
    part, count = LARGE[kind]
    for pattern, error in (
        (f"'{part * count}'", InvalidArgument),
        (f"REPEAT('{part}', {count})", QueryFailed),
        (f"P FROM (SELECT REPEAT('{part}', {count}) AS P)", QueryFailed),
    ):
        text = CALLS[call].format("P" if " FROM " in pattern else pattern)
        with pytest.raises(error, match="at most"):
            sql(f"SELECT {text}{pattern[1:] if ' FROM ' in pattern else ''}")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("pattern", ["'(x|y){1,3}'", "'(x'||'|y)'", "NULL"])
def test_usual_patterns_answer(sql: Sql, call: str, pattern: str) -> None:
    try:
        sql(f"SELECT {CALLS[call].format(pattern)}")
    except NunatakError as error:
        pytest.fail(str(error))


def test_a_pattern_is_bounded_in_each_row(sql: Sql) -> None:
    with pytest.raises(QueryFailed, match="at most 1000 characters, 50 parentheses"):
        sql(
            "SELECT REGEXP_LIKE('x', P) FROM "
            "(SELECT REPEAT('(', SEQ4()) || REPEAT(')', SEQ4()) AS P "
            "FROM TABLE(GENERATOR(ROWCOUNT => 100)))"
        )
