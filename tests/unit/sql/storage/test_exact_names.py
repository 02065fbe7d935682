"""Statements of containers and catalog objects on names that differ only in case."""

from __future__ import annotations

import pytest

from nunatak.errors import ObjectNotFound, Unsupported
from support.front_end import Front

PAIRS = (('"keep"', "KEEP"), ("KEEP", '"keep"'), ('"keep"', '"Keep"'))
CONTAINERS = (
    "drop {1} {0}",
    "use {1} {0}",
    "alter {1} {0} set comment = 'c'",
    "show tables in {1} {0}",
    "create table {0}.{2}t(x int)",
    "create or replace table {0}.{2}t(x int)",
    "create view {0}.{2}t as select 1 as x",
    "create sequence {0}.{2}s",
    "create schema {0}.x",
    "select * from {0}.{2}t",
    "truncate table {0}.{2}t",
    "drop table {0}.{2}t",
)
OBJECTS = {"STAGE": "", "FILE FORMAT": " type = csv"}


@pytest.mark.parametrize("kind", ["DATABASE", "SCHEMA"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_containers_of_two_cases(front: Front, kind: str, pair: tuple[str, str]) -> None:
    first, other = pair
    inside = "public." if kind == "DATABASE" else ""
    front.rows(f"create {kind} {first}")
    front.rows(f"create table {first}.{inside}t as select 7 as x")

    def untouched() -> None:
        assert front.value(f"select x from {first}.{inside}t") == 7

    for words in ("create {1} {0}", "create {1} if not exists {0}", "create or replace {1} {0}"):
        with pytest.raises(Unsupported, match="differ only in case"):
            front.rows(words.format(other, kind))
        untouched()
    for words in CONTAINERS:
        if kind == "SCHEMA" and ("create schema" in words or "show tables" in words):
            continue
        if words.startswith("show"):  # an empty list, or an error
            try:
                assert front.rows(words.format(other, kind, inside)) == []
            except ObjectNotFound:
                continue
            continue
        with pytest.raises(ObjectNotFound):
            front.rows(words.format(other, kind, inside))
        untouched()
    front.rows(f"drop {kind} if exists {other}")
    untouched()
    front.rows(f"drop {kind} {first}")
    front.rows(f"create {kind} {other}")
    assert front.rows(f"drop {kind} {other}")


@pytest.mark.parametrize("name", ["nunatak", "db", "Db"])
def test_a_database_is_never_made_beside_one_of_another_case(front: Front, name: str) -> None:
    front.rows("create or replace database nunatak")
    for database in ("db", "nunatak"):
        front.rows(f"create table {database}.public.t as select 7 as x")
    with pytest.raises(Unsupported, match="differ only in case"):
        front.rows(f'create or replace database "{name}"')
    assert front.value("select a.x + b.x from db.public.t a, nunatak.public.t b") == 14
    assert sorted(front.names("show databases")) == ["DB", "NUNATAK"]


@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_objects_of_the_catalog_are_told_apart(front: Front, kind: str) -> None:
    """Stages lie under their ids, so that two whose names differ only in case are two."""
    for name in ('"keep"', "KEEP"):
        front.rows(f"create {kind} {name}{OBJECTS[kind]} comment = '{name[1]}'")
    front.rows(f"create or replace {kind} KEEP{OBJECTS[kind]} comment = 'new'")
    front.rows(f"drop {kind} KEEP")
    [row] = front.rows(f"show {kind}s")
    assert (row["name"], row["comment"]) == ("keep", "k")
    with pytest.raises(ObjectNotFound):
        front.rows(f"drop {kind} KEEP")


@pytest.mark.parametrize("words", ["create", "create or replace"])
def test_image_repositories_need_other_paths(front: Front, words: str) -> None:
    front.rows("create image repository keep")
    with pytest.raises(Unsupported, match="beside"):
        front.rows(f'{words} image repository "keep"')
    front.rows("create or replace image repository keep")
    front.rows("drop image repository keep")
    front.rows(f'{words} image repository "keep"')
