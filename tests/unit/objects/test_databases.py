"""Databases and schemas, as callers that speak no SQL have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog.engine import Database
from nunatak.catalog.kinds import NamespaceSpec
from nunatak.catalog.objects import Existing
from nunatak.catalog.store import Catalog, Key, Transaction
from nunatak.config import Settings
from nunatak.errors import ObjectExists, ObjectInUse, ObjectNotFound, PlaceNotFound
from nunatak.objects.databases import DATABASE, SCHEMA, Databases, Schemas
from nunatak.stages.folders import STAGE
from nunatak.warehouse.engine.damage import Damage
from nunatak.warehouse.engine.file_hold import FileHold

D, S = Key(DATABASE, "D"), Key(SCHEMA, "S", "D")


class Connection:
    """A connection that does nothing."""

    def execute(self, sql: str, /) -> None:
        pass

    def close(self) -> None:
        pass


class Files:
    """The databases of an engine that only counts."""

    def __init__(self) -> None:
        self.schemas: dict[str, set[str]] = {}
        self.damage = Damage()
        self.hold = FileHold(lambda: list(self.schemas), Connection)

    def create_database(self, name: str, *, or_replace: bool = False) -> None:
        if or_replace or name not in self.schemas:
            self.schemas[name] = {"PUBLIC"}

    def drop_database(self, name: str) -> None:
        del self.schemas[name]

    def create_schema(self, database: str, name: str) -> None:
        self.schemas[database].add(name)

    def drop_schema(self, database: str, name: str) -> None:
        self.schemas[database].discard(name)


class Models:
    """Models of which some are used."""

    used = False

    def check_droppable_within(
        self, transaction: Transaction, *, database: str, schema: str | None = None
    ) -> None:
        if self.used:
            raise ObjectInUse(f"{database}.{schema}")


class World:
    """Databases over a catalog, with a stage in D.S that has a file."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.catalog = Catalog(Database.open(self.settings.catalog_file))
        self.files, self.models = Files(), Models()
        self.databases = Databases(self.catalog, self.files, self.models, self.settings)
        self.schemas = Schemas(self.catalog, self.files, self.models, self.settings)
        self.databases.create(Key(DATABASE, "D"), "R", {})
        self.databases.create(S, "R", {})
        with self.catalog.write() as tx:
            tx.create(Key(STAGE, "ST", "D", "S"), "R", spec={"id": "folder"})
        self.folder = self.settings.folder("stages") / "folder"
        self.folder.mkdir()

    def names(self) -> set[str]:
        with self.catalog.read() as tx:
            kinds = (DATABASE, SCHEMA, STAGE)
            return {record.key.title for kind in kinds for record in tx.list_kind(kind)}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened = World(tmp_path)
    yield opened
    opened.catalog.close()


def test_a_database_comes_with_its_schema(world: World) -> None:
    assert world.names() == {"D", "D.PUBLIC", "D.S", "D.S.ST"}
    assert world.files.schemas == {"D": {"PUBLIC", "S"}}


@pytest.mark.parametrize("key", [D, S], ids=["database", "schema"])
def test_what_is_replaced_goes_with_all_that_it_holds(world: World, key: Key) -> None:
    def create(existing: Existing) -> bool:
        if key.kind == DATABASE:
            return world.databases.create(Key(DATABASE, "D"), "R", {}, existing=existing).is_kept
        return world.databases.create(key, "R", {}, existing=existing).is_kept

    with pytest.raises(ObjectExists):
        create(Existing.REFUSE)
    assert create(Existing.KEEP)
    assert world.folder.exists()
    assert not create(Existing.REPLACE)

    assert "D.S.ST" not in world.names()
    assert key.title in world.names()
    assert not world.folder.exists()


@pytest.mark.parametrize(("key", "left"), [(D, set()), (S, {"D", "D.PUBLIC"})])
def test_what_is_dropped_goes_with_all_that_it_holds(
    world: World, key: Key, left: set[str]
) -> None:
    assert world.databases.drop(key)

    assert world.names() == left
    assert not world.folder.exists()
    assert not world.databases.drop(key, if_exists=True)
    with pytest.raises(ObjectNotFound):
        world.databases.drop(key)


@pytest.mark.parametrize("key", [D, S], ids=["database", "schema"])
def test_models_that_are_used_elsewhere_keep_their_place(world: World, key: Key) -> None:
    world.models.used = True
    before = world.names()

    with pytest.raises(ObjectInUse):
        world.databases.drop(key)

    assert world.names() == before
    assert world.folder.exists()
    assert world.files.schemas == {"D": {"PUBLIC", "S"}}


def test_settings_add_up(world: World) -> None:
    world.databases.alter(S, {"DATA_RETENTION_TIME_IN_DAYS": 1}, comment="c")
    world.databases.alter(S, {"DEFAULT_DDL_COLLATION": "de"})

    with world.catalog.read() as tx:
        record = tx.get(S)
    assert NamespaceSpec.read(record.spec) == NamespaceSpec(
        data_retention_time_in_days=1, default_ddl_collation="de"
    )
    assert record.comment == "c"


def test_a_schema_needs_its_database(world: World) -> None:
    with pytest.raises(ObjectNotFound):
        world.databases.create(Key(SCHEMA, "S", "GONE"), "R", {})


def test_schemas_are_listed_with_what_they_have_from_their_database(world: World) -> None:
    world.databases.create(Key(DATABASE, "B"), "R", {"DATA_RETENTION_TIME_IN_DAYS": 7})
    world.schemas.create(Key(SCHEMA, "Z", "B"), "R", {"DATA_RETENTION_TIME_IN_DAYS": 0})

    listed = world.schemas.listed()

    assert [record.key.title for record in listed] == [
        "B.INFORMATION_SCHEMA",
        "B.PUBLIC",
        "B.Z",
        "D.INFORMATION_SCHEMA",
        "D.PUBLIC",
        "D.S",
    ]
    kept = [NamespaceSpec.read(record.spec).data_retention_time_in_days for record in listed]
    assert kept == [None, 7, 0, None, None, None]
    assert world.schemas.listed(database="B") == listed[:3]
    assert world.schemas.listed(database="B", schema="Z") == ()
    with pytest.raises(PlaceNotFound):
        world.schemas.listed(database="GONE")


@pytest.mark.parametrize("key", [D, Key(DATABASE, "E"), S], ids=["held", "new", "schema"])
def test_a_database_that_is_copied_stays_and_all_else_goes_on(world: World, key: Key) -> None:
    with world.files.hold.held():
        if key.name == "E":
            world.databases.create(key, "R", {})
            assert world.databases.drop(key)
        elif key == S:
            assert world.databases.drop(key)
        else:
            before = world.names()
            with pytest.raises(ObjectInUse, match="Database D is being backed up"):
                world.databases.drop(key)
            assert world.names() == before
            assert world.folder.exists()
    assert world.databases.drop(key, if_exists=True) is (key.name == "D")
