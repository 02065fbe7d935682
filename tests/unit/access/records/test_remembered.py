"""What is remembered is never older than the last change."""

from __future__ import annotations

from nunatak.access.records.remembered import Remembered


def test_a_value_is_read_once_until_it_is_forgotten() -> None:
    remembered: Remembered[str, int] = Remembered()
    values = iter((1, 2, 3))

    def read(_: str) -> int:
        return next(values)

    assert [remembered.get("a", read), remembered.get("a", read)] == [1, 1]
    remembered.forget("b")
    assert remembered.get("a", read) == 1
    remembered.forget("a")
    assert remembered.get("a", read) == 2
    remembered.forget()
    assert remembered.get("a", read) == 3


def test_what_is_read_during_a_change_is_not_kept() -> None:
    remembered: Remembered[str, int] = Remembered()

    def read_before_the_change(_: str) -> int:
        remembered.forget()
        return 1

    assert remembered.get("a", read_before_the_change) == 1
    assert remembered.get("a", lambda _: 2) == 2


def test_nothing_is_no_value_to_keep() -> None:
    remembered: Remembered[str, int] = Remembered()

    assert remembered.get("a", lambda _: None) is None
    assert remembered.get("a", lambda _: 1) == 1


def test_the_longest_unused_goes_first() -> None:
    remembered: Remembered[str, str] = Remembered(entries=2)
    for key in ("a", "b", "a", "c"):
        remembered.get(key, str)

    assert remembered.get("a", str.upper) == "a"
    assert remembered.get("b", str.upper) == "B"
