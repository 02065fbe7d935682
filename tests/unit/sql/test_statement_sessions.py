"""A statement acts on the names that it was allowed to act on, whatever other statements of its
session do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.temporary import TemporaryObject
from nunatak.errors import NunatakError
from nunatak.warehouse.core.results import Transfer
from nunatak.warehouse.core.session import Session
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

KINDS = (
    "SCHEMA",
    "TABLE",
    "VIEW",
    "SEQUENCE",
    "STAGE",
    "FILE_FORMAT",
    "TAG",
    "SECRET",
    "NETWORK_RULE",
    "IMAGE_REPOSITORY",
)
OBJECTS = (
    "CREATE TABLE {}.T AS SELECT '{}' AS A",
    "CREATE TABLE {}.T2 AS SELECT '{}' AS A",
    "CREATE VIEW {}.V AS SELECT '{}' AS A",
    "CREATE SEQUENCE {}.Q",
    "CREATE STAGE {}.G COMMENT = '{}'",
    "CREATE FILE FORMAT {}.F TYPE = CSV COMMENT = '{}'",
    "CREATE TAG {}.G2 COMMENT = '{}'",
    "CREATE SECRET {}.C TYPE = GENERIC_STRING SECRET_STRING = '{}'",
    "CREATE NETWORK RULE {}.R MODE = EGRESS TYPE = HOST_PORT VALUE_LIST = ('{}.example:443')",
    "CREATE IMAGE REPOSITORY {}.I COMMENT = '{}'",
)
"""Each with the schema, and a mark of whose it is."""
CHANGES = (
    "DROP TABLE T",
    "DROP VIEW V",
    "DROP SEQUENCE Q",
    "DROP STAGE G",
    "DROP TAG G2",
    "DROP SECRET C",
    "CREATE OR REPLACE TABLE T (X INT)",
    "CREATE OR REPLACE VIEW V AS SELECT 'x' AS A",
    "CREATE OR REPLACE SEQUENCE Q START 7",
    "CREATE OR REPLACE STAGE G",
    "CREATE OR REPLACE SECRET C TYPE = GENERIC_STRING SECRET_STRING = 'x'",
    "CREATE OR REPLACE NETWORK RULE R MODE = EGRESS TYPE = HOST_PORT VALUE_LIST = ('y.a:443')",
    "ALTER FILE FORMAT F RENAME TO F9",
    "ALTER TAG G2 SET COMMENT = 'x'",
    "ALTER SECRET C SET SECRET_STRING = 'x'",
    "ALTER NETWORK RULE R SET VALUE_LIST = ('y.a:443')",
    "ALTER IMAGE REPOSITORY I SET COMMENT = 'x'",
    "ALTER TABLE T RENAME TO T9",
    "ALTER TABLE T SWAP WITH T2",
    "ALTER TABLE T ADD COLUMN X INT",
    "COMMENT ON SEQUENCE Q IS 'x'",
    "DELETE FROM T",
    "INSERT INTO T VALUES ('x')",
    "MERGE INTO T USING T2 ON FALSE WHEN NOT MATCHED THEN INSERT VALUES (T2.A)",
    "COPY INTO T FROM @~/x",
    "COPY INTO @G FROM (SELECT 1)",
    "COPY INTO @%T FROM (SELECT 1)",
    "REMOVE @G",
    "REMOVE @%T",
    "GRANT OWNERSHIP ON TABLE T TO ROLE OTHER",
    "GRANT SELECT ON TABLE T TO ROLE OTHER",
    "GRANT SELECT ON ALL TABLES IN SCHEMA S TO ROLE OTHER",
    "DROP SCHEMA S",
    "CREATE OR REPLACE SCHEMA S",
    "ALTER SCHEMA S SET COMMENT = 'x'",
)
READS = (
    "SELECT A FROM T",
    "SELECT A FROM V",
    "CREATE TEMPORARY TABLE X AS SELECT A FROM T",
    "CREATE TEMPORARY TABLE X CLONE T",
    "LIST @G",
    "LIST @%T",
    "GET @G file:///tmp",
    "GET @%T file:///tmp",
    "SELECT $1 AS A FROM @G",
    "SELECT $1 AS A FROM @%T",
    "DESCRIBE STAGE G",
    "DESCRIBE SECRET C",
)


@pytest.fixture
def realm(tmp_path: Path) -> Iterator[Realm]:
    """DB.S belongs to OWNER, D2.S with objects of the same names to OTHER."""
    with open_realm(tmp_path) as opened:
        opened.rows(ADMIN, "CREATE DATABASE D2")
        opened.rows(ADMIN, "CREATE SCHEMA D2.S")
        for place, role in (("DB.S", OWNER), ("D2.S", OTHER)):
            opened.rows(
                ADMIN, f"GRANT OWNERSHIP ON SCHEMA {place} TO ROLE {role} COPY CURRENT GRANTS"
            )
            opened.rows(ADMIN, f"GRANT ALL ON DATABASE {place[:2]} TO ROLE {role}")
            for text in OBJECTS:
                opened.rows(role, text.format(place, role))
            for stage in ("G", "%T"):
                target = f"@{place}.{stage}/{role}.csv"
                opened.rows(role, f"COPY INTO {target} FROM (SELECT '{role}') SINGLE = TRUE")
        yield opened


def state_of_owner(realm: Realm) -> Any:
    """Everything of OWNER that others could change."""
    with realm.parts.catalog.read() as tx:
        objects = [
            (str(record.key), record.owner, str(record.spec), record.comment)
            for kind in KINDS
            for record in tx.list_kind(kind, database="DB")
        ]
    given = [
        grant
        for role in (OTHER, PUBLIC)
        for grant in realm.parts.access.grants.to(role)
        if grant.object_name.startswith("DB.S")
    ]
    rows = [
        [realm.rows(OWNER, f"SELECT * FROM DB.S.{name}") for name in ("T", "T2", "V")],
        [realm.rows(OWNER, f"SHOW {kind} IN SCHEMA DB.S") for kind in ("SEQUENCES", "COLUMNS")],
        [realm.rows(OWNER, f"LIST @DB.S.{stage}") for stage in ("G", "%T")],
    ]
    return objects, given, rows


def moved_meanwhile(realm: Realm, monkeypatch: pytest.MonkeyPatch, text: str) -> Any:
    """Run a statement of OTHER in D2.S while another one of the session takes it to DB.S."""
    session = realm.session(OTHER)
    realm.rows(OTHER, "USE SCHEMA D2.S")
    decide = realm.parts.access.decide

    def deciding(*given: Any, **more: Any) -> Any:
        decision = decide(*given, **more)
        session.database = "DB"
        return decision

    with monkeypatch.context() as patch, suppress(NunatakError):
        patch.setattr(realm.parts.access, "decide", deciding)
        return realm.run(OTHER, text)


@pytest.mark.parametrize("text", CHANGES)
def test_what_was_allowed_is_what_is_changed(
    realm: Realm, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    before = state_of_owner(realm)
    moved_meanwhile(realm, monkeypatch, text)
    assert state_of_owner(realm) == before


@pytest.mark.parametrize("text", READS)
def test_what_was_allowed_is_what_is_read(
    realm: Realm, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    result = moved_meanwhile(realm, monkeypatch, text)
    if isinstance(result, Transfer):
        assert all(OTHER in key for key in result.keys), result.keys
    elif result is not None:
        shown = str([batch.to_pylist() for batch in result.batches])
        assert OWNER not in shown
    if "TEMPORARY" in text:
        assert realm.rows(OTHER, "SELECT A FROM D2.S.X") == [{"A": OTHER}]


@pytest.mark.parametrize("text", ["LIST @DB.S.G", "GET @DB.S.G file:///tmp", "DROP STAGE DB.S.G"])
def test_a_temporary_object_opens_no_way_to_the_one_that_it_shadows(
    realm: Realm, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    session, name = realm.session(OTHER), QualifiedName("DB", "S", "G")
    realm.rows(OTHER, "CREATE TEMPORARY STAGE DB.S.G")
    before = state_of_owner(realm)
    find = Session.temporary

    def finding(self: Session, kind: str, of: QualifiedName) -> Any:
        found = find(self, kind, of)
        session.drop_temporary(kind, of)
        return found

    with monkeypatch.context() as patch, suppress(NunatakError):
        patch.setattr(Session, "temporary", finding)
        result = realm.run(OTHER, text)
        if isinstance(result, Transfer):
            assert not result.keys
        else:
            assert OWNER not in str([batch.to_pylist() for batch in result.batches])
    assert session.temporary("STAGE", name) is None
    assert state_of_owner(realm) == before


def test_a_statement_leaves_its_session_what_it_changed_and_nothing_else(realm: Realm) -> None:
    session = realm.session(OTHER)
    with session.statement() as one, session.statement() as other:
        one.database, one.schema = "D2", "S"
        one.parameters = {"TIMEZONE": "UTC"}
        other.role = PUBLIC
        other.parameters = {"WEEK_START": 1}
        one.add_temporary(TemporaryObject("TABLE", QualifiedName("D2", "S", "NEW")))
        assert (other.database, other.role, one.role) == ("DB", PUBLIC, OTHER)
        assert other.temporaries("TABLE") == ()
        assert len(session.temporaries("TABLE")) == len(one.temporaries("TABLE")) == 1
    assert (session.database, session.schema, session.role) == ("D2", "S", PUBLIC)
    assert session.parameters == {"TIMEZONE": "UTC", "WEEK_START": 1}
    with session.statement() as one:
        one.parameters = {"WEEK_START": 2}
    assert session.parameters == {"WEEK_START": 2}
