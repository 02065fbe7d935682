"""The privilege decision."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nunatak.access.privileges.decide import ANY, allowed
from nunatak.access.privileges.grants import Grant
from nunatak.access.privileges.requirement import ALL, OWNERSHIP, Requirement

READ = Requirement("READ", "MODEL", "DB.S.M")
names = st.sampled_from(["A", "B", "C"])
grants = st.builds(
    Grant,
    privilege=st.sampled_from(["READ", "USAGE", ALL]),
    kind=st.sampled_from(["MODEL", "STAGE"]),
    object_name=st.sampled_from(["DB.S.M", "DB.S.N"]),
    role=names,
)


def _is_allowed(requirement: Requirement, *held: Grant, roles: str = "A", owner: str = "X") -> bool:
    return allowed(requirement, grants=held, roles=roles.split(), owner=owner).is_allowed


def test_nobody_is_allowed_without_grant_or_ownership() -> None:
    assert not _is_allowed(READ)


def test_the_owner_and_who_inherits_it_may_do_everything() -> None:
    assert _is_allowed(READ, roles="A X")
    assert _is_allowed(Requirement(OWNERSHIP, "MODEL", "DB.S.M"), roles="A X")


def test_accountadmin_may_do_everything() -> None:
    assert _is_allowed(Requirement(OWNERSHIP, "MODEL", "DB.S.M"), roles="ACCOUNTADMIN")


def test_a_grant_to_an_inherited_role_counts() -> None:
    assert _is_allowed(READ, Grant("READ", "MODEL", "DB.S.M", "B"), roles="A B")


def test_all_meets_every_privilege_but_ownership() -> None:
    everything = Grant(ALL, "MODEL", "DB.S.M", "A")

    assert _is_allowed(READ, everything)
    assert not _is_allowed(Requirement(OWNERSHIP, "MODEL", "DB.S.M"), everything)


def test_any_is_met_by_every_grant_on_the_object() -> None:
    assert _is_allowed(Requirement(ANY, "MODEL", "DB.S.M"), Grant("X", "MODEL", "DB.S.M", "A"))


def test_a_refusal_names_privilege_and_object() -> None:
    reason = allowed(READ, grants=[], roles=["A"], owner=None).reason

    assert "READ" in reason
    assert "DB.S.M" in reason


@given(st.lists(grants, max_size=6), st.sets(names))
def test_only_grants_on_the_object_to_a_held_role_allow(held: list[Grant], roles: set[str]) -> None:
    expected = any(
        grant.role in roles
        and (grant.kind, grant.object_name) == ("MODEL", "DB.S.M")
        and grant.privilege in ("READ", ALL)
        for grant in held
    )

    assert allowed(READ, grants=held, roles=roles, owner="X").is_allowed is expected
