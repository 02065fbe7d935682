"""Sequences: whoever draws a number needs USAGE; defaults draw for the owner of the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import InvalidArgument, ObjectNotFound, PrivilegeMissing, Unsupported
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

DRAWS = (
    "SELECT SQ.NEXTVAL",
    'SELECT DB.S."SQ".NEXTVAL AS N',
    "SELECT 1 + (SELECT SQ.NEXTVAL)",
    "WITH Q AS (SELECT SQ.NEXTVAL AS N) SELECT N FROM Q",
    "CREATE TABLE C AS SELECT SQ.NEXTVAL AS N",
    "CREATE TABLE C (A INT DEFAULT SQ.NEXTVAL)",
    "CREATE TABLE C (A INT DEFAULT SQ.NEXTVAL + 1)",
    "CREATE TEMPORARY VIEW C AS SELECT SQ.NEXTVAL AS N",
    "INSERT INTO OPEN_T SELECT SQ.NEXTVAL, 1",
    "UPDATE OPEN_T SET A = SQ.NEXTVAL",
    "DELETE FROM OPEN_T WHERE A < (SELECT SQ.NEXTVAL)",
    "MERGE INTO OPEN_T USING OPEN_T Q ON FALSE WHEN NOT MATCHED THEN INSERT VALUES (SQ.NEXTVAL, 1)",
)


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """OWNER has SQ; everybody may write into OPEN_T, which is ADMIN's."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_realm(tmp_path) as opened:
        for role in (OWNER, OTHER):
            for kind in ("TABLE", "SEQUENCE"):
                opened.grant(f"CREATE {kind}", "SCHEMA", "DB.S", to=role)
        opened.rows(OWNER, "CREATE SEQUENCE SQ")
        opened.rows(ADMIN, "CREATE TABLE OPEN_T (A INT, B INT)")
        opened.grant("ALL", "TABLE", "DB.S.OPEN_T", to=PUBLIC)
        yield opened


@pytest.mark.parametrize("text", DRAWS)
def test_drawing_needs_usage(realm: Realm, text: str) -> None:
    with pytest.raises(ObjectNotFound, match="SQ"):
        realm.rows(OTHER, text)
    realm.rows(OWNER, "GRANT USAGE ON SEQUENCE SQ TO ROLE OTHER")
    realm.rows(OTHER, text)
    realm.rows(OWNER, "REVOKE USAGE ON SEQUENCE SQ FROM ROLE OTHER")
    with pytest.raises(ObjectNotFound, match="SQ"):
        realm.rows(OTHER, text.replace("TABLE C", "TABLE D").replace("VIEW C", "VIEW D"))


def test_what_one_may_not_see_is_told_like_what_is_not_there(realm: Realm) -> None:
    said = []
    for name in ("SQ", "NO"):
        with pytest.raises(ObjectNotFound) as refused:
            realm.rows(PUBLIC, f"SELECT {name}.NEXTVAL")
        said.append(str(refused.value).replace(f".{name}'", ""))
    assert said[0] == said[1]
    with pytest.raises(ObjectNotFound):
        realm.rows(PUBLIC, "DROP SEQUENCE SQ")


@pytest.mark.parametrize("default", ["SQ.NEXTVAL", "SQ.NEXTVAL + 1"])
def test_defaults_draw_with_the_rights_of_the_tables_owner(realm: Realm, default: str) -> None:
    realm.rows(OWNER, "GRANT USAGE ON SEQUENCE SQ TO ROLE OTHER")
    realm.rows(OTHER, f"CREATE TABLE T (A INT DEFAULT {default}, B INT)")
    realm.grant("INSERT", "TABLE", "DB.S.T", to=PUBLIC)
    realm.rows(PUBLIC, "INSERT INTO T (B) VALUES (1)")
    realm.rows(OWNER, "REVOKE USAGE ON SEQUENCE SQ FROM ROLE OTHER")
    for role in (PUBLIC, OTHER):
        with pytest.raises(ObjectNotFound, match=r"SQ.*OTHER"):
            realm.rows(role, "INSERT INTO T (B) VALUES (1)")
    realm.rows(OTHER, "DELETE FROM T")


@pytest.mark.parametrize("form", ["LIKE T", "CLONE T"])
def test_a_copied_default_brings_no_right(realm: Realm, form: str) -> None:
    realm.rows(OWNER, "CREATE TABLE T (A INT DEFAULT SQ.NEXTVAL, B INT)")
    realm.grant("SELECT", "TABLE", "DB.S.T")
    realm.rows(OTHER, f"CREATE TABLE C {form}")
    with pytest.raises(ObjectNotFound, match="SQ"):
        realm.rows(OTHER, "INSERT INTO C (B) VALUES (1)")


def test_identity_columns_are_the_tables_own(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE TABLE I (A INT AUTOINCREMENT, B INT)")
    realm.grant("INSERT", "TABLE", "DB.S.I", to=PUBLIC)
    realm.rows(PUBLIC, "INSERT INTO I (B) VALUES (1)")
    assert realm.rows(OTHER, "SELECT A FROM I") == [{"A": 1}]


def test_other_privileges_do_not_draw(realm: Realm) -> None:
    realm.grant("SELECT", "SEQUENCE", "DB.S.SQ")
    with pytest.raises(PrivilegeMissing, match="USAGE"):
        realm.rows(OTHER, "SELECT SQ.NEXTVAL")


@pytest.mark.parametrize(
    "text", ["SELECT NEXTVAL('DB.S.SQ')", "SELECT CURRVAL('DB.S.SQ')", "SELECT LASTVAL()"]
)
def test_the_engines_own_functions_are_not_there(realm: Realm, text: str) -> None:
    realm.rows(OWNER, "SELECT SQ.NEXTVAL")
    with pytest.raises((InvalidArgument, Unsupported), match=r"(?i)unknown|unsupported"):
        realm.rows(PUBLIC, text)
