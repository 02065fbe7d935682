"""What USE and SHOW … IN answer where the database or schema is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nunatak.errors import ObjectNotFound, PlaceNotFound, SyntaxInvalid
from nunatak.sql.language.statement import grammars
from support.front_end import Front

_OTHER = ("VERSIONS", "PARAMETERS")
"""A bare name after IN is a model; what follows IN is a level."""
SHOWN = [text for text in grammars() if text.startswith("SHOW ") and text.split()[1] not in _OTHER]
"""The leading words of every SHOW command that may look in a database or schema."""
PLACES = ["DATABASE NOPE", "SCHEMA NOPE", "SCHEMA NOPE.PUBLIC", "SCHEMA DB.NOPE", "DB.NOPE"]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One front end for all: nothing here changes anything."""
    made = Front(tmp_path_factory.mktemp("places"))
    made.rows("CREATE TABLE DB.PUBLIC.T (A INT)")
    made.rows("CREATE VIEW DB.PUBLIC.V AS SELECT 1 A")
    yield made
    made.close()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("words", SHOWN)
def test_no_show_command_looks_in_a_place_that_is_not_there(
    front: Front, words: str, place: str
) -> None:
    """Those that take no such place say so; none answers an empty list."""
    with pytest.raises((PlaceNotFound, ObjectNotFound, SyntaxInvalid)):
        front.rows(f"{words} IN {place}")


@pytest.mark.parametrize(
    "words", ["TABLES", "VIEWS", "OBJECTS", "SEQUENCES", "STAGES", "TAGS", "FUNCTIONS", "SCHEMAS"]
)
def test_what_lists_places_says_that_one_is_missing(front: Front, words: str) -> None:
    with pytest.raises(PlaceNotFound, match="Object does not exist, or operation cannot"):
        front.rows(f"SHOW {words} IN DATABASE NOPE")
    assert front.rows(f"SHOW {words} IN DATABASE DB") is not None


@pytest.mark.parametrize(
    "text",
    [
        *(f"USE {place}" for place in PLACES[:4]),
        "USE NOPE",
        "USE DB.NOPE",
        "USE WAREHOUSE NOPE",
    ],
)
def test_a_session_is_not_pointed_at_nothing(front: Front, text: str) -> None:
    before = (front.session.database, front.session.schema, front.session.warehouse)

    with pytest.raises(PlaceNotFound):
        front.rows(text)

    assert (front.session.database, front.session.schema, front.session.warehouse) == before


@pytest.mark.parametrize("words", ["DATABASES", "SCHEMAS", "TABLES", "VIEWS", "OBJECTS"])
def test_terse_lists_have_five_columns(front: Front, words: str) -> None:
    rows = front.rows(f"SHOW TERSE {words}")

    columns = ["created_on", "name", "kind", "database_name", "schema_name"]
    assert rows
    assert all(list(row) == columns for row in rows)
    assert [field.name for field in front.describe(f"SHOW TERSE {words}")] == columns
