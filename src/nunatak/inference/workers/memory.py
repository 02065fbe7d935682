"""Memory of processes."""


def pss_bytes(pid: int) -> int:
    """The process's proportional share of memory in bytes: pages shared by n count 1/n each.

    0 if it cannot be known, as for a process that has ended.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            for line in rollup:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return 0
