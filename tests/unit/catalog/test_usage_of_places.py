"""Homes of earlier versions keep every role working that needs a way to its objects now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.migrations.m0005_usage_of_places import give_usage
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.models.versions import MODEL
from nunatak.services.model.spec import KIND as SERVICE
from support.homes import kept_homes, unpack

Held = tuple[str, str, str]


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    """An account in which roles own and hold things without a way to them."""
    database = Database.open(tmp_path / "catalog.sqlite")
    made = Access(database, Settings(home=tmp_path))
    for role in ("ACCOUNTADMIN", "PUBLIC", "OWNER", "READER", "USER", "OTHER"):
        made.roles.create(role, owner="")
    with Catalog(database).write() as tx:
        for key, owner in (
            (Key("DATABASE", "NUNATAK"), "ACCOUNTADMIN"),
            (Key("SCHEMA", "PUBLIC", "NUNATAK"), "ACCOUNTADMIN"),
            (Key("WAREHOUSE", "WH"), "ACCOUNTADMIN"),
            (Key("DATABASE", "d.x"), "ACCOUNTADMIN"),
            (Key("SCHEMA", "S", "d.x"), "USER"),
            (Key("TABLE", "T", "d.x", "S"), "OWNER"),
        ):
            tx.create(key, owner)
    made.grants.grant(["SELECT"], "TABLE", '"d.x".S.T', role="READER", by="OWNER")
    made.grants.grant(["USAGE"], "SERVICE_ROLE", '"d.x".S."a!b"!R', role="USER", by="OWNER")
    made.grants.grant(["CREATE DATABASE"], "ACCOUNT", "a.b.c", role="OTHER", by="")
    made.grants.grant(["SELECT"], "TABLE", "GONE.S.T", role="OTHER", by="")
    yield made
    database.close()


def held(access: Access, role: str) -> set[Held]:
    return {(item.privilege, item.kind, item.object_name) for item in access.grants.to(role)}


def migrate(access: Access, folder: Path) -> None:
    database = Database.open(folder / "catalog.sqlite")
    with database.write() as connection:
        give_usage(connection)
    database.close()


def test_each_role_gets_the_way_to_what_it_owns_or_holds(access: Access, tmp_path: Path) -> None:
    before = {role: held(access, role) for role in ("ACCOUNTADMIN", "OTHER")}
    migrate(access, tmp_path)

    database, schema = ("USAGE", "DATABASE", '"d.x"'), ("USAGE", "SCHEMA", '"d.x".S')
    assert held(access, "OWNER") == {database, schema}
    assert {database, schema} < held(access, "READER")
    assert database in held(access, "USER")
    assert schema not in held(access, "USER"), "it owns the schema"
    assert held(access, "PUBLIC") == {
        ("USAGE", "DATABASE", "NUNATAK"),
        ("USAGE", "SCHEMA", "NUNATAK.PUBLIC"),
        ("USAGE", "WAREHOUSE", "WH"),
    }
    assert before == {role: held(access, role) for role in before}, "nothing that is gone"


def test_doing_it_again_changes_nothing(access: Access, tmp_path: Path) -> None:
    migrate(access, tmp_path)
    once = {role.name: access.grants.to(role.name) for role in access.roles.list_all()}
    migrate(access, tmp_path)
    assert once == {role.name: access.grants.to(role.name) for role in access.roles.list_all()}


@pytest.mark.parametrize("kept", kept_homes(), ids=lambda kept: kept.name)
def test_a_kept_home_loses_no_grant(kept: Path, tmp_path: Path) -> None:
    home = unpack(kept, tmp_path / "home")
    database = Database.open(home / "catalog.sqlite")
    access = Access(database, Settings(home=home))

    for role in access.roles.list_all():
        for grant in access.grants.to(role.name):
            needed = Requirement(grant.privilege, grant.kind, grant.object_name)
            assert access.allows(role.name, needed), grant
    with Catalog(database).read() as tx:
        for kind in ("TABLE", "VIEW", "STAGE", MODEL, SERVICE):
            for record in tx.list_kind(kind):
                seen = Requirement(ANY, kind, record.key.title)
                assert access.allows(record.owner, seen), record.key
    database.close()
