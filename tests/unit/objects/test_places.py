"""The places that sessions point at: what there is of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog.engine import Database
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import PlaceNotFound
from nunatak.objects.places import Place, Places


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
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
    yield opened
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
def test_what_is_known_of_a_place(catalog: Catalog, given: Place, known: Place) -> None:
    assert Places(catalog).known(given) == known


def test_a_place_that_is_required_must_be_there(catalog: Catalog) -> None:
    places = Places(catalog)
    places.require(Key("SCHEMA", "S", "DB"))

    with pytest.raises(PlaceNotFound, match="NO"):
        places.require(Key("SCHEMA", "NO", "DB"))
