"""Statements and sessions of others: who may stop them, in every way there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nunatak.access.sessions import SessionRecord
from nunatak.errors import NunatakError, ObjectNotFound
from nunatak.protocol.queries import Query
from nunatak.warehouse.core.session import Session
from support.front_end import ADMIN, Front

MEANS = {
    "statement": "SELECT SYSTEM$CANCEL_QUERY('running')",
    "session's statements": "SELECT SYSTEM$CANCEL_ALL_QUERIES({session})",
    "session": "CALL SYSTEM$ABORT_SESSION({session})",
    "user's statements": "ALTER USER BOB ABORT ALL QUERIES",
    "warehouse's statements": "ALTER WAREHOUSE WH ABORT ALL QUERIES",
}
OF_USER = tuple(MEANS)[:4]
WHO = {
    "BOB": OF_USER,
    "ACCOUNTADMIN": tuple(MEANS),
    "OWNS_BOB": OF_USER,
    "OWNS_WH": ("statement", "warehouse's statements"),
    "OPERATES_WH": ("statement", "warehouse's statements"),
    "MONITORS_WH": (),
    "OWNS_OTHER_WH": (),
    "NOBODY": (),
}


@dataclass
class Place:
    """A front whose user BOB runs a statement in the warehouse WH."""

    front: Front
    record: SessionRecord
    query: Query

    def run(self, who: str, means: str) -> str:
        """Use a way to stop it as somebody; what is answered."""
        user, role = ("BOB", "PUBLIC") if who == "BOB" else (f"{who}_USER", who)
        self.front.session = Session(id=99, user=user, role=role)
        return str(self.front.value(MEANS[means].format(session=self.record.id)))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Everybody is there."""
    front = Front(tmp_path)
    front.rows("CREATE USER BOB")
    for name in ("OWNS_BOB", "OWNS_WH", "OPERATES_WH", "MONITORS_WH", "OWNS_OTHER_WH", "NOBODY"):
        front.rows(f"CREATE ROLE {name}")
    for who in WHO:
        if who != "BOB":
            front.rows(f"CREATE USER {who}_USER")
            front.rows(f"GRANT ROLE {who} TO USER {who}_USER")
    front.rows("CREATE WAREHOUSE OTHER_WH")
    front.rows("GRANT OWNERSHIP ON USER BOB TO ROLE OWNS_BOB")
    front.rows("GRANT OWNERSHIP ON WAREHOUSE WH TO ROLE OWNS_WH")
    front.rows("GRANT OWNERSHIP ON WAREHOUSE OTHER_WH TO ROLE OWNS_OTHER_WH")
    front.rows("GRANT OPERATE ON WAREHOUSE WH TO ROLE OPERATES_WH")
    front.rows("GRANT MONITOR ON WAREHOUSE WH TO ROLE MONITORS_WH")
    record, _ = front.parts.access.sessions.open("BOB")
    query = front.running(
        "running", session_id=record.id, user="BOB", warehouse="WH", started_on=record.created_on
    )
    own = front.session
    yield Place(front, record, query)
    front.session = own
    front.close()


@pytest.mark.parametrize("means", MEANS)
@pytest.mark.parametrize("who", WHO)
def test_statements_are_stopped_by_who_may(place: Place, who: str, means: str) -> None:
    sessions, may = place.front.parts.access.sessions, means in WHO[who]
    if may:
        place.run(who, means)
    else:
        with pytest.raises(NunatakError):
            place.run(who, means)

    assert place.query.cancelled.is_set() is may
    ended = sessions.get(place.record.id) is None
    assert ended is (may and means == "session")


@pytest.mark.parametrize("means", ["statement", "session's statements", "session"])
def test_what_one_may_not_stop_is_not_told_apart_from_nothing(place: Place, means: str) -> None:
    texts = []
    for number in (place.record.id, 4711):
        name = "running" if number == place.record.id else "4711"
        text = MEANS[means].replace("running", name).format(session=number)
        place.front.session = Session(id=99, user="NOBODY_USER", role="NOBODY")
        with pytest.raises(ObjectNotFound) as refused:
            place.front.rows(text)
        texts.append(refused.value.message.replace(name, "…").replace(str(number), "…"))

    assert texts[0] == texts[1]


@pytest.mark.parametrize("session", ["'x'", "-1", "1.5", "'٤'", "9" * 40, "''"])
def test_what_is_no_session_is_not_found(place: Place, session: str) -> None:
    for function in ("CANCEL_ALL_QUERIES", "ABORT_SESSION"):
        with pytest.raises(NunatakError):
            place.front.rows(f"SELECT SYSTEM${function}({session})")


def test_a_session_that_ends_takes_its_tokens_along(place: Place) -> None:
    access = place.front.parts.access
    _, tokens = access.sessions.open("BOB")
    record = access.sessions.by_token(tokens.token)

    assert place.front.value(f"SELECT SYSTEM$ABORT_SESSION({record.id})") == (
        f"session [{record.id}] terminated."
    )

    with pytest.raises(NunatakError):
        access.sessions.by_token(tokens.token)


def test_a_new_user_of_the_name_does_not_stop_what_the_old_one_ran(place: Place) -> None:
    later = Session(id=99, user="BOB", role="PUBLIC", user_since=place.record.created_on + 1)
    place.front.session = later
    with pytest.raises(ObjectNotFound):
        place.front.rows(MEANS["statement"])
    assert not place.query.cancelled.is_set()


def test_the_statement_that_asks_goes_on(place: Place) -> None:
    place.front.rows(f"GRANT ROLE {ADMIN} TO USER BOB")
    place.front.session = Session(id=place.record.id, user="BOB", role=ADMIN)
    for means in ("session's statements", "user's statements", "warehouse's statements"):
        request = place.front.request(MEANS[means].format(session=place.record.id))
        asking = place.front.running(
            request.query_id, session_id=place.record.id, user="BOB", warehouse="WH"
        )
        place.front.answer(request)
        assert place.query.cancelled.is_set()
        assert not asking.cancelled.is_set()


@pytest.mark.parametrize("kind", ["USER", "WAREHOUSE"])
def test_who_is_not_there_runs_nothing(place: Place, kind: str) -> None:
    with pytest.raises(ObjectNotFound):
        place.front.rows(f"ALTER {kind} NOBODY ABORT ALL QUERIES")
    place.front.rows(f"ALTER {kind} IF EXISTS NOBODY ABORT ALL QUERIES")
    assert not place.query.cancelled.is_set()
