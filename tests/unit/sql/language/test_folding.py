"""QUOTED_IDENTIFIERS_IGNORE_CASE: quoted names are read in upper case, whatever the statement."""

from __future__ import annotations

import pytest

from nunatak.sql.language.folding import folded
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.statement_text import StatementText
from support.front_end import Front


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('select "aB", b from "my T" as "x"', 'select "AB", b from "MY T" as "X"'),
        ("""select 'keep "aB"' -- "c" \n""", """select 'keep "aB"' -- "c" \n"""),
        ('select v:"aB"."cD"[0]."eF", "g"', 'select v:"aB"."cD"[0]."eF", "G"'),
        ('select t."v":"aB"::"x"', 'select t."V":"aB"::"X"'),
        ("""select {'a': "bC"}""", """select {'a': "BC"}"""),
        ("""select * from identifier('"a".b')""", """select * from identifier('"A".B')"""),
        ('create stage "s"; ls @"s"/Dir/x.csv', 'create stage "S"; ls @"S"/Dir/x.csv'),
        ('grant all on table "s"."t" to role "r"', 'grant all on table "S"."T" to role "R"'),
        ('select "it""s"', 'select "IT""S"'),
        ('select "m"!predict("a") from "t"', 'select "M"!predict("A") from "T"'),
    ],
)  # fmt: skip
def test_names_are_folded_and_nothing_else(text: str, expected: str) -> None:
    statement, bindings = folded(StatementText(text), ())
    assert (statement.text, list(bindings)) == (expected, [])


def test_bound_names_are_folded_and_bound_values_are_not() -> None:
    values = [Binding("TEXT", "aB"), Binding("TEXT", '"x".y'), Binding("TEXT", "cD")]
    text = "select ? from identifier(?) where a = ?"
    statement, bindings = folded(StatementText(text), values)
    assert statement.text == text
    assert bindings == [Binding("TEXT", "aB"), Binding("TEXT", '"X".Y'), Binding("TEXT", "cD")]


@pytest.mark.parametrize("way", ["session", "statement"])
def test_the_parameter_acts(front: Front, way: str) -> None:
    front.rows("create schema db.s")
    front.rows("use schema db.s")
    front.rows('create table "low"("x" int)')
    given = {}
    if way == "session":
        front.rows("alter session set QUOTED_IDENTIFIERS_IGNORE_CASE = true")
    else:
        given = {"QUOTED_IDENTIFIERS_IGNORE_CASE": True}

    front.rows('create table "tab"("x" int, v variant)', parameters=given)
    front.rows("""insert into "Tab" select 1, parse_json('{"aB": 2}')""", parameters=given)

    assert front.rows('select "X", "x" as "y", "v":"aB" as z from TAB', parameters=given) == [
        {"X": 1, "Y": 1, "Z": "2"}
    ]
    front.rows("alter session unset QUOTED_IDENTIFIERS_IGNORE_CASE")
    assert front.rows('select "X" from TAB') == [{"X": 1}]
