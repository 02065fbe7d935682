"""Tags on compute pools and services."""

from __future__ import annotations

from typing import Any

import pytest

from nunatak.errors import InvalidArgument, ObjectNotFound, PrivilegeMissing, Unsupported
from nunatak.sql.language.functions import find_function, functions_in_queries
from nunatak.warehouse.core.results import Result
from support.plane import World


@pytest.fixture
def world(running: World) -> World:
    """A world with two tags and a running service."""
    running.rows("CREATE TAG TEAM ALLOWED_VALUES 'a', 'b'")
    running.rows("CREATE TAG DB.S.COST")
    return running


def references(world: World, arguments: list[str]) -> Result:
    return functions_in_queries(world.injector).table_functions["TAG_REFERENCES"](
        world.session, arguments
    )


def value(world: World, tag: str, name: str, domain: str) -> Any:
    return find_function("SYSTEM$GET_TAG").call(
        world.context(), [tag, name, domain], world.injector
    )


def test_a_pool_is_created_with_tags_and_changed(world: World) -> None:
    world.rows(
        "CREATE COMPUTE POOL P MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_XS "
        "INITIALLY_SUSPENDED = TRUE WITH TAG (TEAM = 'a', COST = '7') COMMENT = 'after'"
    )
    assert world.row("SHOW COMPUTE POOLS LIKE 'P'")["comment"] == "after"
    assert value(world, "TEAM", "P", "compute pool") == "a"
    world.rows("ALTER COMPUTE POOL P SET TAG TEAM = 'b'")
    world.rows("ALTER COMPUTE POOL P UNSET TAG COST")
    world.rows("ALTER COMPUTE POOL P SET MAX_NODES = 2")

    rows = references(world, ["P", "COMPUTE POOL"]).batches
    found = [row for batch in rows for row in batch.to_pylist()]
    assert [(row["TAG_NAME"], row["TAG_VALUE"], row["OBJECT_NAME"]) for row in found] == [
        ("TEAM", "b", "P")
    ]
    assert found[0]["DOMAIN"] == "COMPUTE POOL"
    assert found[0]["OBJECT_DATABASE"] is None


@pytest.mark.parametrize(
    "create",
    [
        "COMPUTE POOL {} MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_XS TAG ({})",
        "SERVICE {} IN COMPUTE POOL POOL FROM @~ SPECIFICATION_FILE = 'no.yaml' TAG ({})",
    ],
)
@pytest.mark.parametrize("tag", ["NOPE = 'a'", "TEAM = 'c'"])
def test_what_is_there_stays_whatever_tags_are_asked_for(
    world: World, create: str, tag: str
) -> None:
    name = "POOL" if "MIN_NODES" in create else "SVC"
    kept = world.value(f"CREATE {create}".format(f"IF NOT EXISTS {name}", tag))
    assert kept == f"{name} already exists, statement succeeded."
    with pytest.raises((ObjectNotFound, InvalidArgument), match=r"NOPE|allowed"):
        world.rows(f"CREATE {create}".format("ANOTHER", tag))


def test_a_service_carries_tags_until_they_are_dropped(world: World) -> None:
    world.rows("ALTER SERVICE SVC SET TAG TEAM = 'a', COST = 'x'")
    world.rows("ALTER TAG TEAM RENAME TO SQUAD")
    assert value(world, "SQUAD", "DB.S.SVC", "SERVICE") == "a"
    world.rows("DROP TAG COST")

    rows = references(world, ["SVC", "SERVICE"]).batches
    assert [row["TAG_NAME"] for batch in rows for row in batch.to_pylist()] == ["SQUAD"]


def test_a_value_must_be_allowed_and_a_tag_must_be_there(world: World) -> None:
    with pytest.raises(InvalidArgument, match="not an allowed value"):
        world.rows("ALTER SERVICE SVC SET TAG TEAM = 'c'")
    with pytest.raises(ObjectNotFound, match="NOPE"):
        world.rows("ALTER SERVICE SVC SET TAG NOPE = 'c'")
    with pytest.raises(ObjectNotFound):
        world.rows("ALTER SERVICE NOPE SET TAG TEAM = 'a'")
    world.rows("ALTER SERVICE IF EXISTS NOPE SET TAG TEAM = 'a'")
    with pytest.raises(Unsupported, match="SCHEMA"):
        value(world, "TEAM", "S", "SCHEMA")


def test_tagging_needs_the_object_and_the_tag(world: World) -> None:
    grants = world.parts.access.grants
    grants.grant(["MODIFY"], "COMPUTE_POOL", "POOL", role="ANALYST", by="ACCOUNTADMIN")
    world.session.role = "ANALYST"
    with pytest.raises(ObjectNotFound, match="TEAM"):
        world.rows("ALTER COMPUTE POOL POOL SET TAG TEAM = 'a'")
    grants.grant(["READ"], "TAG", "DB.S.TEAM", role="ANALYST", by="ACCOUNTADMIN")
    with pytest.raises(PrivilegeMissing, match="APPLY"):
        world.rows("ALTER COMPUTE POOL POOL SET TAG TEAM = 'a'")
    grants.grant(["APPLY"], "TAG", "DB.S.TEAM", role="ANALYST", by="ACCOUNTADMIN")
    world.rows("ALTER COMPUTE POOL POOL SET TAG TEAM = 'a'")
    grants.grant(["MONITOR"], "SERVICE", "DB.S.SVC", role="ANALYST", by="ACCOUNTADMIN")
    with pytest.raises(PrivilegeMissing, match="OWNERSHIP"):
        world.rows("ALTER SERVICE SVC SET TAG TEAM = 'a'")
