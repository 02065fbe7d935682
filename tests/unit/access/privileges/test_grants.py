"""Grants on objects, owners, and the decision on what is stored."""

from __future__ import annotations

import pytest

from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.access.privileges.roles import ROLE
from nunatak.access.service import Access
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import ObjectNotFound, PrivilegeMissing
from support.granting import take
from support.places import let_use
from support.services import create_service

MODEL = Key("MODEL", "M", "DB", "S")


@pytest.fixture(autouse=True)
def objects(catalog: Catalog, access: Access) -> None:
    """A database, a schema and a model, each with an owner of its own, and a role R."""
    for role in ("R", "DBOWNER", "SCHEMAOWNER", "MODELOWNER"):
        access.roles.create(role, owner="ACCOUNTADMIN")
    with catalog.write() as tx:
        tx.create(Key("DATABASE", "DB"), owner="DBOWNER")
        tx.create(Key("SCHEMA", "S", "DB"), owner="SCHEMAOWNER")
        tx.create(MODEL, owner="MODELOWNER")
    let_use(access, "DB", "DB.S")


def test_a_role_needs_the_privilege_it_was_granted(access: Access) -> None:
    requirement = Requirement("READ", "MODEL", "DB.S.M")
    with pytest.raises(ObjectNotFound, match=r"DB\.S\.M"):
        access.require(requirement, role="R")
    access.grants.grant(["USAGE"], "MODEL", "DB.S.M", role="R", by="MODELOWNER")
    with pytest.raises(PrivilegeMissing, match="READ is needed"):
        access.require(requirement, role="R")

    access.grants.grant(["READ", "USAGE"], "MODEL", "DB.S.M", role="R", by="MODELOWNER")
    access.require(requirement, role="R")

    take(access, ["READ"], "MODEL", "DB.S.M", "R")
    assert not access.allows("R", requirement)
    assert access.allows("R", Requirement("USAGE", "MODEL", "DB.S.M"))


def test_revoking_all_takes_every_privilege(access: Access) -> None:
    access.grants.grant(["READ", "USAGE"], "MODEL", "DB.S.M", role="R", by="")

    take(access, ["ALL"], "MODEL", "DB.S.M", "R")

    assert access.grants.to("R") == []


def test_grants_of_an_inherited_role_count(access: Access) -> None:
    access.grants.grant(["READ"], "MODEL", "DB.S.M", role="R", by="")
    access.roles.grant("R", grantee_kind=ROLE, grantee="SYSADMIN", by="")

    assert access.allows("SYSADMIN", Requirement("READ", "MODEL", "DB.S.M"))


def test_granting_ownership_moves_the_object(access: Access) -> None:
    access.grants.grant([OWNERSHIP], "MODEL", "DB.S.M", role="R", by="MODELOWNER")

    assert access.grants.owner_of("MODEL", "DB.S.M") == "R"
    assert not access.allows("MODELOWNER", Requirement("READ", "MODEL", "DB.S.M"))


def test_what_the_catalog_does_not_list_belongs_to_its_schemas_owner(access: Access) -> None:
    assert access.grants.owner_of("TABLE", "DB.S.T") == "SCHEMAOWNER"
    assert access.grants.owner_of("TABLE", "DB.OTHER.T") == "DBOWNER"
    assert access.grants.owner_of("TABLE", "NODB.S.T") is None


def test_a_services_role_belongs_to_the_services_owner(access: Access, catalog: Catalog) -> None:
    with catalog.write() as tx:
        create_service(tx, Key("SERVICE", "SVC", "DB", "S"), owner="R")

    assert access.grants.owner_of("SERVICE_ROLE", "DB.S.SVC!ALL_ENDPOINTS_USAGE") == "R"


def test_system_roles_hold_their_account_privileges(access: Access) -> None:
    create_user = Requirement("CREATE USER", "ACCOUNT", "NUNATAK")

    assert access.allows("USERADMIN", create_user)
    assert access.allows("SECURITYADMIN", create_user)
    assert not access.allows("SYSADMIN", create_user)
    assert access.allows("SYSADMIN", Requirement("CREATE DATABASE", "ACCOUNT", "NUNATAK"))


def test_grants_of_a_services_roles_go_with_the_service(access: Access, catalog: Catalog) -> None:
    key = Key("SERVICE", "SVC", "DB", "S")
    with catalog.write() as tx:
        create_service(tx, key, owner="R")
        create_service(tx, Key("SERVICE", "SVC2", "DB", "S"), owner="R")
    for name in ("SVC", "SVC2"):
        title = f"DB.S.{name}!ALL_ENDPOINTS_USAGE"
        access.grants.grant(["USAGE"], "SERVICE_ROLE", title, role="MODELOWNER", by="R")

    with catalog.write() as tx:
        tx.delete(tx.get(key))

    kept = [grant.object_name for grant in access.grants.to("MODELOWNER")]
    assert kept == ["DB.S.SVC2!ALL_ENDPOINTS_USAGE"]


def test_nothing_is_granted_to_a_role_that_is_not_there(access: Access) -> None:
    for privileges in (["READ"], [OWNERSHIP]):
        with pytest.raises(ObjectNotFound, match="Role 'NOPE'"):
            access.grants.grant(privileges, "MODEL", "DB.S.M", role="NOPE", by="")
