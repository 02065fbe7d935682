"""The owner of a service changes; who owns it must have its model, asked at each start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nunatak.errors import DependentGrants, InvalidArgument, NunatakError, PrivilegeMissing
from nunatak.services.commands.deploy import build_name
from support.granting import take
from support.plane import QUERY_ID, World

ADMIN, HEIR = "ACCOUNTADMIN", "ANALYST"
MOVE = f"GRANT OWNERSHIP ON SERVICE DB.S.SVC TO ROLE {HEIR}"


@contextmanager
def acting(world: World, role: str) -> Iterator[None]:
    before, world.session.role = world.session.role, role
    try:
        yield
    finally:
        world.session.role = before


def grant(world: World, privilege: str, kind: str, title: str, role: str = HEIR) -> None:
    world.parts.access.grants.grant([privilege], kind, title, role=role, by=ADMIN)


def start_again(world: World) -> str:
    """Suspend and resume; the service's state and message."""
    with acting(world, ADMIN):
        world.rows("ALTER SERVICE DB.S.SVC SUSPEND")
        world.settle()
        world.rows("ALTER SERVICE DB.S.SVC RESUME")
    world.settle()
    service = world.row("DESCRIBE SERVICE DB.S.SVC")
    rows = world.rows("SHOW SERVICE CONTAINERS IN SERVICE DB.S.SVC")
    return " ".join([service["status"], *(row["message"] for row in rows)])


def test_the_new_owner_must_have_the_model(running: World) -> None:
    with pytest.raises(PrivilegeMissing, match=r"role ANALYST.*GRANT READ ON MODEL DB\.S\.M TO"):
        running.rows(MOVE)
    assert running.service().owner == ADMIN
    grant(running, "READ", "MODEL", "DB.S.M")
    grant(running, "MONITOR", "SERVICE", "DB.S.SVC", role="PUBLIC")
    with pytest.raises(DependentGrants):
        running.rows(MOVE)
    running.rows(f"{MOVE} REVOKE CURRENT GRANTS")
    assert running.service().owner == HEIR
    assert start_again(running).startswith("RUNNING")


def test_a_service_whose_owner_lost_the_model_fails_at_its_next_start(running: World) -> None:
    grant(running, "READ", "MODEL", "DB.S.M")
    running.rows(MOVE)
    take(running.parts.access, ["READ"], "MODEL", "DB.S.M", HEIR)
    running.settle()
    assert running.row("DESCRIBE SERVICE DB.S.SVC")["status"] == "RUNNING"
    told = start_again(running)
    assert not told.startswith("RUNNING")
    assert "GRANT READ ON MODEL DB.S.M TO ROLE ANALYST" in told
    grant(running, "READ", "MODEL", "DB.S.M")
    assert start_again(running).startswith("RUNNING")


def test_nobody_gives_a_service_others_rights(running: World) -> None:
    access = running.parts.access
    grant(running, "READ", "MODEL", "DB.S.M")
    running.rows(MOVE)
    access.roles.create("OTHER", owner=ADMIN)
    grant(running, "READ", "MODEL", "DB.S.M", role="OTHER")
    for role, to in ((HEIR, "OTHER"), (HEIR, ADMIN), ("OTHER", "OTHER"), ("PUBLIC", "OTHER")):
        with acting(running, role), pytest.raises(NunatakError):
            running.rows(f"GRANT OWNERSHIP ON SERVICE DB.S.SVC TO ROLE {to}")
    access.roles.grant("OTHER", grantee_kind="ROLE", grantee=HEIR, by="")
    with acting(running, HEIR):
        running.rows("GRANT OWNERSHIP ON SERVICE DB.S.SVC TO ROLE OTHER")
    assert running.service().owner == "OTHER"


def test_a_job_is_not_given_away(running: World) -> None:
    with pytest.raises(InvalidArgument, match="is a job"):
        running.rows(f"GRANT OWNERSHIP ON SERVICE DB.S.{build_name(QUERY_ID)} TO ROLE {HEIR}")
