"""TAG objects and the tags that objects carry, as callers that speak no SQL have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog.engine import Database
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key
from nunatak.catalog.tags import ALLOWED_VALUES_LIMIT, TAG, TAGS_PER_OBJECT
from nunatak.compute.pools import PoolSpec
from nunatak.errors import InvalidArgument, LimitExceeded, ObjectNotFound
from nunatak.models.versions import ModelSpec
from nunatak.objects.tags import Tags
from nunatak.services.model.spec import BuildSpec, BuildStatus, ModelRef
from nunatak.services.model.states import BuildState

T, U = QualifiedName("DB", "S", "T"), QualifiedName("DB", "S", "U")
POOL, MODEL = Key("COMPUTE_POOL", "P"), Key("MODEL", "M", "DB", "S")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(Database.open(tmp_path / "catalog.sqlite"))
    with opened.write() as tx:
        tx.create(Key("SCHEMA", "S", "DB"), "R")
        spec = PoolSpec(min_nodes=1, max_nodes=1, instance_family="CPU_X64_XS")
        tx.create(POOL, "R", spec=spec.document(), status={"state": "STARTING"})
        tx.create(MODEL, "R", spec=ModelSpec())
    yield opened
    opened.close()


@pytest.fixture
def tags(catalog: Catalog) -> Tags:
    return Tags(catalog)


def allowed(catalog: Catalog) -> list[str]:
    with catalog.read() as tx:
        return list(tx.get(Key.of(TAG, T)).spec["allowed_values"])


def test_allowed_values_come_and_go(catalog: Catalog, tags: Tags) -> None:
    tags.create(Key.of(TAG, T), "R", {"ALLOWED_VALUES": ("a", "b")})
    tags.allow(Key.of(TAG, T), ("b", "c"))
    tags.alter(Key.of(TAG, T), {}, comment="c")
    before = allowed(catalog)
    tags.disallow(Key.of(TAG, T), ("a",))
    after = allowed(catalog)
    tags.alter(Key.of(TAG, T), {"ALLOWED_VALUES": ()})

    assert (before, after, allowed(catalog)) == (["a", "b", "c"], ["b", "c"], [])
    with pytest.raises(InvalidArgument):
        tags.allow(Key.of(TAG, T), [str(number) for number in range(ALLOWED_VALUES_LIMIT + 1)])


@pytest.mark.parametrize("key", [POOL, MODEL], ids=["pool", "model"])
def test_an_object_carries_tags_by_what_they_are(tags: Tags, key: Key) -> None:
    tags.create(Key.of(TAG, T), "R", {"ALLOWED_VALUES": ("a",)})
    tags.put(key, [(T, "a")])
    tags.rename(Key.of(TAG, T), Key.of(TAG, U))

    assert [(found.tag, found.value) for found in tags.references(key)] == [(U, "a")]
    tags.create(Key.of(TAG, T), "R", {})
    tags.put(key, [(T, "x"), (U, None)])
    assert [(found.tag, found.value) for found in tags.references(key)] == [(T, "x")]
    tags.drop(Key.of(TAG, T))
    assert tags.references(key) == []


def test_tags_that_were_dropped_do_not_count(tags: Tags) -> None:
    names = [T.sibling(f"T{number}") for number in range(TAGS_PER_OBJECT)]
    for name in (T, *names):
        tags.create(Key.of(TAG, name), "R", {})
    tags.put(MODEL, [(name, "x") for name in names])
    tags.drop(Key.of(TAG, names[0]))

    tags.put(MODEL, [(T, "x")])

    assert len(tags.references(MODEL)) == TAGS_PER_OBJECT


def test_values_and_numbers_of_tags_are_bounded(tags: Tags) -> None:
    tags.create(Key.of(TAG, T), "R", {"ALLOWED_VALUES": ("a",)})
    names = [T.sibling(f"T{number}") for number in range(TAGS_PER_OBJECT + 1)]
    for name in names:
        tags.create(Key.of(TAG, name), "R", {})

    with pytest.raises(InvalidArgument):
        tags.carried([(T, "b")])
    with pytest.raises(ObjectNotFound):
        tags.carried([(U, "b")])
    with pytest.raises(LimitExceeded):
        tags.put(POOL, [(name, "x") for name in names])
    assert len(tags.carried([(name, "x") for name in names[:-1]])) == TAGS_PER_OBJECT
    assert tags.references(POOL) == []


def test_a_job_carries_no_tags(catalog: Catalog, tags: Tags) -> None:
    job = Key("SERVICE", "JOB", "DB", "S")
    with catalog.write() as tx:
        spec = BuildSpec(pool="P", model=ModelRef("DB", "S", "M", "V1", "id"))
        tx.create(job, "R", spec=spec, status=BuildStatus(state=BuildState.PENDING))
    tags.create(Key.of(TAG, T), "R", {})

    with pytest.raises(InvalidArgument, match="is a job"):
        tags.put(job, [(T, "a")])
    assert tags.references(job) == []
