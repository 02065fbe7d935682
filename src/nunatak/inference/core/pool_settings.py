"""Pool settings: what a pool of workers is told about its model and its processes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Pool settings: what a pool is told about its model and its processes.

    ``python`` and ``sandbox`` are the start of an argument list; ``methods`` the entries of
    ``instance.json``. ``threads`` is how many native threads one worker may use.
    ``fork`` lets workers be forks of one process, ``direct`` lets methods call their library
    without a data frame; both are proved first and are meant to be switched off for comparison.
    """

    directory: Path
    model_dir: Path
    python: tuple[str, ...]
    methods: tuple[Mapping[str, Any], ...]
    num_workers: int
    sandbox: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None
    threads: int = 1
    fork: bool = True
    direct: bool = True
    load_timeout_s: float = 600.0
    trial_timeout_s: float = 60.0
    min_run_s: float = 2.0
    log_size_bytes: int = 16 * 1024 * 1024

    @classmethod
    def from_instance(cls, document: Mapping[str, Any]) -> Self:
        """Settings from the document in ``instance.json``.

        Threads are shared out so that all workers together use the machine once, unless the
        service's own environment sets ``OMP_NUM_THREADS``.
        """
        env = {str(key): str(value) for key, value in document.get("env", {}).items()}
        size = int(document.get("num_workers") or default_workers())
        wanted = env.get("OMP_NUM_THREADS", "")
        fair = max(1, len(os.sched_getaffinity(0)) // max(1, size))
        return cls(
            directory=Path(document["directory"]),
            model_dir=Path(document["model_dir"]),
            python=tuple(document["python"]),
            methods=tuple(document["methods"]),
            num_workers=size,
            sandbox=tuple(document.get("sandbox", ())),
            env=env,
            threads=int(wanted) if wanted.isdigit() and int(wanted) > 0 else fair,
        )


def default_workers() -> int:
    """Twice the processors this process may use, and one: the documented default."""
    return 2 * len(os.sched_getaffinity(0)) + 1
