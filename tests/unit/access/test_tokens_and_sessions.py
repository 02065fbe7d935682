"""Tokens: stored as hashes, with an end. Sessions: bounded, renewable, lasting."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.access.credentials.tokens import DAY_S, TokenKind
from nunatak.access.records.store import AccessStore
from nunatak.access.service import Access
from nunatak.access.sessions import has_place
from nunatak.catalog.engine import Database
from nunatak.config import Settings
from nunatak.errors import (
    InvalidArgument,
    LimitExceeded,
    LoginRefused,
    ObjectExists,
    ObjectNotFound,
    TokenExpired,
    TokenInvalid,
)

from .conftest import Clock


def test_the_text_of_a_token_is_stored_nowhere(access: Access, settings: Settings) -> None:
    token = access.tokens.add_access("ADMIN", "T")
    _, tokens = access.sessions.open("ADMIN")

    stored = b"".join(file.read_bytes() for file in Path(settings.home).iterdir() if file.is_file())

    assert not any(text.encode() in stored for text in (token, tokens.token, tokens.master_token))


def test_access_tokens_are_listed_and_removed(access: Access) -> None:
    text = access.tokens.add_access("ADMIN", "NEW", days=1, role="SYSADMIN", comment="ci")

    (listed,) = access.tokens.access_of("ADMIN")
    found = access.tokens.find(text)

    assert found == listed
    assert (listed.name, listed.disabled, listed.role, listed.comment) == (
        "NEW", False, "SYSADMIN", "ci",
    )  # fmt: skip
    access.tokens.remove_access("ADMIN", "NEW")
    assert access.tokens.find(text) is None
    with pytest.raises(ObjectNotFound):
        access.tokens.remove_access("ADMIN", "NEW")


def test_access_tokens_are_bounded(access: Access) -> None:
    for number in range(15):
        access.tokens.add_access("ADMIN", f"T{number}")

    with pytest.raises(LimitExceeded):
        access.tokens.add_access("ADMIN", "ONE_MORE")
    with pytest.raises(InvalidArgument):
        access.tokens.add_access("ADMIN", "T", days=1000)
    access.tokens.remove_access("ADMIN", "T0")
    with pytest.raises(ObjectExists):
        access.tokens.add_access("ADMIN", "T1")


def test_a_session_token_expires_and_is_renewed(access: Access, clock: Clock) -> None:
    record, tokens = access.sessions.open("ADMIN", context={"schema": "S"})
    assert access.sessions.by_token(tokens.token) == record

    clock.now += 61
    with pytest.raises(TokenExpired):
        access.sessions.by_token(tokens.token)

    again, renewed = access.sessions.renew(tokens.master_token)
    assert again == record
    assert access.sessions.by_token(renewed.token) == record


def test_a_master_token_expires(access: Access, clock: Clock) -> None:
    _, tokens = access.sessions.open("ADMIN")
    clock.now += 601

    with pytest.raises(TokenExpired):
        access.sessions.renew(tokens.master_token)


def test_a_token_opens_only_what_it_is_for(access: Access) -> None:
    _, tokens = access.sessions.open("ADMIN")

    for wrong in (tokens.master_token, access.tokens.add_access("ADMIN", "T"), "", "x" * 10_000):
        with pytest.raises(TokenInvalid):
            access.sessions.by_token(wrong)
    with pytest.raises(TokenInvalid):
        access.sessions.renew(tokens.token)


def test_a_closed_session_cannot_be_renewed(access: Access) -> None:
    record, tokens = access.sessions.open("ADMIN")

    access.sessions.close(record.id)
    access.sessions.close(record.id)

    with pytest.raises(TokenInvalid):
        access.sessions.renew(tokens.master_token)


def test_sessions_outlive_the_process(
    access: Access, database: Database, settings: Settings, clock: Clock
) -> None:
    record, tokens = access.sessions.open("ADMIN", restricted_to="SYSADMIN")
    access.sessions.save_context(record.id, {"schema": "KEPT"})

    later = Access(database, settings, clock=clock)

    found = later.sessions.by_token(tokens.token)
    assert found.context == {"schema": "KEPT"}
    assert found.restricted_to == "SYSADMIN"


def test_idle_sessions_are_ended_and_used_ones_stay(access: Access, clock: Clock) -> None:
    idle, _ = access.sessions.open("ADMIN")
    used, _ = access.sessions.open("ADMIN")
    clock.now += 3000
    text = access.tokens.issue(TokenKind.SESSION, "ADMIN", lifetime_s=60, session_id=used.id)
    access.sessions.by_token(text)
    clock.now += 1000

    assert access.sessions.sweep() == [idle.id]
    assert access.sessions.get(used.id) is not None


def test_the_longest_idle_session_makes_room(access: Access, clock: Clock) -> None:
    first, _ = access.sessions.open("ADMIN")
    clock.now += 700
    for _ in range(2):
        access.sessions.open("ADMIN")

    access.sessions.open("ADMIN")

    assert access.sessions.get(first.id) is None


def test_sessions_in_use_are_not_pushed_out(access: Access) -> None:
    for _ in range(3):
        access.sessions.open("ADMIN")

    with pytest.raises(LimitExceeded, match=r"limits\.sessions"):
        access.sessions.open("ADMIN")


def test_a_login_waits_for_the_disk_once(access: Access, clock: Clock) -> None:
    token = access.tokens.add_access("ADMIN", "T")
    before = access.commits

    identity = access.authenticator.access_token(token)
    _, tokens = access.sessions.open("ADMIN", opened_by=identity.opened_by)

    assert access.commits == before + 1
    assert access.sessions.by_token(tokens.token)
    assert access.users.get("ADMIN").last_login == clock.now
    access.sessions.renew(tokens.master_token)
    assert access.commits == before + 2


def test_the_end_of_a_session_makes_nobody_read_the_others_again(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, kept), (gone, _) = access.sessions.open("ADMIN"), access.sessions.open("ADMIN")
    access.sessions.by_token(kept.token)
    access.sessions.close(gone.id)

    monkeypatch.setattr(AccessStore, "read", lambda _: pytest.fail("the catalog was read"))

    assert access.sessions.by_token(kept.token)


def test_what_a_refused_login_does_leaves_what_is_remembered(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [access.sessions.open("ADMIN") for _ in range(3)]
    for _, tokens in made:
        access.sessions.by_token(tokens.token)
    before = access.commits
    with pytest.raises(LimitExceeded):
        access.sessions.open("ADMIN")
    assert access.commits - before <= 2  # looked twice, wrote nothing

    monkeypatch.setattr(AccessStore, "read", lambda _: pytest.fail("the catalog was read"))

    for record, tokens in made:
        assert access.sessions.by_token(tokens.token) == record


def test_the_use_that_is_not_written_down_yet_counts_when_room_is_made(
    access: Access, clock: Clock
) -> None:
    first, _ = access.sessions.open("ADMIN")
    for _ in range(2):
        access.sessions.open("ADMIN")
    clock.now += 700
    text = access.tokens.issue(TokenKind.SESSION, "ADMIN", lifetime_s=60, session_id=first.id)
    access.sessions.by_token(text)

    access.sessions.open("ADMIN")

    assert access.sessions.get(first.id) is not None


def test_one_user_leaves_places_to_the_others(access: Access) -> None:
    for name in ("GREEDY", "ADA"):
        access.users.create(name, owner="X")
    access.sessions.open("GREEDY")

    with pytest.raises(LimitExceeded, match="GREEDY"):
        access.sessions.open("GREEDY")

    access.sessions.open("ADA")
    access.sessions.open("ADMIN")


def test_at_the_share_only_an_idle_session_of_the_same_user_makes_room(
    access: Access, clock: Clock
) -> None:
    access.users.create("GREEDY", owner="X")
    other, _ = access.sessions.open("ADMIN")
    first, _ = access.sessions.open("GREEDY")
    clock.now += 700

    access.sessions.open("GREEDY")

    assert access.sessions.get(first.id) is None
    assert access.sessions.get(other.id) is not None


def _fill(others: int, places: int = 1000) -> int:
    held = 0
    while has_place(held, others, places=places, is_administrator=False):
        held += 1
    return held


def test_every_user_who_comes_gets_half_of_what_is_left_and_administrators_the_reserve() -> None:
    taken: list[int] = []
    while share := _fill(sum(taken)):
        taken.append(share)

    assert taken[:3] == [490, 245, 122]
    assert sum(taken) == 980
    assert has_place(0, 980, places=1000, is_administrator=True)
    assert not has_place(0, 1000, places=1000, is_administrator=True)


def test_expired_tokens_are_forgotten(access: Access, clock: Clock) -> None:
    text = access.tokens.add_access("ADMIN", "T", days=1)
    clock.now += 2 * DAY_S

    access.sessions.sweep()

    assert access.tokens.find(text) is None


def test_a_session_is_not_opened_for_a_user_who_was_taken_away(access: Access) -> None:
    access.users.create("ADA", owner="X")
    token = access.tokens.add_access("ADA", "T")
    identity = access.authenticator.access_token(token)

    access.administration.drop_user("ADA")

    for opened_by in (None, identity.opened_by):
        with pytest.raises(LoginRefused):
            access.sessions.open("ADA", opened_by=opened_by)


def test_a_session_ends_with_the_token_that_opened_it(access: Access, clock: Clock) -> None:
    token = access.tokens.add_access("ADMIN", "T", days=1)
    identity = access.authenticator.access_token(token)
    clock.now += DAY_S - 30
    _, tokens = access.sessions.open("ADMIN", opened_by=identity.opened_by)
    access.sessions.by_token(tokens.token)

    clock.now += 31

    with pytest.raises(TokenInvalid):
        access.sessions.by_token(tokens.token)
    with pytest.raises(TokenInvalid):
        access.sessions.renew(tokens.master_token)
