"""Snapshots are read anew when the catalog has changed, and only then."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nunatak
from nunatak.catalog.store import Key
from nunatak.compute.pools import PoolSpec
from support.plane import World


def test_a_snapshot_is_kept_until_something_is_committed(world: World) -> None:
    first = world.services.monitor.snapshot()
    assert world.services.monitor.snapshot() is first
    with world.catalog.write() as tx:
        tx.create(Key("TABLE", "T", "DB", "PUBLIC"), "ACCOUNTADMIN")
    second = world.services.monitor.snapshot()
    assert second is not first
    assert second == first


def test_what_was_rolled_back_changes_nothing(world: World) -> None:
    first = world.services.monitor.snapshot()
    with pytest.raises(ZeroDivisionError), world.catalog.write():
        _ = 1 / 0
    assert world.services.monitor.snapshot() is first


def test_a_change_is_seen_by_the_next_look(world: World) -> None:
    with world.catalog.write() as tx:
        made = tx.create(
            Key("COMPUTE_POOL", "P"),
            "ACCOUNTADMIN",
            spec=PoolSpec(min_nodes=1, max_nodes=1, instance_family="CPU_X64_S"),
            status={"state": "IDLE"},
        )
    assert world.services.monitor.snapshot().pools["P"].record.comment == ""
    with world.catalog.write() as tx:
        assert tx.update(made, comment="changed") is not None
    assert world.services.monitor.snapshot().pools["P"].record.comment == "changed"


BY_HAND = re.compile(r"\.(spec|status)(\[|\.get\()")


@pytest.mark.parametrize("room", ["services", "sql/services"])
def test_documents_of_services_are_read_as_their_structures(room: str) -> None:
    files = sorted((Path(nunatak.__file__).parent / room).rglob("*.py"))
    found = [file.name for file in files if BY_HAND.search(file.read_text())]
    assert (bool(files), found) == (True, [])


@pytest.mark.parametrize("text", ['record.spec["pool"]', 'it.record.status.get("image")'])
def test_the_measure_sees_what_is_read_by_hand(text: str) -> None:
    assert BY_HAND.search(text)
