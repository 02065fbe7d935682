"""The object store: names are unique, changes are guarded, parts go with their whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog.engine import Database
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import DiskFull, ObjectExists, ObjectNotFound

WAREHOUSE = Key("WAREHOUSE", "P")
TABLE = Key("TABLE", "M", "DB", "S")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(Database.open(tmp_path / "catalog.sqlite"), clock=lambda: 1000.0)
    yield opened
    opened.close()


def test_what_was_created_is_found_with_its_documents(catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.create(WAREHOUSE, "ADA", spec={"AUTO_SUSPEND": 1}, comment="c")
    with catalog.read() as tx:
        record = tx.get(WAREHOUSE)
    assert (record.spec, record.owner, record.comment) == ({"AUTO_SUSPEND": 1}, "ADA", "c")
    assert record.created_on == 1000.0


def test_a_second_object_of_the_same_name_is_refused(catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.create(WAREHOUSE, "ADA")
    with (
        pytest.raises(ObjectExists, match="Warehouse 'P' already exists"),
        catalog.write() as tx,
    ):
        tx.create(WAREHOUSE, "ADA")


def test_a_failed_transaction_leaves_nothing(catalog: Catalog) -> None:
    with pytest.raises(RuntimeError), catalog.write() as tx:
        tx.create(WAREHOUSE, "ADA")
        raise RuntimeError
    with catalog.read() as tx, pytest.raises(ObjectNotFound):
        tx.get(WAREHOUSE)


def test_a_stale_update_changes_nothing(catalog: Catalog) -> None:
    with catalog.write() as tx:
        record = tx.create(WAREHOUSE, "ADA", status={"state": "IDLE"})
        assert tx.update(record, status={"state": "ACTIVE"}) is not None
        assert tx.update(record, status={"state": "FAILED"}) is None
        assert tx.get(WAREHOUSE).status == {"state": "ACTIVE"}


def test_parts_and_events_go_with_the_whole(catalog: Catalog) -> None:
    with catalog.write() as tx:
        table = tx.create(TABLE, "ADA")
        version = Key("VIEW", "V1", "DB", "S", table.id)
        tx.note(tx.create(version, "ADA"), "", "LIVE", reason="made", actor="ADA")
        tx.delete(table)
        assert tx.find(version) is None


def test_a_moved_object_is_found_under_its_new_name_only(catalog: Catalog) -> None:
    with catalog.write() as tx:
        table = tx.create(TABLE, "ADA")
        tx.move(table, Key("TABLE", "N", "DB", "T"))
        assert tx.find(TABLE) is None
        assert tx.get(Key("TABLE", "N", "DB", "T")).id == table.id


def test_dropping_a_schema_removes_only_what_is_in_it(catalog: Catalog) -> None:
    other = Key("TABLE", "M", "DB", "T")
    with catalog.write() as tx:
        tx.create(TABLE, "ADA")
        tx.create(other, "ADA")
        assert [record.key for record in tx.delete_within("DB", "S")] == [TABLE]
        assert tx.find(other) is not None


def test_the_catalog_is_still_there_after_a_restart(tmp_path: Path) -> None:
    for expected in (0, 1):
        catalog = Catalog(Database.open(tmp_path / "catalog.sqlite"))
        with catalog.write() as tx:
            assert len(tx.list_kind("WAREHOUSE")) == expected
            if not expected:
                tx.create(WAREHOUSE, "ADA")
        catalog.close()


def test_a_database_that_cannot_grow_says_that_the_disk_is_full(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "catalog.sqlite")
    catalog = Catalog(database)
    with database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(DiskFull), catalog.write() as tx:
        for number in range(1000):
            tx.create(Key("DATABASE", f"D{number}"), "R", comment="x" * 1000)

    with catalog.read() as tx:
        assert tx.list_kind("DATABASE") == []
    catalog.close()
