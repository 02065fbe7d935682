"""What the kernel tells of processes."""

from __future__ import annotations

import os

import psutil
import pytest

from nunatak.compute.process.procfs import (
    cpu_s,
    identify,
    is_alive,
    members,
    memory_bytes,
    with_argument,
)

NOBODY = 2**22 + 1
"""Larger than any number that the kernel gives."""


def test_a_process_is_itself_and_nobody_is_none() -> None:
    me = identify(os.getpid())

    assert me is not None
    assert is_alive(me)
    assert identify(NOBODY) is None


def test_the_family_and_the_arguments_of_this_process_are_seen() -> None:
    assert os.getpid() in members(os.getsid(0))
    assert os.getpid() in with_argument(psutil.Process().cmdline()[0])
    assert with_argument("no process has this argument") == set()


def test_the_memory_of_processes_is_summed_and_ended_ones_count_nothing() -> None:
    assert 0 < memory_bytes({os.getpid(), NOBODY}) <= psutil.Process().memory_info().rss * 1.1
    assert memory_bytes({NOBODY}) == 0


def test_where_shares_may_not_be_read_all_that_is_resident_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)

    assert memory_bytes({os.getpid()}) >= psutil.Process().memory_info().rss * 0.9


def test_the_processor_time_of_processes_is_summed_and_ended_ones_count_nothing() -> None:
    mine = os.times()

    used = cpu_s({os.getpid(), NOBODY})

    assert used >= mine.user + mine.system + mine.children_user + mine.children_system - 0.05
    assert cpu_s({NOBODY}) == 0.0
