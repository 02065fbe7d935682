"""Kinds of objects with rules about properties."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog.engine import Database
from nunatak.catalog.kinds import WarehouseSpec
from nunatak.catalog.objects import Existing
from nunatak.catalog.store import Catalog, Key, Transaction
from nunatak.errors import InvalidArgument, ObjectInUse, ObjectNotFound
from nunatak.objects.ruled import RuledObjects, Values

THING = Key("WAREHOUSE", "W")


class Counting:
    """Rules that add numbers up, take no negative one, and keep what has ten."""

    kind = THING.kind
    structure = WarehouseSpec

    def spec(self, _: Transaction, values: Values, old: WarehouseSpec | None) -> WarehouseSpec:
        if values["N"] < 0:
            raise InvalidArgument("negative")
        before = 0 if old is None else old.auto_suspend or 0
        return WarehouseSpec(auto_suspend=values["N"] + before)

    def check(self, tx: Transaction, key: Key, spec: WarehouseSpec | None) -> None:
        found = tx.find(key)
        if spec is None and found is not None and WarehouseSpec.read(found.spec).auto_suspend == 10:
            raise ObjectInUse("ten")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(Database.open(tmp_path / "catalog.sqlite"))
    yield opened
    opened.close()


def spec(catalog: Catalog) -> WarehouseSpec | None:
    with catalog.read() as tx:
        found = tx.find(THING)
    return None if found is None else WarehouseSpec.read(found.spec)


def test_rules_make_the_specification_and_changes_are_told(catalog: Catalog) -> None:
    told: list[object] = []
    things = RuledObjects(catalog, Counting(), announce=lambda: told.append(spec(catalog)))

    things.create(THING, "R", {"N": 1})
    things.create(THING, "R", {"N": 5}, existing=Existing.KEEP)
    things.alter(THING, {"N": 2})
    things.drop(THING)

    first, second = WarehouseSpec(auto_suspend=1), WarehouseSpec(auto_suspend=3)
    assert told == [first, first, second, None]


def test_what_rules_refuse_leaves_all_as_it_was(catalog: Catalog) -> None:
    told: list[object] = []
    things = RuledObjects(catalog, Counting(), announce=lambda: told.append(1))
    things.create(THING, "R", {"N": 10})

    with pytest.raises(InvalidArgument):
        things.create(THING, "R", {"N": -1}, existing=Existing.REPLACE)
    with pytest.raises(InvalidArgument):
        things.alter(THING, {"N": -1})
    with pytest.raises(ObjectInUse):
        things.drop(THING)

    assert spec(catalog) == WarehouseSpec(auto_suspend=10)
    assert told == [1]


def test_what_is_not_there_is_an_error_unless_it_need_not_be(catalog: Catalog) -> None:
    things = RuledObjects(catalog, Counting())

    with pytest.raises(ObjectNotFound):
        things.alter(THING, {"N": 1})
    with pytest.raises(ObjectNotFound):
        things.drop(THING)
    things.alter(THING, {"N": 1}, if_exists=True)
    assert not things.drop(THING, if_exists=True)
