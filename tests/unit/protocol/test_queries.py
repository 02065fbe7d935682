"""States of queries: only legal ways, whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import LimitExceeded, ObjectNotFound
from nunatak.protocol.queries import (
    FINISHED,
    TRANSITIONS,
    Query,
    QueryPlace,
    QueryRegistry,
    QueryStatus,
)


def _query(name: str = "q", session_id: int = 1, request_id: str = "") -> Query:
    return Query(
        id=name, session_id=session_id, user="ADA", text="", request_id=request_id, started_on=0.0
    )


@given(st.lists(st.sampled_from(list(QueryStatus))))
def test_a_query_moves_only_along_the_table(wanted: list[QueryStatus]) -> None:
    query = _query()
    for status in wanted:
        before = query.status
        if status in TRANSITIONS[before]:
            query.become(status)
            assert query.status is status
        else:
            with pytest.raises(AssertionError):
                query.become(status)
            assert query.status is before


def test_nothing_follows_an_end() -> None:
    assert all(not TRANSITIONS[status] for status in FINISHED)


def test_too_many_unfinished_queries_are_refused() -> None:
    registry = QueryRegistry(entries=10, most_unfinished=1, most_of_user=10)
    query, _ = registry.find_or_add(1, "", _query)

    with pytest.raises(LimitExceeded):
        registry.find_or_add(1, "", lambda: _query("other"))
    query.become(QueryStatus.RUNNING)
    registry.end(query, QueryStatus.SUCCESS, now=1.0)
    registry.find_or_add(1, "", lambda: _query("other"))


def test_running_queries_are_not_forgotten() -> None:
    registry = QueryRegistry(entries=1, most_unfinished=10, most_of_user=10)
    for name in ("a", "b", "c"):
        registry.add(_query(name))

    assert [query.id for query in registry.history()] == ["c", "b", "a"]


def test_a_forgotten_request_may_run_again() -> None:
    registry = QueryRegistry(entries=1, most_unfinished=10, most_of_user=10)
    query, _ = registry.find_or_add(1, "r", lambda: _query("a", request_id="r"))
    query.become(QueryStatus.RUNNING)
    registry.end(query, QueryStatus.SUCCESS, now=1.0)
    registry.add(_query("b"))

    assert registry.find("a") is None
    assert registry.find_or_add(1, "r", lambda: _query("c", request_id="r"))[1] is True


def test_cancelling_what_is_meant_spares_the_query_that_asks() -> None:
    registry = QueryRegistry(entries=10, most_unfinished=10, most_of_user=10)
    queries = [_query("a"), _query("b"), _query("other", session_id=2)]
    for query in queries:
        registry.add(query)

    assert registry.cancel_where(lambda query: query.session_id == 1, spare="a") == 1
    assert [query.cancelled.is_set() for query in queries] == [False, True, False]


def test_only_the_user_cancels_and_only_what_runs() -> None:
    registry = QueryRegistry(entries=10, most_unfinished=10, most_of_user=10)
    query = _query()
    registry.add(query)

    with pytest.raises(ObjectNotFound):
        registry.cancel("q", user="EVE")
    with pytest.raises(ObjectNotFound):
        registry.cancel("unknown", user="ADA")
    assert registry.cancel("q", user="ADA") is True
    query.become(QueryStatus.ABORTED)
    assert registry.cancel("q", user="ADA") is False


def test_what_runs_is_told_in_the_form_of_a_record() -> None:
    registry = QueryRegistry(entries=9, most_unfinished=9, most_of_user=9)
    query = Query(
        id="q",
        session_id=1,
        user="ADA",
        text="ALTER USER U SET PASSWORD = 'secret'",
        request_id="",
        started_on=0.0,
        place=QueryPlace(role="R", warehouse="WH"),
    )
    registry.add(query)
    (record,) = registry.running()
    assert (record["status"], record["role"], record["warehouse"]) == ("QUEUED", "R", "WH")
    assert "secret" not in record["text"]
    query.become(QueryStatus.RUNNING)
    registry.end(query, QueryStatus.SUCCESS, now=1.0)
    assert registry.running() == []


def test_every_query_that_ends_is_told_of_once() -> None:
    ended: list[str] = []
    registry = QueryRegistry(
        entries=9, most_unfinished=9, most_of_user=9, on_end=lambda query: ended.append(query.id)
    )
    one, child = (
        Query(id=name, session_id=1, user="ADA", text="", request_id="", started_on=0.0)
        for name in ("one", "child")
    )
    for query in (one, child):
        query.become(QueryStatus.RUNNING)
    registry.add(one)
    child.become(QueryStatus.SUCCESS)
    registry.add(child)
    registry.end(one, QueryStatus.SUCCESS, now=1.0)
    assert ended == ["child", "one"]
