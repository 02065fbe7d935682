"""Patterns of users are matched in linear time, wherever they come in, and our own cannot blow up
on what users write."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.catalog.sqltypes import parse_type
from nunatak.errors import InvalidArgument, NunatakError
from nunatak.models.snowfiles import parse_address
from nunatak.patterns import WRITTEN, like, matching
from support.front_end import Front
from support.fuzz import examples

SOURCE = Path(__file__).parents[2] / "src" / "nunatak"
EVIL = "(.*a+)+c"
NAME = "a" * 60 + "b.csv"
PLACES = [
    "LIST @st PATTERN='{}'",
    "LS @~ PATTERN='{}'",
    "REMOVE @st PATTERN='{}'",
    "RM @~ PATTERN='{}'",
    "GET @st file:///tmp/x/ PATTERN='{}'",
    "COPY INTO t FROM @st PATTERN='{}'",
    "SELECT $1 FROM @st (PATTERN => '{}')",
    "SELECT '{text}' REGEXP '{}'",
    "SELECT '{text}' RLIKE '{}'",
    "SELECT RLIKE('{text}', '{}')",
    "SELECT REGEXP_LIKE('{text}', '{}')",
    "SELECT REGEXP_SUBSTR('{text}', '{}')",
    "SELECT REGEXP_REPLACE('{text}', '{}', 'x')",
    "SELECT REGEXP_COUNT('{text}', '{}')",
    "SELECT REGEXP_INSTR('{text}', '{}')",
]
WILDCARDS = [
    "SHOW DATABASES LIKE '{}'",
    "SHOW TABLES LIKE '{}'",
    "SHOW STAGES LIKE '{}'",
    "SHOW PARAMETERS LIKE '{}'",
    "SELECT '{text}' LIKE '{}'",
    "SELECT '{text}' ILIKE '{}'",
    "SELECT '{text}' LIKE ANY ('{}', 'x')",
    "SELECT p FROM (SELECT '{text}' AS t, '{}' AS p) WHERE t LIKE p",
    "SELECT * ILIKE '{}' FROM t",
]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front end with a stage, a table, and files whose names take long to match."""
    front = Front(tmp_path_factory.mktemp("home"))
    front.rows("CREATE STAGE st")
    front.rows("CREATE TABLE t (a VARCHAR)")
    front.rows(f'CREATE TABLE "{NAME[:-4]}" (a INT)')
    for location in ("@st", "@~"):
        folder = front.parts.stages.locate(front.session, location).folder()
        (folder / NAME).write_text("1\n")
    yield front
    front.close()


@pytest.mark.parametrize("statement", PLACES)
@pytest.mark.parametrize("pattern", [EVIL, "(a|a)*c", "(a*)*c", "(?=a)a", r"(a)\\1", "(?<!x)a"])
def test_a_pattern_ends_in_an_answer(staged: Front, statement: str, pattern: str) -> None:
    """The test's timeout stands for a pattern that does not end."""
    text = statement.replace("{}", pattern).replace("{text}", NAME)
    try:
        staged.run(text)
    except NunatakError:
        return  # not offered, or refused for the pattern
    assert not pattern.startswith("(?")


@pytest.mark.parametrize("statement", WILDCARDS)
def test_wildcards_end_in_an_answer(staged: Front, statement: str) -> None:
    text = statement.replace("{}", "%a_" * 20 + "c").replace("{text}", NAME * 10)
    with suppress(NunatakError):
        staged.run(text)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.*", [True, True, False]),
        (".*b", [False, True, False]),
        ("a", [True, False, False]),
        ("(?i)A|B", [True, False, True]),
    ],
)
def test_a_pattern_matches_in_whole(pattern: str, expected: list[bool]) -> None:
    assert matching(["a", "a/b", "B"], pattern) == expected


@pytest.mark.parametrize("pattern", ["(?=a)a", r"(a)\1", "(?<!a)b", "(?>a)", "a)(b", "(a", "*"])
def test_what_cannot_be_matched_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        matching([], pattern)
    assert f"Invalid regular expression: '{pattern}'" in caught.value.message


def test_a_long_pattern_is_refused() -> None:
    for match in (matching, like):
        with pytest.raises(InvalidArgument, match="at most 10000 characters"):
            match(["a"], "a" * (WRITTEN.chars + 1))


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a%", "ABC", True),
        ("a\\_b", "A_B", True),
        ("a\\_b", "AXB", False),
        ("%.*", "a.b", False),
        ("", "", True),
        ("a_b", "a\nb", True),
        ("a\\", "A\\", True),
        ("é%", "Été", True),
    ],
)
def test_like_is_case_insensitive_and_escapes(pattern: str, text: str, matches: bool) -> None:
    assert like([text], pattern) == [matches]


def _alike(text: str, pattern: str) -> bool:
    """LIKE by its definition."""
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == "%":
        return any(_alike(text[at:], rest) for at in range(len(text) + 1))
    if first == "\\" and rest:
        first, rest = rest[0], rest[1:]
    elif first == "_":
        first = text[:1]
    return text[:1].lower() == first.lower() and bool(text) and _alike(text[1:], rest)


@examples(200)
@given(st.text("aB%_\\.\n", max_size=6), st.text("aB%_\\.\n", max_size=5))
def test_like_is_what_it_is_defined_as(text: str, pattern: str) -> None:
    assert like([text], pattern) == [_alike(text, pattern)]


OWN_TEXTS = [
    "@" + '"a"' * 60 + '"',
    "@" + '"' * 61,
    "@db." + '"x""y"' * 40 + '"',
    "@st" + "/" * 500 + "\n",
]


@pytest.mark.parametrize("text", OWN_TEXTS)
def test_quoted_names_of_stages_end_in_an_answer(staged: Front, text: str) -> None:
    with pytest.raises(NunatakError):
        staged.run(f"LIST '{text}' PATTERN='x'")
        raise InvalidArgument("listed")


@pytest.mark.parametrize(
    "text", ['snow://model/m"a"' + '"a"' * 60 + '"', "snow://model/" + '"' * 61]
)
def test_quoted_names_of_models_end_in_an_answer(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_address(text, lambda _: pytest.fail("it is no address"))


@pytest.mark.parametrize("text", ["A" + " A" * 20_000 + " !", "NUMBER(" + "9" * 5_000 + ")"])
def test_long_types_end_in_an_answer(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_type(text)


FUNCTIONS = {"compile", "match", "fullmatch", "search", "findall", "finditer", "split", "sub"}
OWN = {
    "services/documents/specification.py": "joined from constants",
    "warehouse/engine/errors.py": "the rules of that module",
    "warehouse/core/literal_lists.py": "joined from constants, and never goes back",
}


def _patterns() -> Iterator[tuple[str, ast.expr]]:
    """The pattern of every call of `re`, with its module."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = node.func
                if ast.unparse(called.value) == "re" and called.attr in FUNCTIONS:
                    yield file.relative_to(SOURCE).as_posix(), node.args[0]


def test_only_constant_patterns_are_given_to_the_backtracking_matcher() -> None:
    computed = {place for place, node in _patterns() if not isinstance(node, ast.Constant)}
    assert computed == set(OWN)


def _repeats_within_repeats(parsed: Any, *, inside: bool = False) -> bool:
    """Whether a repetition without bound holds another that the matcher may take apart anew."""
    for name, argument in parsed:
        op, bodies, within = str(name), [], inside
        if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, body = argument
            is_open, is_kept = int(most) - int(least) > 10, op == "POSSESSIVE_REPEAT"
            if is_open and inside and not is_kept:
                return True
            bodies, within = [body], not is_kept and (is_open or inside)
        elif op == "SUBPATTERN":
            bodies = [argument[-1]]
        elif op == "BRANCH":
            bodies = argument[1]
        if any(_repeats_within_repeats(body, inside=within) for body in bodies):
            return True
    return False


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("(a+)+", True), ("(?:(?:a|b*)c)*", True), ("(a++)+", False), ("a+(b+)?", False)],
)
def test_the_measure_knows_what_blows_up(pattern: str, expected: bool) -> None:
    parse = importlib.import_module("re._parser").parse
    assert _repeats_within_repeats(parse(pattern)) is expected


def test_our_own_patterns_do_not_repeat_repetitions() -> None:
    parse = importlib.import_module("re._parser").parse
    found = {
        (place, node.value)
        for place, node in _patterns()
        if isinstance(node, ast.Constant) and _repeats_within_repeats(parse(node.value, re.DOTALL))
    }
    assert found == set()
