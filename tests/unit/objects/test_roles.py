"""Roles and what is granted to them, as callers that speak no SQL have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.access.privileges.grants import CurrentGrants, Taking
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import Existing
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.errors import InvalidArgument, ObjectExists, ObjectInUse, ObjectNotFound
from nunatak.objects.granting.granting import Granting
from nunatak.objects.roles import RoleAccounts, RoleCounts
from nunatak.services.model.spec import KIND as SERVICE
from support.granting import ADMINISTRATOR, AnyHeir
from support.services import create_service

ADMIN = "ACCOUNTADMIN"
SVC = QualifiedName("DB", "S", "SVC")


class World:
    """A role R that owns the service DB.S.SVC, and one named Q."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=home)
        self.catalog = Catalog(Database.open(settings.catalog_file))
        self.access = Access(self.catalog.database, settings)
        self.access.roles.create(ADMIN, owner=ADMIN)
        self.roles = RoleAccounts(self.catalog, self.access)
        self.granting = Granting(self.access, AnyHeir())
        for name in ("R", "Q"):
            self.roles.create(name, by_role=ADMIN)
        with self.catalog.write() as tx:
            tx.create(Key("DATABASE", "DB"), ADMIN)
            tx.create(Key("SCHEMA", "S", "DB"), ADMIN)
            create_service(tx, Key.of(SERVICE, SVC), owner="R")

    def granted(self, kind: str, title: str) -> list[tuple[str, str]]:
        return [(grant.privilege, grant.role) for grant in self.access.grants.on(kind, title)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened = World(tmp_path)
    yield opened
    opened.catalog.close()


def test_a_role_is_refused_kept_or_replaced(world: World) -> None:
    before = world.access.roles.identity("Q")
    with pytest.raises(ObjectExists):
        world.roles.create("Q", by_role=ADMIN)
    assert world.roles.create("Q", by_role=ADMIN, existing=Existing.KEEP).is_kept
    assert world.access.roles.identity("Q") == before

    assert not world.roles.create("Q", by_role=ADMIN, existing=Existing.REPLACE).is_kept
    assert world.access.roles.identity("Q") != before


@pytest.mark.parametrize("act", ["drop", "replace"])
def test_a_role_stays_while_services_act_with_its_rights(world: World, act: str) -> None:
    with pytest.raises(ObjectInUse, match="SVC"):
        if act == "drop":
            world.roles.drop("R", by_role=ADMIN)
        else:
            world.roles.create("R", by_role=ADMIN, existing=Existing.REPLACE)

    assert "R" in world.access.roles


def test_nobody_drops_the_role_that_they_act_with(world: World) -> None:
    with pytest.raises(InvalidArgument, match="current role"):
        world.roles.drop("Q", by_role="Q")

    assert world.roles.drop("Q", by_role=ADMIN)
    assert not world.roles.drop("Q", by_role=ADMIN, if_exists=True)
    with pytest.raises(ObjectNotFound):
        world.roles.drop("Q", by_role=ADMIN)


def test_privileges_are_given_on_all_objects_of_a_schema(world: World) -> None:
    titles = world.roles.titles_within(SERVICE, Key("SCHEMA", "S", "DB"))

    assert titles == world.roles.titles_within(SERVICE, Key("DATABASE", "DB")) == ["DB.S.SVC"]
    world.granting.grant(("USAGE",), SERVICE, titles, role="Q", by=ADMINISTRATOR)
    assert world.granted(SERVICE, "DB.S.SVC") == [("USAGE", "Q")]
    world.granting.revoke(("ALL",), SERVICE, titles, role="Q", by=ADMINISTRATOR, taking=Taking())
    assert world.granted(SERVICE, "DB.S.SVC") == []
    with pytest.raises(ObjectNotFound):
        world.roles.titles_within(SERVICE, Key("SCHEMA", "GONE", "DB"))


def test_ownership_has_rules(world: World) -> None:
    def move(kind: str, title: str, to: str) -> None:
        world.granting.transfer(
            kind, [title], role=to, by=ADMINISTRATOR, current=CurrentGrants.REFUSE
        )

    move(SERVICE, "DB.S.SVC", "Q")
    assert world.access.owner_of(SERVICE, "DB.S.SVC") == "Q"
    with pytest.raises(InvalidArgument, match="not revoked"):
        world.granting.revoke(
            (OWNERSHIP,), "SCHEMA", ["DB.S"], role="Q", by=ADMINISTRATOR, taking=Taking()
        )
    with pytest.raises(ObjectNotFound):
        move("SCHEMA", "DB.S", "NOBODY")


def test_roles_of_services_are_given_by_their_name(world: World) -> None:
    title = world.roles.service_role(SVC, "ALL_ENDPOINTS_USAGE")
    assert title == "DB.S.SVC!ALL_ENDPOINTS_USAGE"
    world.granting.grant(("USAGE",), "SERVICE_ROLE", [title], role="Q", by=ADMINISTRATOR)

    assert world.granted("SERVICE_ROLE", title) == [("USAGE", "Q")]
    with pytest.raises(ObjectNotFound, match="Every service has"):
        world.roles.service_role(SVC, "OTHER")
    with pytest.raises(ObjectNotFound):
        world.roles.service_role(SVC.sibling("GONE"), "ALL_ENDPOINTS_USAGE")


def test_a_role_is_listed_with_who_holds_it_and_what_it_holds(world: World) -> None:
    world.access.users.create("BOB", owner=ADMIN)
    world.access.roles.grant("Q", grantee_kind="USER", grantee="BOB", by=ADMIN)
    world.access.roles.grant("Q", grantee_kind="ROLE", grantee="R", by=ADMIN)

    assert [role.name for role in world.roles.listed()] == [ADMIN, "Q", "R"]
    assert world.roles.listed(database="DB") == ()
    assert world.roles.get(Key("ROLE", "Q")).owner == ADMIN
    with pytest.raises(ObjectNotFound):
        world.roles.get(Key("ROLE", "ABSENT"))
    assert world.roles.counts("Q") == RoleCounts(users=1, roles=1, granted=0)
    assert world.roles.counts("R") == RoleCounts(users=0, roles=0, granted=1)
    assert world.roles.inherits("R", "Q")
    assert not world.roles.inherits("Q", "R")
