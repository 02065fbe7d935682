"""Databases and schemas: properties that CREATE takes are kept, and UNSET gives them back."""

from __future__ import annotations

import pytest

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
