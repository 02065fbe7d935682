"""GRANT and REVOKE by whoever may, and what SHOW GRANTS tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import (
    DependentGrants,
    NunatakError,
    ObjectNotFound,
    PrivilegeMissing,
    Unsupported,
)
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

REFUSED = (PrivilegeMissing, ObjectNotFound)
SECURITY = "SECURITYADMIN"
GIVE = "GRANT SELECT ON TABLE VICTIM TO ROLE"
TAKE = "REVOKE SELECT ON TABLE VICTIM FROM ROLE"


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """OWNER's table VICTIM; the role THIRD has nothing."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_realm(tmp_path) as opened:
        for role in ("THIRD", "USERADMIN", SECURITY):
            opened.parts.access.roles.create(role, owner="" if role != "THIRD" else ADMIN)
        account = opened.parts.settings.account
        opened.grant("MANAGE GRANTS", "ACCOUNT", account, to=SECURITY)
        opened.grant("CREATE TABLE", "SCHEMA", "DB.S", to=OWNER)
        opened.rows(OWNER, "CREATE TABLE VICTIM AS SELECT 'victim' AS A")
        yield opened


def reads(realm: Realm, role: str) -> bool:
    try:
        realm.rows(role, "SELECT * FROM VICTIM")
    except REFUSED:
        return False
    return True


def shown(realm: Realm, text: str) -> list[tuple[str, ...]]:
    """Privilege, holder, grant option and giver of each grant but OWNERSHIP."""
    columns = ("privilege", "grantee_name", "grant_option", "granted_by")
    rows = realm.rows(ADMIN, text)
    return [tuple(row[name] for name in columns) for row in rows if row["privilege"] != "OWNERSHIP"]


def test_the_grant_option_gives_on_and_no_other_privilege(realm: Realm) -> None:
    realm.rows(OWNER, f"{GIVE} OTHER WITH GRANT OPTION")
    realm.rows(OTHER, f"{GIVE} THIRD")
    assert reads(realm, "THIRD")
    assert shown(realm, "SHOW GRANTS ON TABLE VICTIM") == [
        ("SELECT", OTHER, "true", OWNER),
        ("SELECT", "THIRD", "false", OTHER),
    ]
    for text in (
        "GRANT INSERT ON TABLE VICTIM TO ROLE THIRD",
        "GRANT SELECT, INSERT ON TABLE VICTIM TO ROLE THIRD",
        "REVOKE INSERT ON TABLE VICTIM FROM ROLE THIRD",
        "GRANT OWNERSHIP ON TABLE VICTIM TO ROLE OTHER REVOKE CURRENT GRANTS",
    ):
        with pytest.raises(PrivilegeMissing):
            realm.rows(OTHER, text)
    with pytest.raises(PrivilegeMissing):
        realm.rows("THIRD", f"{GIVE} PUBLIC")


def test_all_gives_what_one_may_give(realm: Realm) -> None:
    realm.rows(OWNER, f"{GIVE} OTHER WITH GRANT OPTION")
    realm.rows(OTHER, "GRANT ALL ON TABLE VICTIM TO ROLE THIRD")
    assert shown(realm, "SHOW GRANTS TO ROLE THIRD") == [("SELECT", "THIRD", "false", OTHER)]
    realm.rows(OTHER, "REVOKE ALL PRIVILEGES ON TABLE VICTIM FROM ROLE THIRD")
    assert not reads(realm, "THIRD")
    with pytest.raises(REFUSED):
        realm.rows("THIRD", "GRANT ALL ON TABLE VICTIM TO ROLE PUBLIC")


@pytest.mark.parametrize("words", ["", " RESTRICT"])
@pytest.mark.parametrize("only", ["", "GRANT OPTION FOR "])
def test_what_was_given_on_is_taken_with_cascade_only(realm: Realm, only: str, words: str) -> None:
    realm.rows(OWNER, f"{GIVE} OTHER WITH GRANT OPTION")
    realm.rows(OTHER, f"{GIVE} THIRD")
    take = f"REVOKE {only}SELECT ON TABLE VICTIM FROM ROLE OTHER"
    with pytest.raises(DependentGrants, match=r"to role 'THIRD' exists.*CASCADE"):
        realm.rows(OWNER, take + words)
    assert reads(realm, OTHER)
    assert reads(realm, "THIRD")
    realm.rows(OWNER, f"{take} CASCADE")
    assert reads(realm, OTHER) == bool(only)
    assert not reads(realm, "THIRD")
    with pytest.raises(REFUSED):
        realm.rows(OTHER, f"{GIVE} THIRD")


def test_a_privilege_from_two_givers_is_taken_from_each(realm: Realm) -> None:
    realm.rows(OWNER, f"{GIVE} OTHER WITH GRANT OPTION")
    realm.rows(OTHER, f"{GIVE} THIRD")
    realm.rows(OWNER, f"{GIVE} THIRD")
    realm.rows(OWNER, f"{TAKE} THIRD")
    assert reads(realm, "THIRD")
    realm.rows(OTHER, f"{TAKE} THIRD")
    assert not reads(realm, "THIRD")


def test_giving_again_without_the_option_leaves_it(realm: Realm) -> None:
    realm.rows(OWNER, f"{GIVE} OTHER WITH GRANT OPTION")
    realm.rows(OWNER, f"{GIVE} OTHER")
    assert shown(realm, "SHOW GRANTS ON TABLE VICTIM") == [("SELECT", OTHER, "true", OWNER)]


def test_who_manages_grants_gives_and_takes_everything_in_the_owners_name(realm: Realm) -> None:
    with pytest.raises(REFUSED):
        realm.rows("USERADMIN", f"{GIVE} OTHER")
    realm.rows(SECURITY, f"{GIVE} OTHER")
    assert shown(realm, "SHOW GRANTS ON TABLE VICTIM") == [("SELECT", OTHER, "false", OWNER)]
    realm.rows(OWNER, f"{TAKE} OTHER")
    assert not reads(realm, OTHER)
    for text in (
        "GRANT USAGE ON SCHEMA DB.S TO ROLE OTHER",
        "GRANT USAGE ON DATABASE DB TO ROLE OTHER",
        "GRANT CREATE DATABASE ON ACCOUNT TO ROLE OTHER",
        "GRANT ROLE THIRD TO ROLE OTHER",
        "GRANT ROLE THIRD TO USER OTHER_USER",
        "REVOKE ROLE THIRD FROM ROLE OTHER",
        "REVOKE CREATE DATABASE ON ACCOUNT FROM ROLE OTHER",
        "GRANT SELECT ON ALL TABLES IN SCHEMA DB.S TO ROLE OTHER",
        "GRANT OWNERSHIP ON TABLE VICTIM TO ROLE OTHER REVOKE CURRENT GRANTS",
    ):
        realm.session(OTHER)
        with pytest.raises(NunatakError):
            realm.rows("USERADMIN", text)
        realm.rows(SECURITY, text)
    realm.rows(ADMIN, "GRANT MANAGE GRANTS ON ACCOUNT TO ROLE THIRD")
    realm.rows("THIRD", f"{GIVE} PUBLIC")
    assert reads(realm, PUBLIC)


@pytest.mark.parametrize(
    "text",
    [
        "GRANT ROLE ACCOUNTADMIN TO ROLE OTHER",
        "GRANT ROLE ACCOUNTADMIN TO USER OTHER_USER",
        "GRANT ROLE ABOVE TO USER OTHER_USER",
        "REVOKE ROLE ACCOUNTADMIN FROM ROLE ABOVE",
        "GRANT OWNERSHIP ON USER ACCOUNTADMIN_USER TO ROLE SECURITYADMIN",
        "GRANT OWNERSHIP ON ROLE ABOVE TO ROLE SECURITYADMIN",
        "GRANT OWNERSHIP ON VIEW V TO ROLE ACCOUNTADMIN",
        "GRANT OWNERSHIP ON VIEW V TO ROLE ABOVE",
    ],
)
def test_managing_grants_makes_nobody_the_administrator(realm: Realm, text: str) -> None:
    realm.rows(ADMIN, "CREATE ROLE ABOVE")
    realm.rows(ADMIN, "GRANT ROLE ACCOUNTADMIN TO ROLE ABOVE")
    realm.rows(ADMIN, "GRANT CREATE VIEW ON SCHEMA DB.S TO ROLE OTHER")
    realm.rows(OTHER, "CREATE VIEW V AS SELECT 1 AS A")
    with pytest.raises(PrivilegeMissing, match="ACCOUNTADMIN"):
        realm.rows(SECURITY, text)
    realm.rows(ADMIN, text)


def test_dropping_a_role_takes_what_it_gave_on(realm: Realm) -> None:
    realm.rows(OWNER, f"{GIVE} OTHER WITH GRANT OPTION")
    realm.rows(OTHER, f"{GIVE} THIRD")
    realm.rows(ADMIN, "DROP ROLE OTHER")
    assert not reads(realm, "THIRD")
    realm.rows(OWNER, f"{GIVE} THIRD")
    realm.rows(ADMIN, "DROP ROLE OWNER")
    assert shown(realm, "SHOW GRANTS ON TABLE VICTIM") == [("SELECT", "THIRD", "false", ADMIN)]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE DATABASE ROLE DB.R",
        "CREATE OR REPLACE DATABASE ROLE R COMMENT = 'c'",
        "ALTER DATABASE ROLE DB.R RENAME TO DB.Q",
        "DROP DATABASE ROLE IF EXISTS DB.R",
        "SHOW DATABASE ROLES IN DATABASE DB",
        "GRANT DATABASE ROLE DB.R TO ROLE OTHER",
        "REVOKE DATABASE ROLE DB.R FROM ROLE OTHER",
        "GRANT SELECT ON TABLE VICTIM TO DATABASE ROLE DB.R",
        "GRANT OWNERSHIP ON TABLE VICTIM TO DATABASE ROLE DB.R",
        "GRANT SELECT ON FUTURE TABLES IN SCHEMA DB.S TO DATABASE ROLE DB.R",
        "REVOKE SELECT ON TABLE VICTIM FROM DATABASE ROLE DB.R",
    ],
)
def test_database_roles_are_refused_by_name(realm: Realm, text: str) -> None:
    with pytest.raises(Unsupported, match="database roles"):
        realm.rows(ADMIN, text)
