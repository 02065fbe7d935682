"""Names follow the vendor's rules of case and quoting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.catalog.names import QualifiedName, parse_identifier, quoted, split_name
from nunatak.errors import InvalidArgument, NoCurrentContext


def test_an_unquoted_name_is_upper_cased() -> None:
    assert split_name("db.Schema.t1") == ("DB", "SCHEMA", "T1")


def test_a_quoted_name_keeps_case_dots_and_quotes() -> None:
    assert split_name('"a.b"."c""d"') == ("a.b", 'c"d')


@given(st.text(min_size=1, max_size=40))
def test_quoting_round_trips(name: str) -> None:
    assert parse_identifier(quoted(name)) == name


@pytest.mark.parametrize("text", ["", "a..b", "1a", "a b", '"', "a.", "a;drop"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        split_name(text)


def test_a_bare_name_needs_a_current_schema() -> None:
    with pytest.raises(NoCurrentContext):
        QualifiedName.parse("t", database="DB")


def test_missing_parts_come_from_the_session() -> None:
    assert str(QualifiedName.parse("t", database="DB", schema="s 1")) == 'DB."s 1".T'
