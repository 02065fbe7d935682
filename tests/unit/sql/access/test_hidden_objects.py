"""What a role may not see is not told apart from what is not there, whatever is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import NunatakError
from nunatak.warehouse.core.results import Transfer
from support.realm import ADMIN, OTHER, Realm, open_realm

HIDDEN, ABSENT = "HERE", "NOWHERE"
MADE = {
    "TABLE": "CREATE TABLE {n} (A INT)",
    "VIEW": "CREATE VIEW {n} AS SELECT 1 AS A",
    "SEQUENCE": "CREATE SEQUENCE {n}",
    "STAGE": "CREATE STAGE {n}",
    "FILE FORMAT": "CREATE FILE FORMAT {n} TYPE = CSV",
    "TAG": "CREATE TAG {n}",
    "SECRET": "CREATE SECRET {n} TYPE = GENERIC_STRING SECRET_STRING = 'x'",
    "NETWORK RULE": "CREATE NETWORK RULE {n} TYPE = HOST_PORT MODE = EGRESS "
    "VALUE_LIST = ('example.com:443')",
    "IMAGE REPOSITORY": "CREATE IMAGE REPOSITORY {n}",
}
"""How the owner makes an object of each kind that lies in a schema."""
PRIVILEGE = {
    "TABLE": "SELECT",
    "VIEW": "SELECT",
    "STAGE": "READ",
    "TAG": "APPLY",
    "SECRET": "READ",
    "IMAGE REPOSITORY": "READ",
}
"""A privilege on each kind; USAGE where none is named."""
DONE = {
    "TABLE": (
        "SELECT * FROM {n}",
        "SELECT COUNT(*) FROM {n} AS x",
        "WITH q AS (SELECT A FROM {n}) SELECT * FROM q",
        "INSERT INTO {n} VALUES (1)",
        "INSERT INTO MINE SELECT A FROM {n}",
        "UPDATE {n} SET A = 1",
        "DELETE FROM {n}",
        "MERGE INTO {n} t USING MINE m ON t.A = m.A WHEN MATCHED THEN DELETE",
        "MERGE INTO MINE t USING {n} m ON t.A = m.A WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE {n}",
        "TRUNCATE TABLE IF EXISTS {n}",
        "DESCRIBE TABLE {n}",
        "ALTER TABLE {n} ADD COLUMN B INT",
        "ALTER TABLE IF EXISTS {n} ADD COLUMN B INT",
        "ALTER TABLE {n} RENAME TO FRESH",
        "ALTER TABLE {n} SWAP WITH MINE",
        "ALTER TABLE MINE SWAP WITH {n}",
        "COMMENT ON TABLE {n} IS 'x'",
        "COMMENT ON COLUMN {n}.A IS 'x'",
        "DROP TABLE {n}",
        "DROP TABLE IF EXISTS {n}",
        "DROP VIEW {n}",
        "CREATE TABLE FRESH AS SELECT * FROM {n}",
        "CREATE TABLE FRESH LIKE {n}",
        "CREATE VIEW FRESH AS SELECT * FROM {n}",
        "CREATE TABLE FRESH (A INT REFERENCES {n} (A))",
        "CREATE TABLE FRESH (A INT, FOREIGN KEY (A) REFERENCES {n} (A))",
        "ALTER TABLE MINE ADD FOREIGN KEY (A) REFERENCES {n} (A)",
        "SHOW COLUMNS IN TABLE {n}",
        "SHOW COLUMNS IN {n}",
        "SHOW PRIMARY KEYS IN TABLE {n}",
        "GRANT SELECT ON TABLE {n} TO ROLE PUBLIC",
        "REVOKE SELECT ON TABLE {n} FROM ROLE PUBLIC",
        "SHOW GRANTS ON TABLE {n}",
        "GRANT OWNERSHIP ON TABLE {n} TO ROLE PUBLIC",
        "LIST @{p}%{b}",
        "COPY INTO {n} FROM @%MINE",
        "COPY INTO MINE FROM @{p}%{b}",
        "SELECT $1 FROM @{p}%{b}",
    ),
    "VIEW": (
        "SELECT * FROM {n}",
        "DESCRIBE VIEW {n}",
        "ALTER VIEW {n} SET COMMENT = 'x'",
        "ALTER VIEW IF EXISTS {n} SET COMMENT = 'x'",
        "DROP VIEW {n}",
        "DROP VIEW IF EXISTS {n}",
        "SHOW COLUMNS IN VIEW {n}",
        "GRANT SELECT ON VIEW {n} TO ROLE PUBLIC",
    ),
    "SEQUENCE": (
        "SELECT {n}.NEXTVAL",
        "CREATE TABLE FRESH (A INT DEFAULT {n}.NEXTVAL)",
        "DESCRIBE SEQUENCE {n}",
        "ALTER SEQUENCE {n} SET COMMENT = 'x'",
        "ALTER SEQUENCE IF EXISTS {n} SET COMMENT = 'x'",
        "DROP SEQUENCE {n}",
        "DROP SEQUENCE IF EXISTS {n}",
    ),
    "STAGE": (
        "LIST @{n}",
        "REMOVE @{n}",
        "GET @{n} file:///tmp/x",
        "PUT file:///tmp/x @{n}",
        "SELECT $1 FROM @{n}",
        "COPY INTO MINE FROM @{n}",
        "COPY INTO @{n} FROM MINE",
        "DESCRIBE STAGE {n}",
        "ALTER STAGE {n} SET COMMENT = 'x'",
        "ALTER STAGE IF EXISTS {n} SET COMMENT = 'x'",
        "ALTER STAGE {n} RENAME TO FRESH",
        "DROP STAGE {n}",
        "DROP STAGE IF EXISTS {n}",
        "GRANT READ ON STAGE {n} TO ROLE PUBLIC",
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@{n}', FILE_FORMAT => 'MINE_F'))",
        "CREATE MODEL FRESH FROM @{n}",
    ),
    "FILE FORMAT": (
        "DESCRIBE FILE FORMAT {n}",
        "ALTER FILE FORMAT {n} SET COMMENT = 'x'",
        "DROP FILE FORMAT {n}",
        "DROP FILE FORMAT IF EXISTS {n}",
        "COPY INTO MINE FROM @%MINE FILE_FORMAT = (FORMAT_NAME = '{n}')",
        "SELECT $1 FROM @%MINE (FILE_FORMAT => '{n}')",
    ),
    "TAG": (
        "ALTER TAG {n} SET COMMENT = 'x'",
        "DROP TAG {n}",
        "DROP TAG IF EXISTS {n}",
    ),
    "SECRET": (
        "DESCRIBE SECRET {n}",
        "DROP SECRET {n}",
        "DROP SECRET IF EXISTS {n}",
        (
            "CREATE EXTERNAL ACCESS INTEGRATION FRESH ALLOWED_NETWORK_RULES = (MINE_N) "
            "ALLOWED_AUTHENTICATION_SECRETS = ({n}) ENABLED = TRUE"
        ),
    ),
    "NETWORK RULE": (
        "DESCRIBE NETWORK RULE {n}",
        "DROP NETWORK RULE {n}",
        "CREATE EXTERNAL ACCESS INTEGRATION FRESH ALLOWED_NETWORK_RULES = ({n}) ENABLED = TRUE",
    ),
    "IMAGE REPOSITORY": (
        "SHOW IMAGES IN IMAGE REPOSITORY {n}",
        "DROP IMAGE REPOSITORY {n}",
        "SELECT SYSTEM$REGISTRY_LIST_IMAGES('{n}')",
    ),
}
STATEMENTS = [(kind, text) for kind, texts in DONE.items() for text in texts]
PLACES = (
    "USE DATABASE {n}",
    "USE SCHEMA {n}.PUBLIC",
    "SHOW SCHEMAS IN DATABASE {n}",
    "SHOW TABLES IN DATABASE {n}",
    "SHOW TABLES IN SCHEMA {n}.PUBLIC",
    "DESCRIBE DATABASE {n}",
    "DESCRIBE SCHEMA {n}.PUBLIC",
    "ALTER DATABASE {n} SET COMMENT = 'x'",
    "DROP DATABASE {n}",
    "DROP DATABASE IF EXISTS {n}",
    "DROP SCHEMA {n}.PUBLIC",
    "DROP SCHEMA IF EXISTS {n}.PUBLIC",
    "CREATE SCHEMA {n}.FRESH",
    "CREATE TABLE {n}.PUBLIC.FRESH (A INT)",
    "CREATE TEMPORARY TABLE {n}.PUBLIC.FRESH (A INT)",
    "CREATE TEMPORARY STAGE {n}.PUBLIC.FRESH",
    "CREATE STAGE {n}.PUBLIC.FRESH",
    "SELECT * FROM {n}.INFORMATION_SCHEMA.TABLES",
    "SELECT * FROM {n}.PUBLIC.T",
    "GRANT USAGE ON DATABASE {n} TO ROLE PUBLIC",
    "GRANT SELECT ON ALL TABLES IN DATABASE {n} TO ROLE PUBLIC",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {n}.PUBLIC TO ROLE PUBLIC",
    "SHOW GRANTS ON DATABASE {n}",
    "SHOW GRANTS ON SCHEMA {n}.PUBLIC",
)


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """Objects of OWNER in DB.S and in places that only some may use; OTHER may create in DB.S."""
    with open_realm(Path(tmp_path_factory.mktemp("realm"))) as opened:
        for place in ("DATABASE CLOSED", "SCHEMA DB.CLOSED", "DATABASE CLOSED_DB"):
            opened.run(ADMIN, f"CREATE {place}")
        opened.run(ADMIN, "GRANT ALL ON SCHEMA DB.S TO ROLE OTHER")
        opened.run(ADMIN, "GRANT CREATE INTEGRATION ON ACCOUNT TO ROLE OTHER")
        opened.run(OTHER, "CREATE TABLE MINE (A INT)")
        opened.run(OTHER, "CREATE FILE FORMAT MINE_F TYPE = CSV")
        opened.run(OTHER, MADE["NETWORK RULE"].format(n="MINE_N"))
        for index, (_kind, text) in enumerate(MADE.items()):
            for place in ("DB.S", "DB.CLOSED", "CLOSED.PUBLIC"):
                opened.run(ADMIN, text.format(n=f"{place}.{HIDDEN}_{index}"))
        yield opened


def _answer(realm: Realm, text: str, name: str) -> tuple[str, str]:
    """How a statement of OTHER ends, without the name of the object."""
    place, _, base = name.rpartition(".")
    written = text.format(n=name, b=base, p=f"{place}." if place else "")
    try:
        answer = realm.run(OTHER, written)
        shown = "transfer" if isinstance(answer, Transfer) else str(_rows(answer))
    except NunatakError as error:
        return type(error).__name__, error.message.replace(name, "…").replace(base, "…")
    return "done", shown.replace(base, "…")


def _rows(answer: object) -> list[object]:
    batches = getattr(answer, "batches", ())
    return [row for batch in batches for row in batch.to_pylist()]


def _index(kind: str) -> int:
    return list(MADE).index(kind)


@pytest.mark.parametrize(("kind", "text"), STATEMENTS)
@pytest.mark.parametrize("place", ["", "DB.S.", "DB.CLOSED.", "CLOSED.PUBLIC."])
def test_what_may_not_be_seen_answers_as_what_is_not_there(
    realm: Realm, kind: str, text: str, place: str
) -> None:
    if "CLOSED" in place:  # whatever is held on the object, its place must be reached
        privilege = PRIVILEGE.get(kind, "USAGE")
        title = f"{place}{HIDDEN}_{_index(kind)}"
        realm.grant(privilege, kind.replace(" ", "_"), title)
    absent = _answer(realm, text, f"{place}{ABSENT}_{_index(kind)}")

    assert absent == _answer(realm, text, f"{place}{HIDDEN}_{_index(kind)}")
    if "IF EXISTS" not in text:
        assert absent[0] in ("ObjectNotFound", "PlaceNotFound")
    else:
        assert absent[0] == "done"


@pytest.mark.parametrize("text", PLACES)
def test_a_place_that_may_not_be_seen_answers_as_one_that_is_not_there(
    realm: Realm, text: str
) -> None:
    absent = _answer(realm, text, "NO_SUCH_DB")

    assert absent == _answer(realm, text, "CLOSED_DB")
    assert (absent[0] == "done") is ("IF EXISTS" in text)
