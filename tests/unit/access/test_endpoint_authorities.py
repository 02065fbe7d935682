"""Who may use an endpoint is decided once, and again when anything has changed."""

from __future__ import annotations

import pytest

from nunatak.access.authenticate import Identity
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.names import QualifiedName
from nunatak.ingress.gate import ENDPOINT_ROLE, AccessAuthorities
from support.granting import take

SERVICE = QualifiedName("DB", "PUBLIC", "SVC")
BOB = Identity("BOB")


def test_a_decision_holds_until_anything_changes(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    allows = access.allows

    def counted(role: str, requirement: Requirement) -> bool:
        asked.append(role)
        return allows(role, requirement)

    monkeypatch.setattr(access, "allows", counted)
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
