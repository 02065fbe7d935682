"""What a role sees in lists is what the decision about each object says."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nunatak.access.privileges.decide import ANY, places_of
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.store import Catalog, Key
from support.places import let_use

ROLES = ("ACCOUNTADMIN", "PUBLIC", "A", "B", "C")
KEYS = (
    Key("DATABASE", "D"),
    Key("DATABASE", "odd.Name"),
    Key("SCHEMA", "S", "D"),
    Key("SCHEMA", "S", "odd.Name"),
    Key("TABLE", "T", "D", "S"),
    Key("TABLE", "T", "odd.Name", "S"),
    Key("VIEW", "a!b", "D", "S"),
    Key("WAREHOUSE", "W"),
)
granted = st.lists(st.tuples(st.sampled_from(ROLES[1:]), st.sampled_from(KEYS)), max_size=8)
owned = st.tuples(*(st.sampled_from(ROLES) for _ in KEYS))


@pytest.fixture
def roles(access: Access) -> None:
    """A inherits B; whoever has C manages grants."""
    for role in ROLES:
        if role not in access.roles:
            access.roles.create(role, owner="")
    access.roles.grant("B", grantee_kind="ROLE", grantee="A", by="")


@pytest.mark.usefixtures("roles")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(grants=granted, owners=owned, manages=st.booleans())
def test_a_list_shows_what_the_decision_lets_see(
    access: Access,
    catalog: Catalog,
    grants: list[tuple[str, Key]],
    owners: tuple[str, ...],
    *,
    manages: bool,
) -> None:
    with catalog.write() as tx:
        for key, owner in zip(KEYS, owners, strict=True):
            if (record := tx.find(key)) is not None:
                tx.delete(record)
            tx.create(key, owner)
        for role, key in grants:
            access.grants.grant_within(
                tx.connection, ["USAGE"], key.kind, key.title, role=role, by=""
            )
        account = access.arbiter.account
        tx.connection.exec_driver_sql("DELETE FROM grants WHERE object_kind = 'ACCOUNT'")
        if manages:
            access.grants.grant_within(
                tx.connection, ["MANAGE GRANTS"], "ACCOUNT", account, role="C", by=""
            )
    for role, key in itertools.product(ROLES, KEYS):
        decision = access.decide(Requirement(ANY, key.kind, key.title), role=role)
        assert access.sight(role).shows(key.kind, key.title) is decision.is_seen, (role, key)
        assert decision.is_seen or not decision.is_allowed


@pytest.mark.parametrize(
    ("kind", "title", "places"),
    [
        ("DATABASE", "D", []),
        ("SCHEMA", "D.S", [("DATABASE", "D")]),
        ("TABLE", 'D."s.x"."t"', [("DATABASE", "D"), ("SCHEMA", 'D."s.x"')]),
        ("SERVICE_ROLE", 'D.S."a!b"!R', [("DATABASE", "D"), ("SCHEMA", "D.S")]),
        ("USER", '"a.b"', []),
        ("ACCOUNT", "a.b.c", []),
        ("WAREHOUSE", "W", []),
    ],
)
def test_the_places_of_objects(kind: str, title: str, places: list[tuple[str, str]]) -> None:
    assert list(places_of(kind, title)) == places


@pytest.mark.usefixtures("roles")
def test_information_schema_is_open_to_who_reaches_its_database(access: Access) -> None:
    schema = Requirement(ANY, "SCHEMA", "D.INFORMATION_SCHEMA")
    assert not access.allows("A", schema)
    let_use(access, "D", role="B")
    assert access.allows("A", schema)
    assert access.sight("A").shows("SCHEMA", "D.INFORMATION_SCHEMA")
    assert not access.sight("C").shows("SCHEMA", "D.INFORMATION_SCHEMA")


@pytest.mark.usefixtures("roles")
def test_a_table_that_is_not_listed_is_its_schemas_owners(access: Access, catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.create(Key("DATABASE", "D"), "A")
        tx.create(Key("SCHEMA", "S", "D"), "B")
    let_use(access, "D", role="B")

    assert access.sight("B").shows("TABLE", "D.S.OLD")
    assert access.sight("A").shows("TABLE", "D.S.OLD")
    assert not access.sight("C").shows("TABLE", "D.S.OLD")
    assert access.sight("B").owns("TABLE", "D.S.OLD")
