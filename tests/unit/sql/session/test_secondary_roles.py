"""Secondary roles: what they give, to whom, and when they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import ObjectNotFound, PlaceNotFound, PrivilegeMissing, RoleNotHeld
from support.realm import ADMIN, OTHER, OWNER, Realm, open_realm

REFUSED = (PrivilegeMissing, ObjectNotFound)
MORE = "MORE"


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """The user of OTHER holds MORE too, which may read OWNER's table T and create in DB.S."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_realm(tmp_path) as opened:
        access = opened.parts.access
        access.roles.create(MORE, owner=ADMIN)
        opened.session(OTHER)
        access.roles.grant(MORE, grantee_kind="USER", grantee="OTHER_USER", by="")
        opened.grant("CREATE TABLE", "SCHEMA", "DB.S", to=OWNER)
        opened.rows(OWNER, "CREATE TABLE T AS SELECT 1 AS A")
        opened.grant("SELECT", "TABLE", "DB.S.T", to=MORE)
        opened.grant("CREATE TABLE", "SCHEMA", "DB.S", to=MORE)
        opened.grant("USAGE", "SCHEMA", "DB.S")
        opened.grant("USAGE", "DATABASE", "DB")
        yield opened


def reads(realm: Realm, role: str = OTHER) -> bool:
    try:
        realm.rows(role, "SELECT * FROM T")
    except REFUSED:
        return False
    return True


def told(realm: Realm) -> dict[str, str]:
    (row,) = realm.rows(OTHER, "SELECT CURRENT_SECONDARY_ROLES() AS R")
    found: dict[str, str] = json.loads(row["R"])
    return found


def test_a_session_begins_without_them(realm: Realm) -> None:
    assert not reads(realm)
    assert told(realm) == {"roles": "", "value": ""}


@pytest.mark.parametrize("words", ["ALL", "MORE", "more, OTHER"])
def test_they_give_every_privilege_but_to_create(realm: Realm, words: str) -> None:
    realm.rows(OTHER, f"USE SECONDARY ROLES {words}")
    assert reads(realm)
    with pytest.raises(PrivilegeMissing, match="CREATE TABLE"):
        realm.rows(OTHER, "CREATE TABLE N (A INT)")
    realm.grant("CREATE TABLE", "SCHEMA", "DB.S")
    realm.rows(OTHER, "CREATE TABLE N AS SELECT * FROM T")
    assert realm.parts.access.owner_of("TABLE", "DB.S.N") == OTHER
    realm.rows(OTHER, "USE SECONDARY ROLES NONE")
    assert not reads(realm)


def test_what_they_own_can_be_changed_and_granted(realm: Realm) -> None:
    realm.rows(ADMIN, "GRANT OWNERSHIP ON TABLE T TO ROLE MORE REVOKE CURRENT GRANTS")
    with pytest.raises(REFUSED):
        realm.rows(OTHER, "GRANT SELECT ON TABLE T TO ROLE PUBLIC")
    realm.rows(OTHER, "USE SECONDARY ROLES ALL")
    realm.rows(OTHER, "INSERT INTO T VALUES (2)")
    realm.rows(OTHER, "GRANT SELECT ON TABLE T TO ROLE PUBLIC")
    (grant,) = realm.parts.access.grants.on("TABLE", "DB.S.T")
    assert (grant.role, grant.granted_by) == ("PUBLIC", MORE)
    realm.rows(OTHER, "DROP TABLE T")


def test_they_are_those_that_the_user_holds_at_each_statement(realm: Realm) -> None:
    roles = realm.parts.access.roles
    realm.rows(OTHER, "USE SECONDARY ROLES MORE")
    assert told(realm) == {"roles": "MORE", "value": "MORE"}
    roles.revoke(MORE, grantee_kind="USER", grantee="OTHER_USER")
    assert not reads(realm)
    assert told(realm)["roles"] == ""
    roles.grant(MORE, grantee_kind="USER", grantee="OTHER_USER", by="")
    assert reads(realm)
    realm.rows(OTHER, "USE SECONDARY ROLES ALL")
    assert told(realm)["value"] == "ALL"
    realm.parts.access.administration.drop_role(MORE, heir=ADMIN)
    assert not reads(realm)


def test_only_roles_of_the_user_are_taken(realm: Realm) -> None:
    with pytest.raises(RoleNotHeld):
        realm.rows(OTHER, "USE SECONDARY ROLES OWNER")
    with pytest.raises(PlaceNotFound):
        realm.rows(OTHER, "USE SECONDARY ROLES MORE, NOBODY")
    assert not reads(realm)


def test_a_token_that_is_restricted_to_a_role_has_none(realm: Realm) -> None:
    realm.session(OTHER).more_roles = None
    assert reads(realm)
    realm.session(OTHER).restricted_to = OTHER
    assert not reads(realm)
    with pytest.raises(RoleNotHeld):
        realm.rows(OTHER, "USE SECONDARY ROLES ALL")
    with pytest.raises(RoleNotHeld):
        realm.rows(OTHER, "USE SECONDARY ROLES MORE")


def test_a_view_reads_with_its_owners_role_alone(realm: Realm) -> None:
    for kind in ("TABLE", "VIEW"):
        realm.grant(f"CREATE {kind}", "SCHEMA", "DB.S")
    realm.rows(OTHER, "USE SECONDARY ROLES ALL")
    realm.rows(OTHER, "CREATE VIEW V AS SELECT * FROM T")
    with pytest.raises(REFUSED, match="rights of its owner OTHER"):
        realm.rows(OTHER, "SELECT * FROM V")


@pytest.mark.parametrize(("written", "has_all"), [("('ALL')", True), ("()", False)])
def test_a_user_may_begin_with_all(realm: Realm, written: str, has_all: bool) -> None:
    realm.rows(ADMIN, f"CREATE USER EVE DEFAULT_SECONDARY_ROLES = {written}")
    users = realm.parts.access.users
    assert users.get("EVE").has_all_roles is has_all
    shown = {row["property"]: row["value"] for row in realm.rows(ADMIN, "DESCRIBE USER EVE")}
    assert shown.get("DEFAULT_SECONDARY_ROLES") == ('["ALL"]' if has_all else None)
    realm.rows(ADMIN, "ALTER USER EVE SET DEFAULT_SECONDARY_ROLES = ('ALL')")
    assert users.get("EVE").has_all_roles
    realm.rows(ADMIN, "ALTER USER EVE SET DEFAULT_SECONDARY_ROLES = ()")
    assert not users.get("EVE").has_all_roles
