"""Files that are free serve again; what is kept is bounded, and not kept for long."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.transport.shm.memory_file import MemoryFile
from nunatak.transport.shm.memory_file_pool import MemoryFilePool

MB = 1_000_000


class Loop(asyncio.SelectorEventLoop):
    """A loop that is not run: nothing is kept by its timers."""


def taken(files: MemoryFilePool, size: int) -> MemoryFile:
    file = files.take(size)
    assert file is not None
    return file


@given(
    st.lists(
        st.tuples(st.integers(65_537, 4 * MB), st.sampled_from(["back", "back", "looked into"])),
        max_size=15,
    ),
    st.integers(0, 8 * MB),
)
def test_a_file_is_never_in_two_hands_and_what_is_kept_is_bounded(
    bodies: list[tuple[int, str]], limit: int
) -> None:
    loop = Loop()
    try:
        files = MemoryFilePool(loop, limit_bytes=limit)
        held: list[MemoryFile] = []
        lost: list[MemoryFile] = []
        for size, end in bodies:
            file = taken(files, size)
            assert all(file is not other for other in held + lost)
            assert file.body_size == size <= len(file) <= 4 * max(size, 256 * 1024)
            held.append(file)
            if end == "looked into":
                file.readers = 1
                lost.append(file)
            if len(held) == 3:
                for one in held:
                    files.give_back(one)
                held.clear()
            assert files.kept_bytes <= limit
        files.close()
        assert files.kept_bytes == 0
    finally:
        loop.close()


@pytest.mark.looptime
@pytest.mark.asyncio
async def test_what_is_not_needed_for_a_while_is_let_go() -> None:
    files = MemoryFilePool(asyncio.get_running_loop(), limit_bytes=100 * MB)
    first, second = taken(files, MB), taken(files, 2 * MB)
    files.give_back(first)
    await asyncio.sleep(6)
    files.give_back(second)
    await asyncio.sleep(6)
    assert files.kept_bytes == len(second)
    assert taken(files, 2 * MB) is second
    files.give_back(second)
    await asyncio.sleep(12)
    assert files.kept_bytes == 0


def test_only_its_maker_can_change_a_file() -> None:
    file = MemoryFile.make(4096, reserved=True)
    file[:5] = b"hello"
    again = os.open(f"/proc/self/fd/{file.descriptor}", os.O_RDWR)
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EPERM)):
            os.pwrite(again, b"x", 0)
        with pytest.raises(OSError, match=os.strerror(errno.EPERM)):
            os.ftruncate(again, 10)
    finally:
        os.close(again)
    assert file[:5] == b"hello"
