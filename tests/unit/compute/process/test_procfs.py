"""What the kernel tells of processes."""

from __future__ import annotations

import os

from nunatak.compute.process.procfs import cpu_s


def test_the_processor_time_of_processes_is_summed_and_ended_ones_count_nothing() -> None:
    mine = os.times()
    nobody = 2**22 + 1  # larger than any number that the kernel gives

    used = cpu_s({os.getpid(), nobody})

    assert used >= mine.user + mine.system + mine.children_user + mine.children_system - 0.05
    assert cpu_s({nobody}) == 0.0
