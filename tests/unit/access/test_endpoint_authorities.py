"""Who may use an endpoint is decided once, and again when anything has changed."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from nunatak.access.authenticate import Identity
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.names import QualifiedName
from nunatak.ingress.gate import ENDPOINT_ROLE, AccessAuthorities
from support.granting import take
from support.places import let_use

SERVICE = QualifiedName("DB", "PUBLIC", "SVC")
BOB = Identity("BOB")


def test_a_decision_holds_until_anything_changes(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Requirement] = []
    allows = access.arbiter.allows

    def counted(requirement: Requirement, roles: Collection[str]) -> bool:
        asked.append(requirement)
        return allows(requirement, roles)

    monkeypatch.setattr(access.arbiter, "allows", counted)
    let_use(access, "DB", "DB.PUBLIC")
    access.users.create("BOB", owner="ACCOUNTADMIN")
    authorities = AccessAuthorities(access)
    assert not authorities.may_use(BOB, SERVICE)
    before = len(asked)
    assert not authorities.may_use(BOB, SERVICE)
    assert len(asked) == before
    name = f"{SERVICE}!{ENDPOINT_ROLE}"
    access.grants.grant(["USAGE"], "SERVICE_ROLE", name, role="PUBLIC", by="ACCOUNTADMIN")
    assert authorities.may_use(BOB, SERVICE)
    take(access, ["USAGE"], "SERVICE_ROLE", name, "PUBLIC")
    assert not authorities.may_use(BOB, SERVICE)
