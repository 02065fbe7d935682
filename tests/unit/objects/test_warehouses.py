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

KEY = Key(WAREHOUSE, "W")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(Database.open(tmp_path / "catalog.sqlite"))
    yield opened
    opened.close()


def read(catalog: Catalog) -> Record:
    with catalog.read() as tx:
        return tx.get(KEY)


@pytest.mark.parametrize(("is_suspended", "state"), [(False, STARTED), (True, SUSPENDED)])
def test_a_warehouse_begins_with_defaults(
    catalog: Catalog, *, is_suspended: bool, state: str
) -> None:
    values = {"AUTO_SUSPEND": 5, "INITIALLY_SUSPENDED": is_suspended}
    Warehouses(catalog).create(KEY, "R", values)

    record = read(catalog)
    assert record.spec == {"WAREHOUSE_SIZE": "X-Small", "AUTO_SUSPEND": 5, "AUTO_RESUME": True}
    assert record.status["state"] == state


def test_properties_and_state_are_changed_apart(catalog: Catalog) -> None:
    warehouses = Warehouses(catalog)
    warehouses.create(KEY, "R", {"AUTO_SUSPEND": 5, "WAREHOUSE_TYPE": "X"}, comment="c")

    warehouses.suspend(KEY)
    warehouses.alter(KEY, {"WAREHOUSE_SIZE": "L", "WAREHOUSE_TYPE": None})
    record = read(catalog)
    warehouses.resume(KEY)

    assert record.status["state"] == SUSPENDED
    assert WarehouseSpec.read(record.spec) == WarehouseSpec(
        warehouse_size="L", auto_suspend=5, auto_resume=True
    )
    assert record.comment == "c"
    assert read(catalog).status["state"] == STARTED


def test_what_is_not_there_is_an_error_unless_it_need_not_be(catalog: Catalog) -> None:
    warehouses = Warehouses(catalog)

    for act in (warehouses.suspend, warehouses.resume, warehouses.drop):
        with pytest.raises(ObjectNotFound):
            act(KEY)
        act(KEY, if_exists=True)
    warehouses.alter(KEY, {}, if_exists=True)
    assert not warehouses.drop(KEY, if_exists=True)
