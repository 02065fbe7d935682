"""The places that sessions point at: what there is of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.errors import PlaceNotFound
from nunatak.objects.places import Place, Places


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    opened = Catalog(Database.open(tmp_path / "catalog.sqlite"))
    with opened.write() as tx:
        for key in (
            Key("WAREHOUSE", "WH"),
            Key("DATABASE", "DB"),
            Key("SCHEMA", "PUBLIC", "DB"),
            Key("SCHEMA", "S", "DB"),
            Key("DATABASE", "BARE"),
        ):
            tx.create(key, "R")
    yield Places(opened, Access(opened.database, Settings(home=tmp_path)))
    opened.close()


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (Place(), Place()),
        (Place("WH", "DB", "S"), Place("WH", "DB", "S")),
        (Place("WH", "DB"), Place("WH", "DB", "PUBLIC")),
        (Place(None, "BARE"), Place(None, "BARE")),
        (Place("NO", "DB", "NO"), Place(None, "DB")),
        (Place("WH", "NO", "S"), Place("WH")),
        (Place("WH", None, "S"), Place("WH")),
        (Place("", "", ""), Place()),
    ],
)
def test_what_is_known_of_a_place(places: Places, given: Place, known: Place) -> None:
    assert places.known(given, role="R") == known


def test_what_a_role_may_not_see_is_not_known(places: Places) -> None:
    assert places.known(Place("WH", "DB", "S"), role="STRANGER") == Place()


def test_a_place_that_is_required_must_be_there_and_seen(places: Places) -> None:
    places.require(Key("SCHEMA", "S", "DB"), role="R")

    with pytest.raises(PlaceNotFound, match="NO"):
        places.require(Key("SCHEMA", "NO", "DB"), role="R")
    with pytest.raises(PlaceNotFound, match="S"):
        places.require(Key("SCHEMA", "S", "DB"), role="STRANGER")
