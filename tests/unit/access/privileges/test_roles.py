"""Roles, their hierarchy, and grants of them."""

from __future__ import annotations

import pytest

from nunatak.access.authenticate import Identity
from nunatak.access.privileges.roles import ROLE, USER
from nunatak.access.service import Access
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound


def test_accountadmin_inherits_the_system_roles(access: Access) -> None:
    assert access.roles.effective("ACCOUNTADMIN") == {
        "ACCOUNTADMIN", "SECURITYADMIN", "USERADMIN", "SYSADMIN", "PUBLIC",
    }  # fmt: skip


def test_everybody_holds_public(access: Access) -> None:
    access.users.create("NEW", owner="ACCOUNTADMIN")

    assert access.roles_of(Identity("NEW")) == {"PUBLIC"}


def test_nobody_holds_nothing(access: Access) -> None:
    access.users.create("OFF", owner="ACCOUNTADMIN", settings={"DISABLED": True})

    assert access.roles_of(Identity("OFF")) == access.roles_of(Identity("NOBODY")) == frozenset()


def test_a_granted_role_is_held_at_once_and_until_it_is_revoked(access: Access) -> None:
    access.roles.create("R", owner="ACCOUNTADMIN")
    assert "R" not in access.roles_of(Identity("ADMIN"))

    access.roles.grant("R", grantee_kind=ROLE, grantee="SYSADMIN", by="ACCOUNTADMIN")
    assert "R" in access.roles_of(Identity("ADMIN"))

    access.roles.revoke("R", grantee_kind=ROLE, grantee="SYSADMIN")
    assert "R" not in access.roles_of(Identity("ADMIN"))


def test_a_role_cannot_inherit_itself(access: Access) -> None:
    for role in ("A", "B"):
        access.roles.create(role, owner="ACCOUNTADMIN")
    access.roles.grant("A", grantee_kind=ROLE, grantee="B", by="")

    with pytest.raises(InvalidArgument, match="inherits"):
        access.roles.grant("B", grantee_kind=ROLE, grantee="A", by="")
    with pytest.raises(InvalidArgument, match="inherits"):
        access.roles.grant("A", grantee_kind=ROLE, grantee="A", by="")


def test_granting_twice_changes_nothing(access: Access) -> None:
    access.roles.grant("SYSADMIN", grantee_kind=USER, grantee="ADMIN", by="X")
    access.roles.grant("SYSADMIN", grantee_kind=USER, grantee="ADMIN", by="Y")

    given = [grant for grant in access.roles.grants_of("SYSADMIN") if grant.grantee_kind == USER]
    assert [grant.granted_by for grant in given] == ["X"]


def test_a_dropped_role_is_held_by_nobody(access: Access) -> None:
    access.roles.create("R", owner="ACCOUNTADMIN")
    access.roles.grant("R", grantee_kind=USER, grantee="ADMIN", by="")
    access.grants.grant(["READ"], "MODEL", "DB.S.M", role="R", by="")

    access.roles.drop("R", heir="ACCOUNTADMIN")

    assert "R" not in access.roles_of(Identity("ADMIN"))
    assert access.grants.on("MODEL", "DB.S.M") == []


def test_system_roles_stay(access: Access) -> None:
    with pytest.raises(InvalidArgument, match="belongs to the system"):
        access.roles.drop("SYSADMIN", heir="ACCOUNTADMIN")


def test_unknown_parties_are_refused(access: Access) -> None:
    with pytest.raises(ObjectNotFound, match="Role 'X'"):
        access.roles.grant("X", grantee_kind=USER, grantee="ADMIN", by="")
    with pytest.raises(ObjectNotFound, match="User 'X'"):
        access.roles.grant("SYSADMIN", grantee_kind=USER, grantee="X", by="")
    with pytest.raises(ObjectNotFound, match="Role 'X'"):
        access.roles.grant("SYSADMIN", grantee_kind=ROLE, grantee="X", by="")
    with pytest.raises(ObjectExists):
        access.roles.create("SYSADMIN", owner="")


def test_what_a_dropped_role_owned_goes_to_who_drops_it(access: Access) -> None:
    access.roles.create("R", owner="ACCOUNTADMIN")
    access.roles.create("OF_R", owner="R")
    access.users.create("U", owner="R")

    access.roles.drop("R", heir="SECURITYADMIN")
    access.roles.create("R", owner="ACCOUNTADMIN")

    assert access.grants.owner_of("ROLE", "OF_R") == "SECURITYADMIN"
    assert access.grants.owner_of("USER", "U") == "SECURITYADMIN"


def test_grants_on_a_role_or_user_end_with_it(access: Access) -> None:
    access.roles.create("It's R", owner="ACCOUNTADMIN")
    access.users.create("A b", owner="ACCOUNTADMIN")
    access.grants.grant(["MONITOR"], "ROLE", '"It\'s R"', role="PUBLIC", by="")
    access.grants.grant(["MONITOR"], "USER", '"A b"', role="PUBLIC", by="")

    access.roles.drop("It's R", heir="ACCOUNTADMIN")
    access.administration.drop_user("A b")

    assert access.grants.to("PUBLIC") == []


@pytest.mark.parametrize(("kind", "name"), [("USER", "U"), ("ROLE", "R")])
def test_users_and_roles_have_owners_who_may_hand_them_on(
    access: Access, kind: str, name: str
) -> None:
    access.roles.create("R", owner="SECURITYADMIN")
    access.users.create("U", owner="SECURITYADMIN")
    assert access.grants.owner_of(kind, name) == "SECURITYADMIN"

    access.grants.grant(["OWNERSHIP"], kind, name, role="SYSADMIN", by="SECURITYADMIN")

    assert access.grants.owner_of(kind, name) == "SYSADMIN"
