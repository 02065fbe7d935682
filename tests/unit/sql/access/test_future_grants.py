"""Future grants and schemas with managed access, through SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import InvalidArgument, NunatakError, ObjectNotFound, PrivilegeMissing
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

SECURITY = "SECURITYADMIN"
KINDS = ("TABLE", "VIEW", "SEQUENCE", "STAGE", "FILE FORMAT", "TAG")
MADE = (
    ("TABLE", "SELECT", "CREATE TABLE N (A INT)"),
    ("TABLE", "SELECT", "CREATE TABLE N AS SELECT 1 AS A"),
    ("TABLE", "SELECT", "CREATE TABLE N LIKE OLD"),
    ("TABLE", "SELECT", "CREATE TABLE N CLONE OLD"),
    ("TABLE", "SELECT", "CREATE OR REPLACE TABLE N (A INT)"),
    ("VIEW", "SELECT", "CREATE VIEW N AS SELECT 1 AS A"),
    ("VIEW", "SELECT", "CREATE OR REPLACE VIEW N AS SELECT 1 AS A"),
    ("SEQUENCE", "USAGE", "CREATE SEQUENCE N"),
    ("STAGE", "READ", "CREATE STAGE N"),
    ("FILE FORMAT", "USAGE", "CREATE FILE FORMAT N TYPE = CSV"),
    ("TAG", "APPLY", "CREATE TAG N"),
)


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """OWNER makes objects in DB.S; SECURITYADMIN manages grants."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_realm(tmp_path) as opened:
        for role in ("THIRD", "USERADMIN", SECURITY):
            opened.parts.access.roles.create(role, owner=ADMIN)
        account = opened.parts.settings.account
        opened.grant("MANAGE GRANTS", "ACCOUNT", account, to=SECURITY)
        for kind in KINDS:
            opened.grant(f"CREATE {kind}", "SCHEMA", "DB.S", to=OWNER)
        opened.rows(OWNER, "CREATE TABLE OLD AS SELECT 1 AS A")
        yield opened


def held(realm: Realm, kind: str, title: str) -> list[tuple[str, str, str]]:
    return [
        (grant.privilege, grant.role, grant.granted_by)
        for grant in realm.parts.access.grants.on(kind.replace(" ", "_"), title)
    ]


@pytest.mark.parametrize("place", ["SCHEMA DB.S", "DATABASE DB"])
@pytest.mark.parametrize(("kind", "privilege", "text"), MADE)
def test_what_is_made_gets_what_was_promised(
    realm: Realm, kind: str, privilege: str, text: str, place: str
) -> None:
    promise = f"GRANT {privilege} ON FUTURE {kind}S IN {place} TO ROLE OTHER"
    realm.rows(SECURITY, promise)
    assert held(realm, "TABLE", "DB.S.OLD") == []
    realm.rows(OWNER, text)
    assert held(realm, kind, "DB.S.N") == [(privilege, OTHER, OWNER)]
    realm.rows(SECURITY, promise.replace("GRANT", "REVOKE").replace("TO ROLE", "FROM ROLE"))
    assert held(realm, kind, "DB.S.N") == [(privilege, OTHER, OWNER)]
    realm.rows(OWNER, f"DROP {kind} N")
    realm.rows(OWNER, text)
    assert held(realm, kind, "DB.S.N") == []


def test_a_schemas_promises_take_the_place_of_its_databases(realm: Realm) -> None:
    for text in (
        "GRANT SELECT ON FUTURE TABLES IN DATABASE DB TO ROLE OTHER",
        "GRANT SELECT ON FUTURE VIEWS IN DATABASE DB TO ROLE OTHER",
        "GRANT INSERT, UPDATE ON FUTURE TABLES IN SCHEMA DB.S TO ROLE THIRD WITH GRANT OPTION",
    ):
        realm.rows(SECURITY, text)
    realm.rows(OWNER, "CREATE TABLE N (A INT)")
    assert held(realm, "TABLE", "DB.S.N") == [
        ("INSERT", "THIRD", OWNER),
        ("UPDATE", "THIRD", OWNER),
    ]
    realm.rows("THIRD", "GRANT INSERT ON TABLE DB.S.N TO ROLE OTHER")
    realm.rows(OWNER, "CREATE VIEW V AS SELECT 1 AS A")
    assert held(realm, "VIEW", "DB.S.V") == [("SELECT", OTHER, OWNER)]
    realm.rows(SECURITY, "REVOKE ALL ON FUTURE TABLES IN SCHEMA DB.S FROM ROLE THIRD")
    realm.rows(OWNER, "CREATE TABLE M (A INT)")
    assert held(realm, "TABLE", "DB.S.M") == [("SELECT", OTHER, OWNER)]


def test_future_schemas_and_their_objects(realm: Realm) -> None:
    realm.rows(SECURITY, "GRANT USAGE ON FUTURE SCHEMAS IN DATABASE DB TO ROLE OTHER")
    realm.rows(SECURITY, "GRANT OWNERSHIP ON FUTURE TABLES IN DATABASE DB TO ROLE THIRD")
    realm.rows(ADMIN, "CREATE SCHEMA DB.N")
    assert held(realm, "SCHEMA", "DB.N") == [("USAGE", OTHER, ADMIN)]
    realm.rows(ADMIN, "CREATE TABLE DB.N.T (A INT)")
    assert realm.parts.access.owner_of("TABLE", "DB.N.T") == "THIRD"
    realm.let_use("DB.N", role="THIRD")
    realm.rows("THIRD", "DROP TABLE DB.N.T")


def test_what_gets_another_name_gets_nothing_more(realm: Realm) -> None:
    realm.rows(OWNER, "CREATE TABLE A (A INT)")
    realm.rows(OWNER, "CREATE TABLE B (A INT)")
    realm.rows(SECURITY, "GRANT SELECT ON FUTURE TABLES IN SCHEMA DB.S TO ROLE OTHER")
    realm.rows(OWNER, "ALTER TABLE A RENAME TO C")
    realm.rows(OWNER, "ALTER TABLE C SWAP WITH B")
    realm.rows(OWNER, "CREATE TABLE IF NOT EXISTS B (A INT)")
    assert held(realm, "TABLE", "DB.S.B") == held(realm, "TABLE", "DB.S.C") == []


def test_promises_end_with_their_place_and_their_role(realm: Realm) -> None:
    realm.rows(ADMIN, "CREATE SCHEMA DB.N")
    for role in (OTHER, "THIRD"):
        realm.rows(SECURITY, f"GRANT SELECT ON FUTURE TABLES IN SCHEMA DB.N TO ROLE {role}")
    realm.rows(SECURITY, "GRANT SELECT ON FUTURE TABLES IN DATABASE DB TO ROLE THIRD")
    shown = realm.rows(ADMIN, "SHOW FUTURE GRANTS IN SCHEMA DB.N")
    columns = ("privilege", "grant_on", "name", "grant_to", "grantee_name", "grant_option")
    assert [tuple(row[name] for name in columns) for row in shown] == [
        ("SELECT", "TABLE", "DB.N.<TABLE>", "ROLE", role, "false") for role in (OTHER, "THIRD")
    ]
    assert len(realm.rows(ADMIN, "SHOW FUTURE GRANTS TO ROLE THIRD")) == 2
    assert len(realm.rows(ADMIN, "SHOW FUTURE GRANTS IN DATABASE DB")) == 1
    realm.rows(ADMIN, "DROP ROLE OTHER")
    assert len(realm.rows(ADMIN, "SHOW FUTURE GRANTS IN SCHEMA DB.N")) == 1
    realm.rows(ADMIN, "CREATE OR REPLACE SCHEMA DB.N")
    assert realm.rows(ADMIN, "SHOW FUTURE GRANTS IN SCHEMA DB.N") == []
    realm.rows(ADMIN, "CREATE OR REPLACE DATABASE DB")
    assert realm.rows(ADMIN, "SHOW FUTURE GRANTS TO ROLE THIRD") == []


@pytest.mark.parametrize("place", ["SCHEMA DB.S", "DATABASE DB"])
def test_promises_need_to_manage_grants(realm: Realm, place: str) -> None:
    realm.grant("USAGE", "SCHEMA", "DB.S", to=OTHER)
    realm.rows(ADMIN, "GRANT OWNERSHIP ON SCHEMA DB.S TO ROLE THIRD REVOKE CURRENT GRANTS")
    realm.let_use("DB.S")
    for role in (PUBLIC, OTHER, OWNER, "THIRD"):
        with pytest.raises(PrivilegeMissing, match="MANAGE GRANTS"):
            realm.rows(role, f"GRANT SELECT ON FUTURE TABLES IN {place} TO ROLE OTHER")
        with pytest.raises(PrivilegeMissing, match="MANAGE GRANTS"):
            realm.rows(role, f"REVOKE SELECT ON FUTURE TABLES IN {place} FROM ROLE OTHER")
    for refused, error in (
        (f"GRANT FROBNICATE ON FUTURE TABLES IN {place} TO ROLE OTHER", InvalidArgument),
        (f"GRANT SELECT ON FUTURE TABLES IN {place} TO ROLE NOBODY", ObjectNotFound),
        ("GRANT SELECT ON FUTURE TABLES IN SCHEMA DB.NOWHERE TO ROLE OTHER", ObjectNotFound),
        ("GRANT SELECT ON FUTURE SCHEMAS IN SCHEMA DB.S TO ROLE OTHER", NunatakError),
        ("GRANT OWNERSHIP ON FUTURE SERVICES IN SCHEMA DB.S TO ROLE OTHER", NunatakError),
        (
            "GRANT OWNERSHIP ON FUTURE TABLES IN SCHEMA DB.S TO ROLE OTHER COPY CURRENT GRANTS",
            NunatakError,
        ),
    ):
        with pytest.raises(error):
            realm.rows(SECURITY, refused)


def test_future_objects_have_one_owner_and_lend_nobody_accountadmin(realm: Realm) -> None:
    promise = "GRANT OWNERSHIP ON FUTURE VIEWS IN SCHEMA DB.S TO ROLE"
    with pytest.raises(PrivilegeMissing, match="ACCOUNTADMIN"):
        realm.rows(SECURITY, f"{promise} ACCOUNTADMIN")
    realm.rows(SECURITY, f"{promise} THIRD")
    realm.rows(SECURITY, f"{promise} THIRD")
    with pytest.raises(InvalidArgument, match="REVOKE OWNERSHIP ON FUTURE"):
        realm.rows(SECURITY, f"{promise} OTHER")
    realm.rows(SECURITY, "REVOKE OWNERSHIP ON FUTURE VIEWS IN SCHEMA DB.S FROM ROLE THIRD")
    realm.rows(SECURITY, f"{promise} OTHER")
    realm.rows(OWNER, "CREATE VIEW V AS SELECT 1 AS A")
    assert realm.parts.access.owner_of("VIEW", "DB.S.V") == OTHER
    with pytest.raises(NunatakError):
        realm.rows(OWNER, "CREATE OR REPLACE VIEW V AS SELECT 2 AS A")


@pytest.fixture
def managed(realm: Realm) -> Realm:
    """DB.M has managed access; THIRD owns it, OWNER owns its table T."""
    realm.rows(ADMIN, "CREATE SCHEMA DB.M WITH MANAGED ACCESS COMMENT = 'c'")
    realm.rows(ADMIN, "GRANT USAGE, CREATE TABLE ON SCHEMA DB.M TO ROLE OWNER")
    realm.rows(ADMIN, "GRANT OWNERSHIP ON SCHEMA DB.M TO ROLE THIRD COPY CURRENT GRANTS")
    realm.rows(OWNER, "CREATE TABLE DB.M.T (A INT)")
    return realm


def test_only_the_schemas_owner_grants_where_access_is_managed(managed: Realm) -> None:
    give, take = "GRANT SELECT ON TABLE DB.M.T TO ROLE", "REVOKE SELECT ON TABLE DB.M.T FROM ROLE"
    managed.let_use("DB.M")
    with pytest.raises(PrivilegeMissing, match="managed access"):
        managed.rows(OWNER, f"{give} PUBLIC")
    managed.rows("THIRD", f"{give} OTHER WITH GRANT OPTION")
    assert held(managed, "TABLE", "DB.M.T") == [("SELECT", OTHER, OWNER)]
    with pytest.raises(ObjectNotFound):
        managed.rows(PUBLIC, f"{give} PUBLIC")
    for role in (OTHER, OWNER):
        with pytest.raises(PrivilegeMissing, match="managed access"):
            managed.rows(role, f"{give} PUBLIC")
        with pytest.raises(PrivilegeMissing, match="managed access"):
            managed.rows(role, f"{take} OTHER")
        with pytest.raises(PrivilegeMissing, match="managed access"):
            managed.rows(
                role, "GRANT OWNERSHIP ON TABLE DB.M.T TO ROLE OTHER REVOKE CURRENT GRANTS"
            )
    managed.rows("THIRD", f"{take} OTHER")
    managed.rows("THIRD", "GRANT SELECT ON FUTURE TABLES IN SCHEMA DB.M TO ROLE OTHER")
    managed.rows(OWNER, "CREATE TABLE DB.M.N (A INT)")
    assert held(managed, "TABLE", "DB.M.N") == [("SELECT", OTHER, OWNER)]
    with pytest.raises(PrivilegeMissing, match="MANAGE GRANTS"):
        managed.rows("THIRD", "GRANT OWNERSHIP ON FUTURE TABLES IN SCHEMA DB.M TO ROLE OTHER")
    with pytest.raises(PrivilegeMissing, match="MANAGE GRANTS"):
        managed.rows("THIRD", "GRANT OWNERSHIP ON TABLE DB.M.T TO ROLE OTHER")
    managed.rows("THIRD", "GRANT OWNERSHIP ON TABLE DB.M.T TO ROLE THIRD")
    managed.rows(SECURITY, "GRANT OWNERSHIP ON TABLE DB.M.T TO ROLE OWNER")


def test_access_is_managed_and_left_to_owners_again(managed: Realm) -> None:
    def options() -> dict[str, str]:
        rows = managed.rows(ADMIN, "SHOW SCHEMAS IN DATABASE DB")
        return {row["name"]: row["options"] for row in rows}

    assert options()["M"] == "MANAGED ACCESS"
    assert options()["S"] == ""
    with pytest.raises(PrivilegeMissing):
        managed.rows(OWNER, "ALTER SCHEMA DB.M DISABLE MANAGED ACCESS")
    managed.rows("THIRD", "ALTER SCHEMA DB.M DISABLE MANAGED ACCESS")
    managed.rows(OWNER, "GRANT SELECT ON TABLE DB.M.T TO ROLE PUBLIC")
    with pytest.raises(PrivilegeMissing, match="MANAGE GRANTS"):
        managed.rows("THIRD", "ALTER SCHEMA DB.M ENABLE MANAGED ACCESS")
    with pytest.raises(PrivilegeMissing):
        managed.rows("THIRD", "GRANT SELECT ON TABLE DB.M.T TO ROLE THIRD")
    managed.rows(ADMIN, "ALTER SCHEMA DB.M ENABLE MANAGED ACCESS")
    managed.rows("THIRD", "ALTER SCHEMA DB.M SET COMMENT = 'more'")
    assert options()["M"] == "MANAGED ACCESS"
    managed.rows("THIRD", "REVOKE SELECT ON TABLE DB.M.T FROM ROLE PUBLIC")
    assert held(managed, "TABLE", "DB.M.T") == []
