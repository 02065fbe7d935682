"""Ownership under change: afterwards nobody can do what they could not do before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.access.privileges.grantable import GRANTABLE
from nunatak.errors import (
    DependentGrants,
    InvalidArgument,
    ObjectExists,
    ObjectInUse,
    ObjectNotFound,
    PrivilegeMissing,
    SyntaxInvalid,
    Unsupported,
)
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

REFUSED = (PrivilegeMissing, ObjectNotFound)


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """OWNER and OTHER may make what a schema holds; each owns a table, VICTIM and MINE."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_realm(tmp_path) as opened:
        for role in (OWNER, OTHER):
            for kind in ("TABLE", "VIEW", "STAGE", "FILE FORMAT", "TAG", "SEQUENCE"):
                opened.grant(f"CREATE {kind}", "SCHEMA", "DB.S", to=role)
        opened.rows(OWNER, "CREATE TABLE VICTIM AS SELECT 'victim' AS A")
        opened.rows(OTHER, "CREATE TABLE MINE AS SELECT 'mine' AS A")
        yield opened


def owner(realm: Realm, name: str, kind: str = "TABLE") -> str | None:
    return realm.parts.access.grants.owner_of(kind, name)


def holders(realm: Realm, name: str) -> list[str]:
    return [grant.role for grant in realm.parts.access.grants.on("TABLE", name)]


def content(realm: Realm, role: str, name: str) -> str:
    (row,) = realm.rows(role, f"SELECT * FROM {name}")
    return str(row["A"])


@pytest.mark.parametrize("privileges", [(), ("SELECT",), ("SELECT", "INSERT", "DELETE", "ALL")])
@pytest.mark.parametrize("pair", ["MINE SWAP WITH VICTIM", "VICTIM SWAP WITH MINE"])
def test_swapping_needs_the_ownership_of_both(
    realm: Realm, privileges: tuple[str, ...], pair: str
) -> None:
    for privilege in privileges:
        realm.grant(privilege, "TABLE", "DB.S.VICTIM")
    with pytest.raises(REFUSED):
        realm.rows(OTHER, f"ALTER TABLE {pair}")
    assert content(realm, OWNER, "VICTIM") == "victim"
    assert (owner(realm, "DB.S.VICTIM"), owner(realm, "DB.S.MINE")) == (OWNER, OTHER)


def test_owners_and_grants_swap_with_the_tables(realm: Realm) -> None:
    realm.grant("SELECT", "TABLE", "DB.S.VICTIM", to=PUBLIC)
    realm.rows(ADMIN, "ALTER TABLE VICTIM SWAP WITH MINE")
    assert content(realm, OWNER, "MINE") == content(realm, PUBLIC, "MINE") == "victim"
    assert content(realm, OTHER, "VICTIM") == "mine"
    for role in (OWNER, PUBLIC):
        with pytest.raises(REFUSED):
            realm.rows(role, "SELECT * FROM VICTIM")
    assert (owner(realm, "DB.S.VICTIM"), owner(realm, "DB.S.MINE")) == (OTHER, OWNER)
    assert (holders(realm, "DB.S.VICTIM"), holders(realm, "DB.S.MINE")) == ([], [PUBLIC])
    realm.rows(ADMIN, "ALTER TABLE VICTIM SWAP WITH MINE")
    assert content(realm, OWNER, "VICTIM") == "victim"


def test_views_and_temporary_tables_do_not_swap(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE VIEW V AS SELECT * FROM MINE")
    with pytest.raises(InvalidArgument, match="view"):
        realm.rows(OTHER, "ALTER TABLE MINE SWAP WITH V")
    realm.rows(OTHER, "CREATE TEMPORARY TABLE TMP (A TEXT)")
    with pytest.raises(Unsupported, match="temporary"):
        realm.rows(OTHER, "ALTER TABLE MINE SWAP WITH TMP")
    assert content(realm, OTHER, "MINE") == "mine"


def test_renaming_needs_the_privilege_to_create(realm: Realm) -> None:
    realm.rows(ADMIN, "REVOKE CREATE TABLE ON SCHEMA DB.S FROM ROLE OTHER")
    with pytest.raises(PrivilegeMissing, match="CREATE TABLE"):
        realm.rows(OTHER, "ALTER TABLE MINE RENAME TO NEW")
    with pytest.raises(ObjectExists):
        realm.rows(OWNER, "ALTER TABLE VICTIM RENAME TO MINE")
    assert content(realm, OTHER, "MINE") == "mine"


@pytest.mark.parametrize(
    ("kind", "more"), [("STAGE", ""), ("FILE FORMAT", "TYPE = CSV"), ("TAG", "")]
)
def test_nothing_is_renamed_to_where_its_owner_may_not_create(
    realm: Realm, kind: str, more: str
) -> None:
    realm.rows(ADMIN, "CREATE SCHEMA DB.CLOSED")
    realm.let_use("DB.CLOSED")
    realm.session(ADMIN).schema = "S"
    realm.rows(OWNER, f"CREATE {kind} TAKEN {more}")
    realm.rows(OTHER, f"CREATE {kind} MY {more}")
    with pytest.raises(PrivilegeMissing, match=f"CREATE {kind}"):
        realm.rows(OTHER, f"ALTER {kind} MY RENAME TO DB.CLOSED.MY")
    with pytest.raises(ObjectExists):
        realm.rows(OTHER, f"ALTER {kind} MY RENAME TO TAKEN")
    with pytest.raises(ObjectNotFound):
        realm.rows(ADMIN, f"ALTER {kind} MY RENAME TO DB.NOWHERE.MY")
    realm.rows(OTHER, f"ALTER {kind} MY RENAME TO YOURS")
    assert owner(realm, "DB.S.YOURS", kind.replace(" ", "_")) == OTHER
    assert owner(realm, "DB.S.TAKEN", kind.replace(" ", "_")) == OWNER


KINDS = {
    "TABLE": "TABLE G (A INT)",
    "VIEW": "VIEW G AS SELECT 1 AS A",
    "SEQUENCE": "SEQUENCE G",
    "STAGE": "STAGE G",
    "FILE FORMAT": "FILE FORMAT G TYPE = CSV",
    "TAG": "TAG G",
    "SCHEMA": "SCHEMA DB.G",
    "DATABASE": "DATABASE G",
    "ROLE": "ROLE G",
    "USER": "USER G",
    "WAREHOUSE": "WAREHOUSE G",
}


def made(realm: Realm, words: str) -> tuple[str, str, str]:
    """An object of ADMIN's with a grant to PUBLIC on it: its name, kind and title."""
    realm.rows(ADMIN, f"CREATE {KINDS[words]}")
    realm.session(ADMIN).database, realm.session(ADMIN).schema = "DB", "S"
    in_account = words in ("DATABASE", "ROLE", "USER", "WAREHOUSE")
    title = "G" if in_account else "DB.G" if words == "SCHEMA" else "DB.S.G"
    kind = words.replace(" ", "_")
    realm.grant("USAGE", kind, title, to=PUBLIC)
    return f"{words} {title}", kind, title


@pytest.mark.parametrize("words", sorted(KINDS))
def test_an_object_with_grants_moves_only_when_it_is_said_what_becomes_of_them(
    realm: Realm, words: str
) -> None:
    name, kind, title = made(realm, words)
    grants = realm.parts.access.grants
    with pytest.raises(DependentGrants, match=rf"'USAGE' on securable '{title}' to role 'PUBLIC'"):
        realm.rows(ADMIN, f"GRANT OWNERSHIP ON {name} TO ROLE OTHER")
    assert owner(realm, title, kind) == ADMIN
    realm.rows(ADMIN, f"GRANT OWNERSHIP ON {name} TO ROLE OTHER COPY CURRENT GRANTS")
    assert owner(realm, title, kind) == OTHER
    assert [(item.role, item.granted_by) for item in grants.on(kind, title)] == [(PUBLIC, OTHER)]
    realm.rows(ADMIN, f"GRANT OWNERSHIP ON {name} TO ROLE OWNER REVOKE CURRENT GRANTS")
    assert (owner(realm, title, kind), list(grants.on(kind, title))) == (OWNER, [])
    realm.rows(ADMIN, f"GRANT OWNERSHIP ON {name} TO ROLE OTHER")
    assert owner(realm, title, kind) == OTHER


@pytest.mark.parametrize("place", ["SCHEMA DB.S", "DATABASE DB"])
def test_all_objects_move_or_none(realm: Realm, place: str) -> None:
    realm.grant("SELECT", "TABLE", "DB.S.VICTIM", to=PUBLIC)
    with pytest.raises(DependentGrants):
        realm.rows(ADMIN, f"GRANT OWNERSHIP ON ALL TABLES IN {place} TO ROLE OTHER")
    assert (owner(realm, "DB.S.VICTIM"), owner(realm, "DB.S.MINE")) == (OWNER, OTHER)
    realm.rows(ADMIN, f"GRANT OWNERSHIP ON ALL TABLES IN {place} TO OWNER COPY CURRENT GRANTS")
    assert (owner(realm, "DB.S.VICTIM"), owner(realm, "DB.S.MINE")) == (OWNER, OWNER)
    assert holders(realm, "DB.S.VICTIM") == [PUBLIC]
    realm.rows(ADMIN, f"GRANT OWNERSHIP ON ALL TABLES IN {place} TO OTHER REVOKE CURRENT GRANTS")
    assert (owner(realm, "DB.S.VICTIM"), holders(realm, "DB.S.VICTIM")) == (OTHER, [])


def test_a_view_that_moves_does_not_lend_the_new_owners_rights(realm: Realm) -> None:
    realm.rows(ADMIN, "CREATE VIEW V AS SELECT * FROM VICTIM")
    realm.rows(ADMIN, "GRANT OWNERSHIP ON VIEW V TO ROLE OTHER")
    realm.rows(OTHER, "GRANT SELECT ON VIEW V TO ROLE PUBLIC")
    with pytest.raises(DependentGrants):
        realm.rows(ADMIN, "GRANT OWNERSHIP ON VIEW V TO ROLE OWNER")
    with pytest.raises(REFUSED):
        content(realm, PUBLIC, "V")
    realm.rows(ADMIN, "GRANT OWNERSHIP ON VIEW V TO ROLE OWNER REVOKE CURRENT GRANTS")
    with pytest.raises(REFUSED):
        content(realm, PUBLIC, "V")


@pytest.mark.parametrize(
    "text",
    [
        "GRANT OWNERSHIP, SELECT ON TABLE VICTIM TO ROLE OTHER",
        "GRANT OWNERSHIP ON TABLE VICTIM TO ROLE OTHER WITH GRANT OPTION",
        "GRANT OWNERSHIP ON TABLE VICTIM TO ROLE OTHER REVOKE GRANTS",
        "GRANT OWNERSHIP ON TABLE VICTIM TO ROLE OTHER CASCADE",
        "GRANT SELECT ON TABLE VICTIM TO ROLE OTHER COPY CURRENT GRANTS",
        "REVOKE SELECT ON TABLE VICTIM FROM ROLE OTHER COPY CURRENT GRANTS",
    ],
)
def test_other_words_are_not_taken_for_current_grants(realm: Realm, text: str) -> None:
    with pytest.raises((InvalidArgument, SyntaxInvalid)):
        realm.rows(ADMIN, text)
    assert (owner(realm, "DB.S.VICTIM"), holders(realm, "DB.S.VICTIM")) == (OWNER, [])


@pytest.mark.parametrize("privilege", ["FROBNICATE", "SELECTS", "CREATE", "SELECT UPDATE", "PUSH"])
@pytest.mark.parametrize("words", sorted(KINDS))
def test_a_privilege_that_a_kind_does_not_have_is_refused(
    realm: Realm, words: str, privilege: str
) -> None:
    for text in (
        f"GRANT {privilege} ON {words} G TO ROLE OTHER",
        f"GRANT USAGE, {privilege} ON {words} G TO ROLE OTHER",
        f"REVOKE {privilege} ON {words} G FROM ROLE OTHER",
    ):
        with pytest.raises(InvalidArgument, match="There is no privilege"):
            realm.rows(ADMIN, text)


@pytest.mark.parametrize("kind", ["TABLE", "VIEW", "STAGE", "SEQUENCE", "SCHEMA", "MODEL"])
def test_a_privilege_that_a_kind_does_not_have_is_refused_on_all(realm: Realm, kind: str) -> None:
    with pytest.raises(InvalidArgument, match="There is no privilege FROBNICATE"):
        realm.rows(ADMIN, f"GRANT FROBNICATE ON ALL {kind}S IN DATABASE DB TO ROLE OTHER")
    with pytest.raises(InvalidArgument, match="There is no privilege FROBNICATE"):
        realm.rows(ADMIN, "GRANT FROBNICATE ON ACCOUNT TO ROLE OTHER")


@pytest.mark.parametrize("written", [True, False])
def test_one_privilege_is_taken_from_all_of_them(realm: Realm, written: bool) -> None:
    if written:
        realm.rows(OWNER, "GRANT ALL PRIVILEGES ON TABLE VICTIM TO ROLE OTHER")
    else:
        realm.grant("ALL", "TABLE", "DB.S.VICTIM")
    assert content(realm, OTHER, "VICTIM") == "victim"
    realm.rows(OWNER, "REVOKE SELECT ON TABLE VICTIM FROM ROLE OTHER")
    with pytest.raises(PrivilegeMissing, match="SELECT"):
        content(realm, OTHER, "VICTIM")
    realm.rows(OTHER, "INSERT INTO VICTIM VALUES ('more')")
    held = {grant.privilege for grant in realm.parts.access.grants.on("TABLE", "DB.S.VICTIM")}
    assert held == set(GRANTABLE["TABLE"]) - {"SELECT"}
    realm.rows(OWNER, "REVOKE ALL ON TABLE VICTIM FROM ROLE OTHER")
    assert holders(realm, "DB.S.VICTIM") == []


def test_what_acts_for_its_owner_is_given_only_to_a_role_of_ones_own(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE VIEW V AS SELECT * FROM MINE")
    with pytest.raises(PrivilegeMissing, match="ACCOUNTADMIN"):
        realm.rows(OTHER, "GRANT OWNERSHIP ON VIEW V TO ROLE ACCOUNTADMIN")
    with pytest.raises(PrivilegeMissing, match="MANAGE GRANTS"):
        realm.rows(OTHER, "GRANT OWNERSHIP ON ALL VIEWS IN SCHEMA DB.S TO ROLE OWNER")
    realm.rows(ADMIN, "GRANT OWNERSHIP ON VIEW V TO ROLE OWNER")
    assert owner(realm, "DB.S.V", "VIEW") == OWNER
    realm.rows(OWNER, "GRANT OWNERSHIP ON TABLE VICTIM TO ROLE OTHER")
    with pytest.raises(REFUSED):
        realm.rows(OWNER, "DROP TABLE VICTIM")
    with pytest.raises(InvalidArgument, match="not revoked"):
        realm.rows(OTHER, "REVOKE OWNERSHIP ON TABLE VICTIM FROM ROLE OTHER")


def test_a_new_role_of_an_old_name_has_nothing_of_the_old_one(realm: Realm) -> None:
    realm.grant("SELECT", "TABLE", "DB.S.MINE", to=OWNER)
    realm.rows(ADMIN, "DROP ROLE OWNER")
    realm.rows(ADMIN, "CREATE ROLE OWNER")
    assert owner(realm, "DB.S.VICTIM") == ADMIN
    for text in ("DROP TABLE VICTIM", "SELECT * FROM MINE", "CREATE TABLE N (A INT)"):
        with pytest.raises(REFUSED):
            realm.rows(OWNER, text)


def test_a_role_cannot_be_dropped_while_it_acts(realm: Realm) -> None:
    with pytest.raises(InvalidArgument, match="current role"):
        realm.parts.access.roles.create("SELF", owner="SELF")
        realm.rows("SELF", "DROP ROLE SELF")
    world = realm.world
    world.pool()
    world.deploy()
    with world.catalog.write() as tx:
        tx.update(world.service(), owner=OTHER)
    with pytest.raises(ObjectInUse, match="SVC"):
        realm.rows(ADMIN, "DROP ROLE OTHER")
    with pytest.raises(ObjectInUse, match="SVC"):
        realm.rows(ADMIN, "CREATE OR REPLACE ROLE OTHER")
    assert OTHER in realm.parts.access.roles
    realm.rows(ADMIN, "DROP SERVICE SVC")
    realm.rows(ADMIN, "DROP ROLE OTHER")


PROTECTING = (
    "CREATE TABLE N (A INT) WITH ROW ACCESS POLICY P ON (A)",
    "CREATE TABLE N (A INT) ROW ACCESS POLICY P ON (A)",
    "CREATE TABLE N ROW ACCESS POLICY P ON (A) AS SELECT 1 AS A",
    "CREATE TABLE N (A INT MASKING POLICY P)",
    "CREATE TABLE N (A INT WITH MASKING POLICY P USING (A))",
    "CREATE TABLE N (A INT PROJECTION POLICY P)",
    "CREATE TABLE N (A INT) WITH TAG (G = 'x')",
    "CREATE TABLE N (A INT WITH TAG (G = 'x'))",
    "CREATE TEMPORARY TABLE N (A INT) ROW ACCESS POLICY P ON (A)",
    "CREATE VIEW N WITH ROW ACCESS POLICY P ON (A) AS SELECT 1 AS A",
    "CREATE VIEW N (A MASKING POLICY P) AS SELECT 1 AS A",
    "CREATE VIEW N (A WITH MASKING POLICY P) AS SELECT 1 AS A",
    "CREATE VIEW N WITH TAG (G = 'x') AS SELECT 1 AS A",
    "CREATE OR REPLACE VIEW N ROW ACCESS POLICY P ON (A) AS SELECT 1 AS A",
    "CREATE SEQUENCE N CLONE Q",
    "ALTER TABLE MINE SET TAG G = 'x'",
    "ALTER TABLE MINE SET TAG DB.S.G = 'x', DB.S.H = 'y'",
    "ALTER TABLE MINE UNSET TAG G",
    "ALTER TABLE MINE ADD ROW ACCESS POLICY P ON (A)",
    "ALTER TABLE MINE ALTER COLUMN A SET MASKING POLICY P",
    "GRANT SELECT ON TABLE MINE TO USER PUBLIC",
    "REVOKE SELECT ON TABLE MINE FROM USER PUBLIC",
    "GRANT OWNERSHIP ON TABLE MINE TO USER PUBLIC",
    "GRANT SELECT ON ALL TABLES IN SCHEMA S TO USER PUBLIC",
)


def test_what_would_protect_rows_is_made_or_refused_by_name(realm: Realm) -> None:
    realm.grant("CREATE SCHEMA", "DATABASE", "DB")
    realm.rows(OTHER, "CREATE SEQUENCE Q")
    for text in PROTECTING:
        with pytest.raises(Unsupported, match="Unsupported"):
            realm.rows(OTHER, text)
    assert owner(realm, "DB.S.MINE") == OTHER
    assert not holders(realm, "DB.S.MINE")
    assert [row["name"] for row in realm.rows(ADMIN, "SHOW TABLES IN SCHEMA DB.S")] == [
        "MINE",
        "VICTIM",
    ]
