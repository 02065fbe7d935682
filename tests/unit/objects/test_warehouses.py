"""Warehouses, as callers that speak no SQL have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog.engine import Database
from nunatak.catalog.kinds import WarehouseSpec
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.errors import ObjectNotFound
from nunatak.objects.warehouses import STARTED, SUSPENDED, WAREHOUSE, Warehouses


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(Database.open(tmp_path / "catalog.sqlite"))
    yield opened
    opened.close()


def read(catalog: Catalog) -> Record:
    with catalog.read() as tx:
        return tx.get(Key(WAREHOUSE, "W"))


@pytest.mark.parametrize(("is_suspended", "state"), [(False, STARTED), (True, SUSPENDED)])
def test_a_warehouse_begins_with_defaults(
    catalog: Catalog, *, is_suspended: bool, state: str
) -> None:
    Warehouses(catalog).create("W", "R", settings={"AUTO_SUSPEND": 5}, is_suspended=is_suspended)

    record = read(catalog)
    assert record.spec == {"WAREHOUSE_SIZE": "X-Small", "AUTO_SUSPEND": 5, "AUTO_RESUME": True}
    assert record.status["state"] == state


def test_properties_and_state_are_changed_apart(catalog: Catalog) -> None:
    warehouses = Warehouses(catalog)
    warehouses.create("W", "R", settings={"AUTO_SUSPEND": 5, "WAREHOUSE_TYPE": "X"}, comment="c")

    warehouses.suspend("W")
    warehouses.alter("W", {"WAREHOUSE_SIZE": "L"}, unset=("AUTO_SUSPEND", "WAREHOUSE_TYPE"))
    record = read(catalog)
    warehouses.resume("W")

    assert record.status["state"] == SUSPENDED
    assert WarehouseSpec.read(record.spec) == WarehouseSpec(
        warehouse_size="L", auto_suspend=600, auto_resume=True
    )
    assert record.comment == "c"
    assert read(catalog).status["state"] == STARTED


def test_what_is_not_there_is_an_error_unless_it_need_not_be(catalog: Catalog) -> None:
    warehouses = Warehouses(catalog)

    for act in (warehouses.suspend, warehouses.resume, warehouses.drop):
        with pytest.raises(ObjectNotFound):
            act("W")
        act("W", if_exists=True)
    warehouses.alter("W", {}, if_exists=True)
    assert not warehouses.drop("W", if_exists=True)
