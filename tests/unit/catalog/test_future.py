"""Objects of every kind get the future grants of their place, however they are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from nunatak.access.privileges.grantable import GRANTABLE
from nunatak.catalog.engine import Database
from nunatak.catalog.schema import future_grants, grants
from nunatak.catalog.store import Catalog, Key, Transaction

KINDS = ("TABLE", "VIEW", "SEQUENCE", "TAG")


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Transaction]:
    """A transaction in a catalog with DB.S."""
    catalog = Catalog(Database.open(tmp_path / "catalog.sqlite"))
    with catalog.write() as opened:
        opened.create(Key("DATABASE", "DB"), "MAKER")
        opened.create(Key("SCHEMA", "S", "DB"), "MAKER")
        yield opened
    catalog.close()


def promise(tx: Transaction, privilege: str, kind: str, place: Key, role: str) -> None:
    row = {
        "privilege": privilege,
        "object_kind": kind,
        "place_kind": place.kind,
        "place_name": place.title,
        "grantee_kind": "ROLE",
        "grantee": role,
        "grant_option": 1,
        "granted_by": "SECURITYADMIN",
        "created_on": 0.0,
    }
    tx.connection.execute(insert(future_grants).values(**row))


def given(tx: Transaction) -> list[tuple[str, str, str, str, int]]:
    columns = grants.c
    query = select(
        columns.privilege,
        columns.object_name,
        columns.grantee,
        columns.granted_by,
        columns.grant_option,
    )
    return [tuple(row) for row in tx.connection.execute(query).all()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [Key("SCHEMA", "S", "DB"), Key("DATABASE", "DB")])
def test_a_new_object_gets_them(tx: Transaction, kind: str, place: Key) -> None:
    privilege = GRANTABLE[kind][0]
    promise(tx, privilege, kind, place, "R")
    promise(tx, "USAGE", "STAGE", place, "R")
    made = tx.create(Key(kind, "New one", "DB", "S"), "MAKER")
    assert made.owner == "MAKER"
    assert given(tx) == [(privilege, 'DB.S."New one"', "R", "MAKER", 1)]
    promise(tx, "OWNERSHIP", kind, place, "HEIR")
    tx.delete(made)
    assert tx.create(Key(kind, "New one", "DB", "S"), "MAKER").owner == "HEIR"
    assert given(tx) == [(privilege, 'DB.S."New one"', "R", "HEIR", 1)]


def test_promises_follow_their_place_to_another_name(tx: Transaction) -> None:
    promise(tx, "SELECT", "TABLE", Key("SCHEMA", "S", "DB"), "R")
    tx.move(tx.get(Key("SCHEMA", "S", "DB")), Key("SCHEMA", "new", "DB"))
    tx.create(Key("TABLE", "T", "DB", "new"), "MAKER")
    assert [row[1] for row in given(tx)] == ['DB."new".T']
    tx.delete(tx.get(Key("SCHEMA", "new", "DB")))
    assert tx.connection.execute(select(future_grants)).all() == []
