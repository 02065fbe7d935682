from __future__ import annotations

import pytest

from nunatak.errors import SyntaxInvalid
from nunatak.warehouse.core.call_markers import ModelCall, extract_calls


def test_a_model_call_becomes_a_placeholder() -> None:
    found = extract_calls("SELECT MODEL(db.s.m, v1)!PREDICT(a, b)['x'] FROM t")
    assert found.text == "SELECT __NUNATAK_CALL_0(a, b)['x'] FROM t"
    assert found.calls["__NUNATAK_CALL_0"] == ModelCall(
        "__NUNATAK_CALL_0", ("DB", "S", "M"), "PREDICT", "V1", is_model=True
    )


def test_names_keep_their_quoted_case() -> None:
    found = extract_calls('SELECT db."s".svc!"f"(a)')
    assert found.calls["__NUNATAK_CALL_0"] == ModelCall("__NUNATAK_CALL_0", ("DB", "s", "SVC"), "f")


def test_a_model_named_in_with() -> None:
    found = extract_calls("WITH x AS (SELECT 1), mv AS MODEL m VERSION v2 SELECT mv!transform(1)")
    assert "mv AS (SELECT NULL AS __NUNATAK_MODEL) SELECT __NUNATAK_CALL_0(1)" in found.text
    assert found.model_names == {"MV"}
    assert found.calls["__NUNATAK_CALL_0"].target == ("M",)
    assert found.calls["__NUNATAK_CALL_0"].version == "V2"


def test_calls_within_arguments() -> None:
    found = extract_calls("SELECT a!F(b!G(1), x => c!H(2))")
    assert found.text == "SELECT __NUNATAK_CALL_0(__NUNATAK_CALL_1(1), x => __NUNATAK_CALL_2(2))"
    assert [call.method for call in found.calls.values()] == ["F", "G", "H"]


def test_functions_that_the_planner_knows() -> None:
    found = extract_calls(
        "SELECT svc_predict(a), db.s.svc_predict(b), count(c) FROM t",
        lambda name: name[-1] == "SVC_PREDICT",
    )
    assert found.text == "SELECT __NUNATAK_CALL_0(a), __NUNATAK_CALL_1(b), count(c) FROM t"
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
    assert extract_calls(text).text == text


def test_a_mark_without_a_method_is_refused() -> None:
    with pytest.raises(SyntaxInvalid, match="method call such as"):
        extract_calls("SELECT m!(1)")
