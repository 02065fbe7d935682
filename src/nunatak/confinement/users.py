"""Another user for foreign code to run as, so that root in a sandbox is not root outside of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_MAP = Path("/proc/self/uid_map")
_RANGES = ((1_900_000_000, 2**27), (61_184, 4_336))
"""First number and how many: one that distributions leave unused, then, for containers that have
few users, that of users which exist only while something runs."""


def other_user(what: str) -> int | None:
    """The number of the user that `what` runs as: always the same, with no name and no files.

    None when this process is not root, or its machine has no other users to give.
    """
    if os.geteuid() != 0:
        return None
    digest = int.from_bytes(hashlib.sha256(os.fsencode(what)).digest()[:8])
    mapped = _mapped(_MAP.read_text())
    for first, count in _RANGES:
        if any(start <= first and first + count <= end for start, end in mapped):
            return first + digest % count
    return None


def _mapped(text: str) -> list[tuple[int, int]]:
    """The users of this namespace, as a first number and the one after the last."""
    lines = (line.split() for line in text.splitlines())
    return [(int(first), int(first) + int(count)) for first, _, count in lines]
