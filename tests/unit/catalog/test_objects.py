"""The lifecycle that objects of every kind share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nunatak.catalog.engine import Database
from nunatak.catalog.objects import Change, Existing, Objects
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound

THING, OTHER = Key("TAG", "T", "DB", "S"), Key("TAG", "U", "DB", "S")
NOWHERE = Key("TAG", "T", "DB", "GONE")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(Database.open(tmp_path / "catalog.sqlite"))
    with opened.write() as tx:
        tx.create(Key("SCHEMA", "S", "DB"), "R")
    yield opened
    opened.close()


@pytest.fixture
def objects(catalog: Catalog) -> Objects:
    return Objects(catalog)


def numbered(number: int) -> dict[str, list[str]]:
    """A specification that tells itself from others."""
    return {"allowed_values": [str(number)]}


def number(record: Record) -> int:
    return int(record.spec["allowed_values"][0])


def specs(catalog: Catalog) -> dict[str, int]:
    with catalog.read() as tx:
        return {record.name: number(record) for record in tx.list_kind("TAG")}


@pytest.mark.parametrize("existing", Existing)
def test_a_new_object_is_made(catalog: Catalog, objects: Objects, existing: Existing) -> None:
    made = objects.create(THING, "R", existing=existing, spec=numbered(1), comment="c")

    assert (made.is_kept, made.replaced) == (False, None)
    with catalog.read() as tx:
        record = tx.get(THING)
    assert (record.owner, record.comment, record.spec) == ("R", "c", numbered(1))


def test_an_object_of_the_name_is_refused_kept_or_replaced(
    catalog: Catalog, objects: Objects
) -> None:
    objects.create(THING, "R", spec=numbered(1))

    with pytest.raises(ObjectExists, match=r"Tag 'DB\.S\.T' already exists"):
        objects.create(THING, "R", spec=numbered(2))
    kept = objects.create(THING, "R", existing=Existing.KEEP, spec=numbered(3))
    before = specs(catalog)
    replaced = objects.create(THING, "R2", existing=Existing.REPLACE, spec=numbered(4))

    assert (kept.is_kept, before) == (True, {"T": 1})
    assert not replaced.is_kept
    assert replaced.replaced is not None
    assert replaced.replaced.spec == numbered(1)
    assert specs(catalog) == {"T": 4}


@pytest.mark.parametrize("existing", Existing)
def test_nothing_is_made_without_its_schema(objects: Objects, existing: Existing) -> None:
    with pytest.raises(ObjectNotFound, match=r"Schema 'DB\.GONE'"):
        objects.create(NOWHERE, "R", existing=existing)


def test_changes_are_whole_or_none(catalog: Catalog, objects: Objects) -> None:
    objects.create(THING, "R", spec=numbered(1), comment="c")

    def refused(_: object, __: object) -> Change:
        raise InvalidArgument("no")

    objects.change(THING, lambda _, record: Change(spec=numbered(number(record) + 1)))
    with pytest.raises(InvalidArgument):
        objects.change(THING, refused)

    assert specs(catalog) == {"T": 2}
    with catalog.read() as tx:
        assert tx.get(THING).comment == "c"


def test_an_object_moves_to_a_free_name_in_a_schema_that_is_there(
    catalog: Catalog, objects: Objects
) -> None:
    objects.create(THING, "R", spec=numbered(1))
    objects.create(OTHER, "R", spec=numbered(2))

    with pytest.raises(ObjectExists):
        objects.rename(THING, OTHER)
    with pytest.raises(ObjectNotFound):
        objects.rename(THING, NOWHERE)
    objects.drop(OTHER)
    objects.rename(THING, OTHER)

    assert specs(catalog) == {"U": 1}


@pytest.mark.parametrize(
    "act",
    [
        lambda objects, if_exists: objects.drop(THING, if_exists=if_exists),
        lambda objects, if_exists: objects.rename(THING, OTHER, if_exists=if_exists),
        lambda objects, if_exists: objects.change(THING, lambda *_: Change(), if_exists=if_exists),
    ],
    ids=["drop", "rename", "change"],
)
def test_what_is_not_there_is_an_error_unless_it_need_not_be(
    objects: Objects, act: Callable[[Objects, bool], object]
) -> None:
    with pytest.raises(ObjectNotFound, match=r"Tag 'DB\.S\.T'"):
        act(objects, False)

    assert act(objects, True) is None
