import os
import re
from collections.abc import Iterator

import pytest

from nunatak.worker import output


@pytest.fixture
def pipe() -> Iterator[tuple[int, output.StampedStream]]:
    """A stream and the end to read it from."""
    read_end, write_end = os.pipe()
    yield read_end, output.StampedStream(write_end)
    output.begin("-")
    os.close(read_end)
    os.close(write_end)


def test_whole_lines_carry_the_request(pipe: tuple[int, output.StampedStream]) -> None:
    read_end, stream = pipe
    output.begin("abc")
    stream.write("one\ntw")
    stream.write("o\nrest")
    stream.flush()

    lines = os.read(read_end, 10_000).decode().splitlines()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z pid=\d+ request=abc \| "
    assert [re.sub(stamp, "", line) for line in lines] == ["one", "two", "rest"]


def test_long_lines_are_cut_so_that_writers_do_not_mix(
    pipe: tuple[int, output.StampedStream],
) -> None:
    read_end, stream = pipe
    stream.write("x" * 9000 + "\n")

    lines = os.read(read_end, 20_000).splitlines(keepends=True)
    assert len(lines) == 3
    assert all(len(line) <= 4096 for line in lines)
    assert sum(line.count(b"x") for line in lines) == 9000
