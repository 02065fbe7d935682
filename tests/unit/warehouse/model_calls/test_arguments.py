"""Arguments of a call are matched by place or by name, and a name is an identifier."""

from __future__ import annotations

import pytest
from sqlglot import exp

from nunatak.catalog.sqltypes import parse_type
from nunatak.errors import InvalidArgument
from nunatak.warehouse.core.dialect import tokens_of, tree_of
from nunatak.warehouse.model_calls.arguments import (
    MethodParameter,
    MethodSignature,
    match_arguments,
)

DOUBLE = parse_type("DOUBLE")


def matched(names: list[str], arguments: str) -> list[str]:
    text = f"SELECT F({arguments})"
    call = tree_of(text, tokens_of(text), {}).find(exp.Anonymous)
    assert call is not None
    signature = MethodSignature(inputs=tuple(MethodParameter(name, DOUBLE) for name in names))
    found = match_arguments(call, signature, label="M!F")
    return [value.this.sql() for value in found]


NAMED: list[tuple[list[str], str, list[str] | str]] = [
    (["a", "A"], '"a" => 1, "A" => 2', ["1", "2"]),
    (["a", "A"], '"A" => 2, "a" => 1', ["1", "2"]),
    (["a", "A"], 'a => 2, "a" => 1', ["1", "2"]),
    (["a", "A"], "A => 1, a => 2", "'A' is given twice"),
    (["a", "A"], "A => 1", "'a' is missing"),
    (["y"], '"Y" => 1', "no parameter 'Y'"),
    (["y"], '"y" => 1', ["1"]),
    (["y"], "y => 1", ["1"]),
    (["Y"], "y => 1", ["1"]),
    (["Y"], '"y" => 1', "no parameter 'y'"),
    (["aB", "Ab"], "ab => 1, 2", "no parameter 'ab'"),
    (["x y"], '"x y" => 1', ["1"]),
]


@pytest.mark.parametrize(("names", "arguments", "wanted"), NAMED)
def test_a_name_is_an_identifier(names: list[str], arguments: str, wanted: list[str] | str) -> None:
    if isinstance(wanted, str):
        with pytest.raises(InvalidArgument, match=wanted):
            matched(names, arguments)
    else:
        assert matched(names, arguments) == wanted
