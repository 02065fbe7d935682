"""Lines of logs by the times that they begin with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from nunatak.errors import InvalidArgument

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z) ")


def stamped(text: str) -> Iterator[tuple[str, str]]:
    """Each line with its time as it is written there. A line without one has that of the line
    before, from which it goes on; the first lines may have none."""
    stamp = ""
    for line in text.splitlines():
        match = _STAMP.match(line)
        stamp = stamp if match is None else match[1]
        yield stamp, line if match is None else line[match.end() :]


def selected(
    text: str,
    *,
    lines: int | None = None,
    since: datetime | None = None,
    with_times: bool | None = None,
) -> str:
    """The newest lines of a log, at most so many, from a moment on.

    `with_times` puts the time before every line, or before none; None leaves them as they are.
    """
    if since is None and with_times is None:
        found = text.splitlines(keepends=True)
        return "".join(found if lines is None else found[-lines:])
    rows = [
        (stamp, line, raw)
        for (stamp, line), raw in zip(stamped(text), text.splitlines(), strict=True)
        if since is None or (stamp and moment_of(stamp) >= since)
    ]
    rows = rows if lines is None else rows[-lines:]
    shown = (
        raw if with_times is None else f"{stamp} {line}".lstrip() if with_times else line
        for stamp, line, raw in rows
    )
    return "".join(f"{line}\n" for line in shown)


def moment_of(text: str) -> datetime:
    """A moment as ISO text, in UTC where it names no zone; raises InvalidArgument."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidArgument(
            f"'{text[:40]}' is no timestamp: write it as 2024-01-31T16:00:00Z."
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
