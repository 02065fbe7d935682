from __future__ import annotations

import re
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import SyntaxInvalid
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.call_markers import (
    ExtractedCalls,
    KnowsFunction,
    ModelCall,
    extract_calls,
)
from nunatak.warehouse.core.statement_text import StatementText, tokenize
from nunatak.warehouse.parsing.parse import parse


def extracted(text: str, knows_function: KnowsFunction = lambda _: False) -> ExtractedCalls:
    return extract_calls(StatementText(text).tokens, knows_function)


def words(found: ExtractedCalls) -> list[tuple[object, str]]:
    return [(token.token_type, token.text) for token in found.tokens]


def spelled(text: str) -> list[tuple[object, str]]:
    return [(token.token_type, token.text) for token in tokenize(text)]


def test_a_model_call_becomes_a_placeholder() -> None:
    found = extracted("SELECT MODEL(db.s.m, v1)!PREDICT(a, b)['x'] FROM t")
    assert words(found) == spelled("SELECT __NUNATAK_CALL_0(a, b)['x'] FROM t")
    assert found.calls["__NUNATAK_CALL_0"] == ModelCall(
        "__NUNATAK_CALL_0", ("DB", "S", "M"), "PREDICT", "V1", is_model=True
    )


def test_names_keep_their_quoted_case() -> None:
    found = extracted('SELECT db."s".svc!"f"(a)')
    assert found.calls["__NUNATAK_CALL_0"] == ModelCall("__NUNATAK_CALL_0", ("DB", "s", "SVC"), "f")


def test_a_model_named_in_with() -> None:
    found = extracted("WITH x AS (SELECT 1), mv AS MODEL m VERSION v2 SELECT mv!transform(1)")
    assert words(found) == spelled(
        "WITH x AS (SELECT 1), mv AS (SELECT NULL AS __NUNATAK_MODEL) SELECT __NUNATAK_CALL_0(1)"
    )
    assert found.model_names == {"MV"}
    assert found.calls["__NUNATAK_CALL_0"].target == ("M",)
    assert found.calls["__NUNATAK_CALL_0"].version == "V2"


def test_calls_within_arguments() -> None:
    found = extracted("SELECT a!F(b!G(1), x => c!H(2))")
    assert words(found) == spelled(
        "SELECT __NUNATAK_CALL_0(__NUNATAK_CALL_1(1), x => __NUNATAK_CALL_2(2))"
    )
    assert [call.method for call in found.calls.values()] == ["F", "G", "H"]


def test_functions_that_the_planner_knows() -> None:
    found = extracted(
        "SELECT svc_predict(a), db.s.svc_predict(b), count(c) FROM t",
        lambda name: name[-1] == "SVC_PREDICT",
    )
    assert words(found) == spelled(
        "SELECT __NUNATAK_CALL_0(a), __NUNATAK_CALL_1(b), count(c) FROM t"
    )
    assert [call.target for call in found.calls.values()] == [
        ("SVC_PREDICT",),
        ("DB", "S", "SVC_PREDICT"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a != b",
        "SELECT 'm!f(1)', $$m!f(1)$$ /* m!f(1) */",
        'SELECT "m!f" FROM "model"(1) -- m!f(1)',
    ],
)
def test_what_is_no_call_stays(text: str) -> None:
    assert words(extracted(text)) == spelled(text)


def test_a_mark_without_a_method_is_refused() -> None:
    with pytest.raises(SyntaxInvalid, match="method call such as"):
        extracted("SELECT m!(1)")


def test_placeholders_have_the_places_of_what_they_stand_for() -> None:
    text = "SELECT 1,\n  db.s.svc!f(a)"
    token = next(token for token in extracted(text).tokens if "CALL" in token.text)
    assert text[token.start : token.end + 1] == "db.s.svc!f"
    assert token.line == 2


HEADS = ["m!p", 'MODEL(db.s.m, v1)!"P"', "MODEL(m)!p", "db . s.svc!p", "svc_f", "db.s.svc_f"]
"""Calls as they may be written, up to their arguments."""
PIECES = st.recursive(
    st.sampled_from(
        ["a", "?", "?::int", "'m!p(1)'", "$$ ?;! $$", "1.5", 't."b!"', "v:x.y", "-- !\n1"]
    ),
    lambda inner: st.one_of(
        st.builds(
            "{}({}, x => {})".format, st.sampled_from([f"<{n}>" for n in range(6)]), inner, inner
        ),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("({} + {})".format, inner, inner),
    ),
    max_leaves=6,
)
"""Expressions, with the number of a head for each call."""


@given(st.lists(PIECES, min_size=1, max_size=3), PIECES, st.sampled_from(["", "\n ", "-- ?\n"]))
def test_a_statement_with_calls_is_read_as_with_the_functions_in_their_place(
    columns: list[str], condition: str, before: str
) -> None:
    template = f"{before}select {', '.join(columns)} from t where {condition} is null -- ?\n;"
    numbers = count()
    written = re.sub(r"<(\d)>", lambda found: HEADS[int(found[1])], template)
    plain = re.sub(r"<\d>", lambda _: f"__NUNATAK_CALL_{next(numbers)}", template)
    values = [Binding("TEXT", str(number)) for number in range(StatementText(written).markers)]

    found = parse(StatementText(written), lambda name: name[-1] == "SVC_F", values)

    assert found.tree == parse(StatementText(plain), bindings=values).tree
    assert list(found.calls) == [f"__NUNATAK_CALL_{number}" for number in range(next(numbers))]
