"""Admission keeps its bounds, is fair, and lets go of what it holds."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nunatak.transport.admission.admission import Admission, AdmissionPolicy, Class, Verdict

POLICY = AdmissionPolicy(
    memory_bytes=1_000_000, least_steady=4, least_burst=16, most=64, bulk_requests=3
)
FAR = 1e9


def enter(
    admission: Admission, now: float, user: str = "", size: int = 10, *, returning: bool = False
) -> Verdict:
    decision = admission.ask(
        user, Class.INTERACTIVE, size_bytes=size, deadline=FAR, now=now, returning=returning
    )
    if decision.verdict is Verdict.ADMIT:
        admission.enter(user, Class.INTERACTIVE, size_bytes=size, now=now)
    return decision.verdict


def leave(admission: Admission, now: float, user: str = "", size: int = 10) -> None:
    admission.leave(user, Class.INTERACTIVE, size_bytes=size, now=now, answered=True)


def warmed(rate: float) -> Admission:
    """Admission that has seen so many answers a second."""
    admission = Admission(POLICY)
    admission.enter("", Class.INTERACTIVE, size_bytes=0, now=0.0)
    now = 0.0
    for _ in range(int(rate * 2)):
        now += 1 / rate
        admission.enter("", Class.INTERACTIVE, size_bytes=0, now=now)
        leave(admission, now, size=0)
    leave(admission, now, size=0)
    return admission


def test_capacity_is_what_was_answered_while_busy() -> None:
    assert 90 < warmed(100).capacity < 110


def test_time_without_requests_does_not_count_against_capacity() -> None:
    admission = warmed(100)
    for second in range(100, 200):
        enter(admission, second)
        leave(admission, second + 0.01)
    assert admission.capacity > 80


def test_a_burst_is_let_in_and_standing_load_is_not() -> None:
    admission = warmed(100)  # 50 requests in half a second, 1 in ten milliseconds
    burst = [enter(admission, 10.0) for _ in range(60)]
    assert burst.count(Verdict.ADMIT) == admission.limit(10.0) == 50
    for _ in range(10):
        leave(admission, 10.2)
    assert admission.limit(10.2) == POLICY.least_steady
    assert enter(admission, 10.2) is Verdict.REFUSE_CAPACITY


def test_calm_brings_the_burst_back() -> None:
    admission = warmed(100)
    for _ in range(20):
        enter(admission, 10.0)
    for _ in range(20):
        leave(admission, 10.2)
    assert admission.limit(10.3) == POLICY.least_steady
    assert admission.limit(10.2 + POLICY.calm_s) > POLICY.least_steady


def test_a_caller_over_its_share_makes_room_for_another() -> None:
    admission = Admission(POLICY)
    greedy = [enter(admission, 1.0, "greedy") for _ in range(20)]
    assert greedy.count(Verdict.ADMIT) == POLICY.least_burst
    assert enter(admission, 1.0, "modest") is Verdict.ADMIT
    assert enter(admission, 1.0, "greedy") is Verdict.REFUSE_CALLER


def test_who_was_sent_back_and_waited_takes_the_place_of_one_who_never_had_to() -> None:
    admission = Admission(POLICY)
    for _ in range(POLICY.least_burst):
        enter(admission, 1.0)
    assert enter(admission, 1.0) is Verdict.REFUSE_CAPACITY
    returned = [enter(admission, 1.0, returning=True) for _ in range(POLICY.least_burst)]
    assert returned.count(Verdict.ADMIT) == POLICY.least_burst // 2
    leave(admission, 1.0)
    assert enter(admission, 1.0) is Verdict.REFUSE_CAPACITY


def test_waiting_gives_no_caller_more_than_its_share() -> None:
    admission = Admission(POLICY)
    for number in range(POLICY.least_burst):
        enter(admission, 1.0, "greedy" if number else "modest")
    assert enter(admission, 1.0, "greedy", returning=True) is Verdict.REFUSE_CALLER


def test_a_request_that_would_be_late_is_refused_at_once() -> None:
    admission = warmed(100)
    for _ in range(40):
        enter(admission, 10.0)
    soon = admission.ask("", Class.INTERACTIVE, size_bytes=1, deadline=10.2, now=10.0)
    later = admission.ask("", Class.INTERACTIVE, size_bytes=1, deadline=11.0, now=10.0)
    assert (soon.verdict, later.verdict) == (Verdict.REFUSE_CAPACITY, Verdict.ADMIT)


def test_refusals_are_told_to_come_back_in_turn() -> None:
    admission = warmed(100)
    for _ in range(50):
        enter(admission, 10.0)
    waits = [
        admission.ask("", Class.INTERACTIVE, size_bytes=1, deadline=FAR, now=10.0).retry_after_s
        for _ in range(20)
    ]
    assert min(waits) >= 1
    assert len(set(waits)) > 1


def test_memory_bounds_what_is_inside_but_never_the_only_request() -> None:
    admission = Admission(POLICY)
    assert enter(admission, 1.0, size=10_000_000) is Verdict.ADMIT
    assert enter(admission, 1.0, size=1) is Verdict.REFUSE_CAPACITY
    leave(admission, 1.0, size=10_000_000)
    assert enter(admission, 1.0, size=1) is Verdict.ADMIT


def test_bulk_waits_and_is_never_refused() -> None:
    admission = Admission(POLICY)
    for wanted in (Verdict.ADMIT, Verdict.ADMIT, Verdict.ADMIT, Verdict.WAIT):
        decision = admission.ask("", Class.BULK, size_bytes=10, deadline=FAR, now=1.0)
        assert decision.verdict is wanted
        if wanted is Verdict.ADMIT:
            admission.enter("", Class.BULK, size_bytes=10, now=1.0)


@dataclass
class Inside:
    user: str
    klass: Class
    size: int


events = st.tuples(
    st.floats(0, 0.3),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(Class),
    st.sampled_from([0, 10, 1000, 400_000]),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(events, max_size=150))
def test_the_bounds_hold_whatever_comes(
    steps: list[tuple[float, str, Class, int, bool, bool]],
) -> None:
    admission, inside, now = Admission(POLICY), list[Inside](), 0.0
    for pause, user, klass, size, leaves, returning in steps:
        now += pause
        if leaves and inside:
            gone = inside.pop(size % len(inside))
            admission.leave(
                gone.user, gone.klass, size_bytes=gone.size, now=now, answered=size > 10
            )
        limit = admission.limit(now)
        decision = admission.ask(
            user, klass, size_bytes=size, deadline=now + 5, now=now, returning=returning
        )
        assert (decision.verdict is Verdict.WAIT) <= (klass is Class.BULK)
        if decision.verdict is Verdict.ADMIT:
            admission.enter(user, klass, size_bytes=size, now=now)
            inside.append(Inside(user, klass, size))
            many = sum(one.klass is Class.INTERACTIVE for one in inside)
            room = max(4, limit // (2 if returning else 4))
            assert many <= limit + room or klass is Class.BULK
            assert len(inside) - many <= POLICY.bulk_requests
            assert (
                admission.held_bytes <= POLICY.memory_bytes
                or len(inside) == 1
                or (klass is Class.BULK and len(inside) - many == 1)
            )
        elif klass is Class.INTERACTIVE:
            assert decision.reason
            assert 1 <= decision.retry_after_s <= 60
        assert admission.inside == len(inside)
    for one in inside:
        admission.leave(one.user, one.klass, size_bytes=one.size, now=now, answered=True)
    assert (admission.inside, admission.held_bytes) == (0, 0)
