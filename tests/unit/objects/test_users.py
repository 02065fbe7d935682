"""Users and their tokens, as callers that speak no SQL have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from nunatak.access.credentials.passwords import Passwords
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.objects import Existing
from nunatak.config import Settings
from nunatak.errors import ObjectExists, ObjectNotFound, PrivilegeMissing
from nunatak.objects.users import TokenTerms, UserAccounts
from nunatak.stages.folders import user_folder
from nunatak.warehouse.core.session import Session

ADMIN = "ACCOUNTADMIN"


class World:
    """The administrator ADA, and BOB, whose own stage has a file."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=home)
        self.database = Database.open(settings.catalog_file)
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.access = Access(self.database, settings, passwords=Passwords(hasher))
        self.access.roles.create(ADMIN, owner=ADMIN)
        self.users = UserAccounts(self.access, settings)
        self.ada = Session(id=1, user="ADA", role=ADMIN)
        self.users.create("ADA", {"PASSWORD": "secret of ADA"}, by=self.ada)
        self.access.roles.grant(ADMIN, grantee_kind="USER", grantee="ADA", by="")
        self.users.create("BOB", {"EMAIL": "b@example.org"}, by=self.ada)
        self.stage = settings.folder("stages") / user_folder("BOB")
        self.stage.mkdir()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened = World(tmp_path)
    yield opened
    opened.database.close()


def test_a_user_is_refused_kept_or_replaced(world: World) -> None:
    with pytest.raises(ObjectExists):
        world.users.create("BOB", {}, by=world.ada)
    kept = world.users.create("BOB", {}, by=world.ada, existing=Existing.KEEP)
    before = world.access.users.get("BOB").properties, world.stage.exists()
    made = world.users.create("BOB", {}, by=world.ada, existing=Existing.REPLACE)

    assert (kept.is_kept, made.is_kept) == (True, False)
    assert before == ({"EMAIL": "b@example.org"}, True)
    assert world.access.users.get("BOB").properties == {}
    assert not world.stage.exists()


def test_a_dropped_user_leaves_no_files(world: World) -> None:
    assert world.users.drop("BOB", by=world.ada)

    assert not world.stage.exists()
    assert not world.users.drop("BOB", by=world.ada, if_exists=True)
    with pytest.raises(ObjectNotFound):
        world.users.drop("BOB", by=world.ada)


@pytest.mark.parametrize(
    "act",
    [
        lambda users, by: users.alter("ADA", {"PASSWORD": "another one"}, by=by),
        lambda users, by: users.create("ADA", {}, by=by, existing=Existing.REPLACE),
        lambda users, by: users.drop("ADA", by=by),
        lambda users, by: users.add_token("ADA", "T", by=by, terms=TokenTerms()),
        lambda users, by: users.remove_token("BOB", "T", by=by),
    ],
    ids=["alter", "replace", "drop", "add token", "remove token"],
)
@pytest.mark.parametrize("how", ["opened_by", "restricted_to"])
def test_a_token_makes_no_better_credential(
    world: World, act: Callable[[UserAccounts, Session], object], how: str
) -> None:
    by_token = Session(id=2, user="ADA", role=ADMIN, **{how: ADMIN})  # type: ignore[arg-type]

    with pytest.raises(PrivilegeMissing, match="token"):
        act(world.users, by_token)

    assert world.access.users.get("ADA").has_password
    world.users.alter("ADA", {"EMAIL": "a@example.org"}, by=by_token)


def test_a_token_takes_a_role_in_upper_case_and_ends_when_removed(world: World) -> None:
    terms = TokenTerms(role=ADMIN.lower(), comment="c")

    secret = world.users.add_token("ADA", "T", by=world.ada, terms=terms)
    (token,) = world.access.tokens.access_of("ADA")
    world.users.remove_token("ADA", "T", by=world.ada)

    assert secret
    assert (token.name, token.role, token.comment) == ("T", ADMIN, "c")
    assert world.access.tokens.access_of("ADA") == []
    with pytest.raises(ObjectNotFound):
        world.users.add_token("NOBODY", "T", by=world.ada, terms=terms)
