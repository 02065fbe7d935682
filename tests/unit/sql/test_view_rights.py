"""Views read with the rights that their owners have when they are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nunatak.errors import ObjectNotFound, PrivilegeMissing, Unsupported
from nunatak.warehouse.request import QueryRequest
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

REFUSED = (PrivilegeMissing, ObjectNotFound)
READS = (
    "SELECT * FROM V",
    "SELECT COUNT(*) FROM DB.S.V",
    "WITH Q AS (SELECT * FROM V) SELECT 1 FROM Q",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM V)",
    "CREATE OR REPLACE TEMPORARY TABLE COPY AS SELECT * FROM V",
    "CREATE OR REPLACE TEMPORARY TABLE COPY CLONE V",
    "CREATE OR REPLACE TEMPORARY VIEW VV AS SELECT * FROM V",
    "COPY INTO @~/x FROM V",
    "COPY INTO @~/x FROM (SELECT * FROM V)",
    "INSERT INTO PUBLIC_T SELECT * FROM V",
    "MERGE INTO PUBLIC_T USING V ON FALSE WHEN NOT MATCHED THEN INSERT VALUES (V.A)",
    "DELETE FROM PUBLIC_T USING V",
    "UPDATE PUBLIC_T SET A = (SELECT MAX(A) FROM V)",
)


@pytest.fixture
def realm(tmp_path: Path) -> Iterator[Realm]:
    """OTHER may read OWNER's T, and has a view V over it that PUBLIC may read."""
    with open_realm(tmp_path) as opened:
        for role in (OWNER, OTHER):
            for kind in ("TABLE", "VIEW"):
                opened.grant(f"CREATE {kind}", "SCHEMA", "DB.S", to=role)
        opened.rows(OWNER, "CREATE TABLE T AS SELECT 'first' AS A")
        opened.rows(ADMIN, "CREATE TABLE PUBLIC_T (A TEXT)")
        opened.grant("ALL", "TABLE", "DB.S.PUBLIC_T", to=PUBLIC)
        opened.grant("SELECT", "TABLE", "DB.S.T")
        opened.rows(OTHER, "CREATE VIEW V AS SELECT A FROM T")
        opened.grant("SELECT", "VIEW", "DB.S.V", to=PUBLIC)
        yield opened


def value(realm: Realm, role: str, name: str = "V") -> Any:
    (row,) = realm.rows(role, f"SELECT A FROM {name}")
    return row["A"]


def refused(realm: Realm, role: str = PUBLIC, name: str = "V") -> None:
    expected = re.escape(f"expansion of view 'DB.S.{name}'")
    with pytest.raises(ObjectNotFound, match=f"not authorized.*{expected}"):
        value(realm, role, name)


def revoke(realm: Realm) -> None:
    realm.rows(OWNER, "REVOKE SELECT ON TABLE T FROM ROLE OTHER")


def squat(realm: Realm) -> None:
    realm.rows(OWNER, "DROP TABLE T")
    realm.rows(OWNER, "CREATE TABLE T AS SELECT 'second' AS A")


CHANGES: dict[str, Callable[[Realm], object]] = {
    "revoked": revoke,
    "dropped": lambda realm: realm.rows(OWNER, "DROP TABLE T"),
    "made again": squat,
    "replaced": lambda realm: realm.rows(OWNER, "CREATE OR REPLACE TABLE T AS SELECT 'b' AS A"),
    "renamed": lambda realm: realm.rows(OWNER, "ALTER TABLE T RENAME TO T2"),
    "made a view": lambda realm: [
        realm.rows(OWNER, text)
        for text in ("ALTER TABLE T RENAME TO T2", "CREATE VIEW T AS SELECT A FROM T2")
    ],
    "swapped": lambda realm: [
        realm.rows(OWNER, text)
        for text in ("CREATE TABLE T2 AS SELECT 'b' AS A", "ALTER TABLE T SWAP WITH T2")
    ],
    "role dropped and made again": lambda realm: [
        realm.rows(ADMIN, text)
        for text in (
            "CREATE ROLE HEIR",
            "GRANT OWNERSHIP ON ROLE OTHER TO ROLE HEIR",
            "DROP ROLE OTHER",
            "CREATE ROLE OTHER",
            "GRANT ROLE OTHER TO USER OTHER_USER",
            "GRANT OWNERSHIP ON VIEW V TO ROLE OTHER",
            "GRANT SELECT ON VIEW V TO ROLE PUBLIC",
        )
    ],
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_view_reads_nothing_that_its_owner_may_not_read_now(realm: Realm, change: str) -> None:
    assert value(realm, PUBLIC) == value(realm, OTHER) == "first"
    CHANGES[change](realm)
    refused(realm)
    refused(realm, OTHER)
    refused(realm, ADMIN)


def test_no_statement_reads_past_the_rights_of_the_owner(realm: Realm) -> None:
    for text in READS:
        realm.rows(PUBLIC, text)
        realm.rows(PUBLIC, "REMOVE @~")
    revoke(realm)
    for text in READS:
        with pytest.raises(ObjectNotFound, match="expansion"):
            realm.rows(PUBLIC, text)
        with pytest.raises(ObjectNotFound, match="expansion"):
            request = QueryRequest(session=realm.session(PUBLIC), text="SELECT * FROM V")
            realm.rooms.warehouse.describe(request)


def test_a_view_reads_again_when_its_owner_may(realm: Realm) -> None:
    squat(realm)
    refused(realm)
    realm.rows(OWNER, "GRANT SELECT ON TABLE T TO ROLE OTHER")
    assert value(realm, PUBLIC) == "second"


def test_an_owner_replaces_the_table_under_its_own_view(realm: Realm) -> None:
    realm.rows(OWNER, "CREATE VIEW W AS SELECT A FROM T")
    realm.grant("SELECT", "VIEW", "DB.S.W", to=PUBLIC)
    realm.rows(OWNER, "CREATE OR REPLACE TABLE T AS SELECT 'new' AS A")
    assert value(realm, PUBLIC, "W") == "new"


def test_what_a_view_is_needs_no_rights_on_what_it_reads(realm: Realm) -> None:
    revoke(realm)
    assert [row["name"] for row in realm.rows(OTHER, "DESCRIBE VIEW V")] == ["A"]
    realm.rows(OTHER, "COMMENT ON VIEW V IS 'kept'")
    refused(realm)
    realm.rows(OTHER, "ALTER VIEW V RENAME TO V2")
    refused(realm, OTHER, "V2")
    realm.rows(OWNER, "GRANT SELECT ON TABLE T TO ROLE OTHER")
    assert value(realm, OTHER, "V2") == "first"
    realm.rows(OTHER, "DROP VIEW V2")


def test_each_view_of_a_nest_reads_with_the_rights_of_its_own_owner(realm: Realm) -> None:
    realm.rows(ADMIN, "CREATE ROLE THIRD")
    realm.grant("CREATE VIEW", "SCHEMA", "DB.S", to="THIRD")
    realm.rows("THIRD", "CREATE VIEW W AS SELECT A FROM (SELECT * FROM V) UNION SELECT A FROM V")
    realm.grant("SELECT", "VIEW", "DB.S.W", to=OWNER)
    assert value(realm, OWNER, "W") == "first"
    realm.rows(OTHER, "REVOKE SELECT ON VIEW V FROM ROLE PUBLIC")
    refused(realm, OWNER, "W")
    realm.grant("SELECT", "VIEW", "DB.S.V", to="THIRD")
    assert value(realm, OWNER, "W") == "first"
    revoke(realm)
    with pytest.raises(ObjectNotFound, match=r"expansion of view 'DB\.S\.V'"):
        value(realm, OWNER, "W")


def test_another_owner_reads_with_other_rights(realm: Realm) -> None:
    realm.rows(ADMIN, "CREATE ROLE THIRD")
    realm.rows(ADMIN, "GRANT OWNERSHIP ON VIEW V TO ROLE THIRD")
    refused(realm)
    realm.rows(ADMIN, "GRANT OWNERSHIP ON VIEW V TO ROLE OWNER")
    assert value(realm, PUBLIC) == "first"


def test_the_heir_of_a_view_lends_nobody_its_rights(realm: Realm) -> None:
    revoke(realm)
    realm.rows(ADMIN, "DROP ROLE OTHER")
    with pytest.raises(REFUSED):
        value(realm, PUBLIC)
    assert value(realm, ADMIN) == "first"


def test_a_temporary_view_reads_with_the_rights_of_the_session(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE TEMPORARY TABLE TMP AS SELECT 'own' AS A")
    with pytest.raises(Unsupported, match="CREATE TEMPORARY VIEW"):
        realm.rows(OTHER, "CREATE VIEW X AS SELECT * FROM TMP")
    realm.rows(OTHER, "CREATE TEMPORARY VIEW X AS SELECT TMP.A FROM TMP, T")
    assert value(realm, OTHER, "X") == "own"
    revoke(realm)
    refused(realm, OTHER, "X")


def test_a_view_that_reads_no_table_needs_no_rights(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE VIEW ONE AS SELECT 'x' AS A")
    assert value(realm, OTHER, "ONE") == "x"


def test_a_view_of_which_is_not_known_what_it_reads_is_refused_by_name(realm: Realm) -> None:
    with realm.rooms.warehouse.engine.connect() as connection:
        connection.execute("CREATE VIEW DB.S.OLD AS SELECT A FROM DB.S.T")
    with pytest.raises(Unsupported, match=r"DB\.S\.OLD.*CREATE OR REPLACE"):
        value(realm, ADMIN, "OLD")
