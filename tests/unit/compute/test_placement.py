"""Packing instances on nodes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nunatak.compute.placement import Node, Request, nodes_needed, pick_gpus, place
from nunatak.compute.resources import Resources

CAPACITY = Resources(4.0, 16, 2)
amounts = st.builds(
    Resources,
    st.sampled_from([0.5, 1.0, 2.0, 4.0, 5.0]),
    st.integers(0, 20),
    st.integers(0, 3),
)
requests = st.lists(st.none() | amounts, max_size=12).map(
    lambda found: [Request(str(index), amount) for index, amount in enumerate(found)]
)


def nodes(count: int) -> list[Node]:
    return [Node(f"n{index}", CAPACITY, CAPACITY) for index in range(count)]


@given(requests, st.integers(0, 4))
def test_no_node_gets_more_than_it_has(wanted: list[Request], count: int) -> None:
    found = place(wanted, nodes(count))

    for node in nodes(count):
        used = Resources()
        for request in wanted:
            if found.assigned.get(request.id) == node.id:
                used = used + request.on(CAPACITY)
        assert used.fits(CAPACITY)


@given(requests, st.integers(0, 4))
def test_every_request_is_placed_or_waits(wanted: list[Request], count: int) -> None:
    found = place(wanted, nodes(count))

    waiting = {request.id for request in found.waiting}
    assert waiting | set(found.assigned) == {request.id for request in wanted}
    assert not waiting & set(found.assigned)


@given(requests, st.integers(0, 4))
def test_what_waits_fits_nowhere(wanted: list[Request], count: int) -> None:
    found = place(wanted, nodes(count))

    for request in found.waiting:
        for node in nodes(count):
            taken = Resources()
            for other in wanted:
                if found.assigned.get(other.id) == node.id:
                    taken = taken + other.on(CAPACITY)
            assert not request.on(CAPACITY).fits(CAPACITY - taken)


@given(requests)
def test_as_many_nodes_as_needed_hold_everything_that_fits_a_node(wanted: list[Request]) -> None:
    possible = [request for request in wanted if request.on(CAPACITY).fits(CAPACITY)]

    count = nodes_needed(wanted, CAPACITY, limit=20)

    assert not place(possible, nodes(count)).waiting


def test_started_nodes_are_filled_before_empty_ones() -> None:
    half = Node("half", CAPACITY, Resources(2.0, 8, 2))
    empty = Node("empty", CAPACITY, CAPACITY)

    found = place([Request("a", Resources(1.0, 1))], [empty, half])

    assert found.assigned == {"a": "half"}


def test_a_request_without_resources_takes_a_node_for_itself() -> None:
    found = place([Request("a", None), Request("b", None)], nodes(1))

    assert found.assigned == {"a": "n0"}
    assert [request.id for request in found.waiting] == ["b"]


def test_a_large_request_does_not_hold_up_small_ones() -> None:
    found = place([Request("large", Resources(9.0)), Request("small", Resources(1.0))], nodes(1))

    assert found.assigned == {"small": "n0"}


def test_gpus_are_given_out_once() -> None:
    assert pick_gpus(2, all_gpus=range(4), taken=[0, 2]) == (1, 3)
    assert pick_gpus(2, all_gpus=range(2), taken=[0]) == (1,)
