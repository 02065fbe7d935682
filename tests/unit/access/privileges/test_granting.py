"""Who may grant, and what goes with what is taken back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nunatak.access.privileges.granting import (
    Granter,
    Link,
    Securable,
    dependents,
    grantor,
    may_give_role,
    refused_transfer,
    revocable,
)

TABLE = Securable("OWNER")
MANAGED = Securable("OWNER", manager="KEEPER")


def granter(*roles: str, manages: bool = False) -> Granter:
    return Granter(primary=roles[0], roles=frozenset(roles), manages=manages)


def test_the_owner_gives_in_its_own_name_and_who_manages_grants_in_the_owners() -> None:
    for by in (
        granter("OWNER"),
        granter("ABOVE", "OWNER"),
        granter("SEC", manages=True),
        granter("ACCOUNTADMIN"),
    ):
        assert grantor("SELECT", by=by, on=TABLE, held=[]) == "OWNER"
    assert grantor("SELECT", by=granter("OTHER"), on=TABLE, held=[]) is None


def test_who_holds_the_grant_option_gives_that_privilege_in_its_own_name() -> None:
    held = [("SELECT", "A"), ("SELECT", "B")]
    assert grantor("SELECT", by=granter("B", "A"), on=TABLE, held=held) == "B"
    assert grantor("SELECT", by=granter("C", "B", "A"), on=TABLE, held=held) == "A"
    assert grantor("INSERT", by=granter("A"), on=TABLE, held=held) is None
    assert grantor("INSERT", by=granter("A"), on=TABLE, held=[("ALL", "A")]) == "A"
    assert grantor("SELECT", by=granter("OWNER", "A"), on=TABLE, held=held) == "OWNER"


def test_only_the_manager_decides_where_there_is_one() -> None:
    held = [("SELECT", "A")]
    for refused in (granter("OWNER"), granter("A")):
        assert grantor("SELECT", by=refused, on=MANAGED, held=held) is None
        assert not revocable(by=refused, on=MANAGED)
    for allowed in (granter("KEEPER"), granter("SEC", manages=True)):
        assert grantor("SELECT", by=allowed, on=MANAGED, held=held) == "OWNER"
        assert "OWNER" in (revocable(by=allowed, on=MANAGED) or ())


def test_what_others_gave_is_not_taken_back() -> None:
    assert revocable(by=granter("A", "LOWER"), on=TABLE) == {"A", "LOWER"}
    assert revocable(by=granter("OWNER"), on=TABLE) == {"OWNER", "ACCOUNTADMIN", ""}
    assert revocable(by=granter("ACCOUNTADMIN"), on=TABLE) is None


def test_a_circle_of_grants_does_not_hold_itself_up() -> None:
    links = {
        1: Link("A", "OWNER", grant_option=True),
        2: Link("B", "A", grant_option=True),
        3: Link("A", "B", grant_option=True),
        4: Link("C", "B", grant_option=False),
    }
    assert dependents(links, {1}, on=TABLE, option_only=False) == {2, 3, 4}
    assert dependents(links, {1}, on=TABLE, option_only=True) == {2, 3, 4}
    assert dependents(links, {4}, on=TABLE, option_only=False) == set()
    parallel = {**links, 5: Link("B", "OWNER", grant_option=True)}
    assert dependents(parallel, {1}, on=TABLE, option_only=False) == {2} - {2}


roles = st.sampled_from(["OWNER", "A", "B", "C", "D"])
links = st.dictionaries(
    st.integers(0, 20), st.builds(Link, roles, roles, st.booleans()), max_size=8
)


def _is_held_up(number: int, among: dict[int, Link], seen: frozenset[int] = frozenset()) -> bool:
    """By a search from the grant up to the owner."""
    giver = among[number].granted_by
    return giver == "OWNER" or any(
        link.grantee == giver and link.grant_option and _is_held_up(other, among, seen | {number})
        for other, link in among.items()
        if other not in seen | {number}
    )


@given(links, st.data())
def test_what_is_left_is_held_up_as_before(
    given_links: dict[int, Link], data: st.DataObject
) -> None:
    taken = data.draw(st.sets(st.sampled_from(sorted(given_links)))) if given_links else set()
    gone = dependents(given_links, taken, on=TABLE, option_only=False)
    left = {number: link for number, link in given_links.items() if number not in gone | taken}
    for number in given_links.keys() - taken:
        before = _is_held_up(number, given_links)
        after = number in left and _is_held_up(number, left)
        assert (number in gone) == (before and not after)


def test_a_role_that_has_accountadmin_is_its_owners_to_give() -> None:
    assert may_give_role({"R"}, by=granter("SEC", manages=True), owner="OWNER")
    assert not may_give_role({"R", "ACCOUNTADMIN"}, by=granter("SEC", manages=True), owner="OWNER")
    assert may_give_role({"R", "ACCOUNTADMIN"}, by=granter("OWNER"), owner="OWNER")
    assert may_give_role({"ACCOUNTADMIN"}, by=granter("ACCOUNTADMIN"), owner=None)
    assert not may_give_role({"R"}, by=granter("OTHER"), owner=None)


def test_ownership_lends_nobody_the_rights_of_others() -> None:
    def refused(by: Granter, to: str, on: Securable = TABLE, *, lends: bool = False) -> bool:
        heir = {to, "ACCOUNTADMIN"} if to == "BOSS" else {to}
        return refused_transfer(to, heir, by=by, on=on, lends_rights=lends) is not None

    manager = granter("SEC", manages=True)
    assert not refused(granter("OWNER"), "ANY")
    assert refused(granter("OTHER"), "OTHER")
    assert refused(granter("OWNER"), "ANY", lends=True)
    assert not refused(granter("OWNER", "LOWER"), "LOWER", lends=True)
    assert not refused(manager, "ANY", lends=True)
    assert refused(manager, "BOSS", lends=True)
    assert not refused(granter("ACCOUNTADMIN"), "BOSS", lends=True)
    assert refused(granter("OWNER"), "OWNER", MANAGED)
    assert refused(granter("KEEPER"), "ANY", MANAGED)
    assert not refused(granter("KEEPER", "LOWER"), "LOWER", MANAGED)
