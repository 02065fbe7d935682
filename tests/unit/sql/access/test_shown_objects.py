"""SHOW, DESCRIBE and INFORMATION_SCHEMA list what the role has a privilege on, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import ObjectNotFound
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

MADE = {
    "TABLE": "TABLE DB.S.{n} (A INT PRIMARY KEY)",
    "VIEW": "VIEW DB.S.{n}_V AS SELECT 1 AS A",
    "SEQUENCE": "SEQUENCE DB.S.{n}_Q",
    "STAGE": "STAGE DB.S.{n}_ST",
    "FILE_FORMAT": "FILE FORMAT DB.S.{n}_F TYPE = CSV",
    "TAG": "TAG DB.S.{n}_TG",
    "SECRET": "SECRET DB.S.{n}_SC TYPE = GENERIC_STRING SECRET_STRING = 'x'",
    "NETWORK_RULE": "NETWORK RULE DB.S.{n}_N TYPE = HOST_PORT MODE = EGRESS "
    "VALUE_LIST = ('example.com:443')",
    "IMAGE_REPOSITORY": "IMAGE REPOSITORY DB.S.{n}_IR",
    "WAREHOUSE": "WAREHOUSE {n}_WH",
    "DATABASE": "DATABASE {n}_DB",
    "SCHEMA": "SCHEMA DB.{n}_SCH",
}
SHOWN = {
    "TABLE": (
        "SHOW TABLES IN SCHEMA DB.S",
        "SHOW TABLES IN DATABASE DB",
        "SHOW TABLES IN ACCOUNT",
        "SHOW TERSE TABLES IN ACCOUNT",
        "SHOW OBJECTS IN SCHEMA DB.S",
        "SHOW COLUMNS IN SCHEMA DB.S",
        "SHOW COLUMNS IN ACCOUNT",
        "SHOW PRIMARY KEYS IN SCHEMA DB.S",
        "DESCRIBE SCHEMA DB.S",
        "SELECT * FROM DB.INFORMATION_SCHEMA.TABLES",
        "SELECT * FROM DB.INFORMATION_SCHEMA.COLUMNS",
    ),
    "VIEW": (
        "SHOW VIEWS IN SCHEMA DB.S",
        "SHOW TERSE VIEWS IN ACCOUNT",
        "SELECT * FROM DB.INFORMATION_SCHEMA.VIEWS",
    ),
    "SEQUENCE": ("SHOW SEQUENCES IN SCHEMA DB.S",),
    "STAGE": ("SHOW STAGES IN SCHEMA DB.S", "SHOW STAGES IN ACCOUNT"),
    "FILE_FORMAT": ("SHOW FILE FORMATS IN SCHEMA DB.S",),
    "TAG": ("SHOW TAGS IN SCHEMA DB.S",),
    "SECRET": ("SHOW SECRETS IN SCHEMA DB.S",),
    "NETWORK_RULE": ("SHOW NETWORK RULES IN SCHEMA DB.S",),
    "IMAGE_REPOSITORY": ("SHOW IMAGE REPOSITORIES IN SCHEMA DB.S",),
    "WAREHOUSE": ("SHOW WAREHOUSES",),
    "DATABASE": (
        "SHOW DATABASES",
        "SHOW TERSE DATABASES",
        "SHOW SCHEMAS IN ACCOUNT",
        "SELECT * FROM DB.INFORMATION_SCHEMA.DATABASES",
    ),
    "SCHEMA": (
        "SHOW SCHEMAS IN DATABASE DB",
        "SHOW TERSE SCHEMAS IN ACCOUNT",
        "DESCRIBE DATABASE DB",
        "SELECT * FROM DB.INFORMATION_SCHEMA.SCHEMATA",
    ),
}
LISTS = [(kind, text) for kind, texts in SHOWN.items() for text in texts]


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """Of each kind two objects, of which OTHER has a privilege on the first."""
    with open_realm(Path(tmp_path_factory.mktemp("realm"))) as opened:
        for kind, text in MADE.items():
            for name in ("FIRST", "SECOND"):
                opened.run(ADMIN, f"CREATE {text.format(n=name)}")
            title = text.format(n="FIRST").removeprefix(kind.replace("_", " ")).split()[0]
            opened.grant("USAGE", kind, title)
        yield opened


@pytest.mark.parametrize(("kind", "text"), LISTS)
def test_a_list_shows_what_the_role_has_a_privilege_on(realm: Realm, kind: str, text: str) -> None:
    everything, some, none = (str(realm.rows(role, text)) for role in (ADMIN, OTHER, PUBLIC))

    assert "FIRST" in everything, kind
    assert "SECOND" in everything
    assert "FIRST" in some
    assert "SECOND" not in some
    assert "FIRST" not in none
    assert "SECOND" not in none


@pytest.mark.parametrize(("kind", "text"), LISTS)
def test_whoever_manages_grants_is_shown_everything(realm: Realm, kind: str, text: str) -> None:
    realm.grant("MANAGE GRANTS", "ACCOUNT", realm.session(ADMIN).account, to=OWNER)
    shown = str(realm.rows(OWNER, text))

    assert "FIRST" in shown, kind
    assert "SECOND" in shown


@pytest.mark.parametrize(
    "text",
    [
        "CREATE OR REPLACE SECURE VIEW DB.S.HIDES AS SELECT 4711 AS A",
        "CREATE OR REPLACE /* x */ SECURE VIEW DB.S.HIDES COMMENT = 'c' AS SELECT 4711 AS A",
    ],
)
def test_the_text_of_a_secure_view_is_its_owners(realm: Realm, text: str) -> None:
    realm.run(ADMIN, text)
    realm.grant("SELECT", "VIEW", "DB.S.HIDES")
    realm.run(ADMIN, "COMMENT ON VIEW DB.S.HIDES IS 'another'")

    for asked in (
        "SHOW VIEWS LIKE 'HIDES' IN SCHEMA DB.S",
        "SELECT * FROM DB.INFORMATION_SCHEMA.VIEWS WHERE TABLE_NAME = 'HIDES'",
    ):
        [own], [others] = realm.rows(ADMIN, asked), realm.rows(OTHER, asked)
        assert "4711" in str(own)
        assert "4711" not in str(others)
        assert (own.get("is_secure") or own.get("IS_SECURE")) in ("true", "YES")


def test_a_view_becomes_secure_and_its_text_is_hidden(realm: Realm) -> None:
    realm.run(ADMIN, "CREATE OR REPLACE VIEW DB.S.LATER AS SELECT 4711 AS A")
    realm.grant("SELECT", "VIEW", "DB.S.LATER")
    asked = "SHOW VIEWS LIKE 'LATER' IN SCHEMA DB.S"
    assert "4711" in realm.rows(OTHER, asked)[0]["text"]

    realm.run(ADMIN, "ALTER VIEW DB.S.LATER SET SECURE")
    assert realm.rows(OTHER, asked)[0]["text"] == ""
    assert "4711" in realm.rows(ADMIN, asked)[0]["text"]


def test_what_a_session_made_for_itself_is_shown_to_it(realm: Realm) -> None:
    realm.run(OTHER, "CREATE TEMPORARY TABLE DB.S.MY_OWN (A INT)")

    for text in ("SHOW TABLES IN SCHEMA DB.S", "SELECT * FROM DB.INFORMATION_SCHEMA.TABLES"):
        assert "MY_OWN" in str(realm.rows(OTHER, text))
        assert "MY_OWN" not in str(realm.rows(ADMIN, text))


def test_information_schema_of_a_database_that_is_not_seen_is_not_there(realm: Realm) -> None:
    with pytest.raises(ObjectNotFound, match="SECOND_DB"):
        realm.rows(OTHER, "SELECT * FROM SECOND_DB.INFORMATION_SCHEMA.TABLES")
    assert realm.rows(OTHER, "SELECT * FROM FIRST_DB.INFORMATION_SCHEMA.TABLES") == []
