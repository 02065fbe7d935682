"""Memory of requests: how much those inside an instance may hold together."""

from pathlib import Path

_SHARE = 4
_LEAST = 64 * 1024 * 1024


def memory_for_requests(limit_bytes: int | None) -> int:
    """A quarter of what the instance may use; without a limit, of what the machine has left."""
    allowed = [limit_bytes] if limit_bytes else [size for size in (_available(), _cgroup()) if size]
    return max(_LEAST, min(allowed, default=4 * _LEAST) // _SHARE)


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    return None


def _cgroup() -> int | None:
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        return int(text) if text != "max" else None
    except (OSError, ValueError):
        return None
