"""Foreign code runs confined, or because the operator said so."""

from __future__ import annotations

import pytest

from nunatak.confinement.policy import Confinement
from nunatak.errors import ConfinementMissing


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize(
    ("program", "words"),
    [("bubblewrap", "by bubblewrap: "), ("namespaces", "by namespaces that the server makes")],
)
def test_what_can_be_shut_in_is(program: str, words: str, *, asked: bool) -> None:
    found = Confinement("", asked, program)
    found.check()
    assert found.available
    assert f"are confined {words}" in found.detail


def test_what_cannot_is_refused_with_the_way_out() -> None:
    found = Confinement("bubblewrap is not installed", allow_unconfined=False)
    with pytest.raises(ConfinementMissing, match=r"is not installed.*--allow-unconfined"):
        found.check()
    assert found.detail.startswith("models and builds are refused: bubblewrap is not installed")


@pytest.mark.parametrize(
    ("user", "words"),
    [(0, "as users of their own, without sight of the home"), (1000, "all rights of this user")],
)
def test_what_was_asked_for_is_said(monkeypatch: pytest.MonkeyPatch, user: int, words: str) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("nunatak.confinement.policy.other_user", lambda _: 7)
    found = Confinement("bubblewrap is not installed", allow_unconfined=True)
    found.check()
    assert "NOT confined" in found.detail
    assert words in found.detail
