"""Databases and schemas: properties that CREATE takes are kept, and UNSET gives them back."""

from __future__ import annotations

import pytest

from nunatak.errors import NoCurrentContext, PlaceNotFound
from support.front_end import Front

CONTAINERS = [("DATABASE", "DATABASES"), ("SCHEMA", "SCHEMAS")]


@pytest.mark.parametrize(("words", "plural"), CONTAINERS)
def test_properties_of_create_are_kept_until_they_are_unset(
    front: Front, words: str, plural: str
) -> None:
    def shown() -> tuple[str, str]:
        (row,) = front.rows(f"SHOW {plural} LIKE 'made'")
        return row["retention_time"], row["comment"]

    front.rows(f"CREATE {words} made DATA_RETENTION_TIME_IN_DAYS = 7 COMMENT = 'of mine'")
    assert shown() == ("7", "of mine")

    front.rows(f"ALTER {words} made SET DATA_RETENTION_TIME_IN_DAYS = 3")
    assert shown() == ("3", "of mine")

    front.rows(f"ALTER {words} made UNSET DATA_RETENTION_TIME_IN_DAYS, COMMENT")
    assert shown() == ("1", "")


@pytest.mark.parametrize(("words", "plural"), CONTAINERS)
def test_a_session_goes_to_what_it_makes_and_leaves_what_it_drops(
    front: Front, words: str, plural: str
) -> None:
    front.rows(f"CREATE {words} made")
    assert "MADE" in (front.session.database, front.session.schema)

    front.rows(f"DROP {words} made CASCADE")
    assert "MADE" not in (front.session.database, front.session.schema)
    assert front.rows(f"SHOW {plural} LIKE 'made'") == []


def test_a_schema_keeps_what_was_as_long_as_its_database_unless_it_says_otherwise(
    front: Front,
) -> None:
    def shown() -> str:
        (row,) = front.rows("SHOW SCHEMAS LIKE 'made' IN DATABASE d")
        return str(row["retention_time"])

    front.rows("CREATE DATABASE d DATA_RETENTION_TIME_IN_DAYS = 7")
    front.rows("CREATE SCHEMA d.made")
    assert shown() == "7"

    front.rows("ALTER SCHEMA d.made SET DATA_RETENTION_TIME_IN_DAYS = 0")
    assert shown() == "0"

    front.rows("ALTER SCHEMA d.made UNSET DATA_RETENTION_TIME_IN_DAYS")
    front.rows("ALTER DATABASE d SET DATA_RETENTION_TIME_IN_DAYS = 9")
    assert shown() == "9"
    (row,) = front.rows("SHOW SCHEMAS LIKE 'made' IN ACCOUNT")
    assert row["retention_time"] == "9"


def test_schemas_are_shown_of_the_current_database_of_another_and_of_all(front: Front) -> None:
    front.rows("CREATE DATABASE other")
    front.rows("USE SCHEMA other.INFORMATION_SCHEMA")
    own = front.rows("SHOW SCHEMAS")

    assert [(row["name"], row["is_current"]) for row in own] == [
        ("INFORMATION_SCHEMA", "Y"),
        ("PUBLIC", "N"),
    ]
    assert own == front.rows("SHOW SCHEMAS HISTORY IN other")
    assert own == front.rows("SHOW SCHEMAS IN DATABASE")
    everywhere = front.rows("SHOW TERSE SCHEMAS IN ACCOUNT")
    assert [(row["database_name"], row["name"]) for row in everywhere] == [
        ("DB", "INFORMATION_SCHEMA"),
        ("DB", "PUBLIC"),
        ("OTHER", "INFORMATION_SCHEMA"),
        ("OTHER", "PUBLIC"),
    ]
    assert {(row["kind"], row["schema_name"]) for row in everywhere} == {(None, None)}


def test_schemas_are_shown_of_a_database_that_there_is(front: Front) -> None:
    front.session.database = "GONE"
    for statement in ("SHOW SCHEMAS", "SHOW SCHEMAS IN DATABASE gone"):
        with pytest.raises(PlaceNotFound, match="GONE"):
            front.rows(statement)

    front.session.database = front.session.schema = None
    assert front.rows("SHOW SCHEMAS") == front.rows("SHOW SCHEMAS IN ACCOUNT")
    with pytest.raises(NoCurrentContext):
        front.rows("SHOW SCHEMAS IN DATABASE")
