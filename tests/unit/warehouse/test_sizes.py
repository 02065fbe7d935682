"""What would take the engine long or much, and cannot be interrupted meanwhile: refused by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nunatak.errors import InvalidArgument, LimitExceeded, NunatakError, QueryFailed
from support.front_end import Front

TOO_LONG = "a text has at most 16777216"
LARGE = {
    "RPAD(x, 900000000, 'b')": TOO_LONG,
    "LPAD(x, 16777217)": TOO_LONG,
    "SPACE(1000000000)": TOO_LONG,
    "REPEAT(x, 100000)": TOO_LONG,
    "REPEAT(x, 9223372036854775807)": TOO_LONG,
    "REPEAT('a', 2000000000)": TOO_LONG,
    "ARRAY_GENERATE_RANGE(0, 2000000000)": "at most 1048576 items",
    "ARRAY_GENERATE_RANGE(2000000000, 0, -1)": "at most 1048576 items",
    "ARRAY_GENERATE_RANGE(-9223372036854775808, 9223372036854775807)": "at most 1048576 items",
    "ARRAY_GENERATE_RANGE(0, LENGTH(x) * 9000000000)": "at most 1048576 items",
    "EDITDISTANCE(x, x)": "EDITDISTANCE takes texts whose lengths multiply to at most 10000000",
    "EDITDISTANCE(x, x || 'b', 3)": "EDITDISTANCE takes texts whose lengths multiply to at most",
    "PARSE_JSON(x)": "Error parsing JSON: the value is nested too deeply",
}
USUAL = {
    "RPAD('ab', 5, 'x')": "abxxx",
    "LPAD('a', 3)": "  a",
    "SPACE(2) || '|'": "  |",
    "REPEAT('ab', 2)": "abab",
    "REPEAT('ab', -1)": "",
    "REPEAT(NULL, 2)": None,
    "RPAD(NULL, 2, 'a')": None,
    "EDITDISTANCE('abc', 'xbz')": 2,
    "EDITDISTANCE('abc', 'xyz', 2)": 2,
    "EDITDISTANCE(NULL, 'a', 2)": None,
}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("home"))
    made.rows("CREATE TABLE t AS SELECT REPEAT('[', 5000) || REPEAT(']', 5000) AS x")
    yield made
    made.close()


@pytest.mark.parametrize("text", LARGE)
def test_what_is_too_large_is_refused(front: Front, text: str) -> None:
    with pytest.raises(QueryFailed, match=LARGE[text]):
        front.rows(f"SELECT {text} FROM t")


@pytest.mark.parametrize("text", USUAL)
def test_what_is_usual_is_answered(front: Front, text: str) -> None:
    assert front.value(f"SELECT {text}") == USUAL[text]


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ("SELECT x FROM t", LimitExceeded),
        ("SELECT ARRAY_CONSTRUCT(1)", InvalidArgument),
        ("SELECT ARRAY_CONSTRUCT('{')", InvalidArgument),
        ("SELECT ARRAY_CONSTRUCT(x) FROM t", LimitExceeded),
    ],
)
def test_a_template_is_read_within_bounds(
    front: Front, columns: str, error: type[NunatakError]
) -> None:
    with pytest.raises(error):
        front.rows(f"CREATE TABLE made USING TEMPLATE ({columns})")


def test_what_needs_more_memory_than_there_is_says_so(front: Front) -> None:
    front.rows("CREATE TABLE deep (v VARIANT)")
    resolver = front.parts.warehouse.hooks.stages
    assert resolver is not None
    front.rows("CREATE STAGE files")
    folder = resolver.place(front.session, "@files", write=True).folder
    (folder / "deep.json").write_text("[" * 50_000 + "]" * 50_000)
    front.rows("COPY INTO deep FROM @files/deep.json FILE_FORMAT = (TYPE = JSON)")
    with pytest.raises(QueryFailed, match="needs more memory than this server has"):
        front.rows("SELECT COUNT(*) FROM deep, LATERAL FLATTEN(v, RECURSIVE => TRUE)")


@pytest.mark.parametrize(
    "text", ["LPAD(1, 3, 0)", "CEIL('')", "REPEAT(1, 2)", "* ILIKE 'q' FROM t"]
)
def test_arguments_of_other_types_are_told_in_the_vendors_words(front: Front, text: str) -> None:
    with pytest.raises(NunatakError) as told:
        front.rows(f"SELECT {text}")
    for own in ("Candidate", "_LITERAL", "nk_", "No function matches", "Macro"):
        assert own not in str(told.value)
