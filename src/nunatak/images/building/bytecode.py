"""Compiled modules for environments that nobody may write into, shared where sources are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_CACHE = "__pycache__"


def share_compiled(packages: Path, donors: Iterable[Path], *, tag: str) -> int:
    """Link compiled modules of `donors` into `packages`; returns how many.

    All are site-packages folders; `tag` is the interpreter's, such as ``cpython-311``. Only
    modules whose source is the very same file on disk are taken, so nothing but the compiling is
    saved: the interpreter corrects the recorded path when it loads them.
    """
    donor_list = list(donors)
    return sum(_link_one(source, packages, donor_list, tag) for source in _sources(packages))


def _link_one(source: Path, packages: Path, donors: list[Path], tag: str) -> int:
    relative = source.relative_to(packages)
    compiled = relative.parent / _CACHE / f"{relative.stem}.{tag}.pyc"
    for donor in donors:
        try:
            if not os.path.samestat(source.stat(), (donor / relative).stat()):
                continue
            (packages / compiled).parent.mkdir(exist_ok=True)
            os.link(donor / compiled, packages / compiled)
        except FileExistsError:
            return 0
        except OSError:
            continue  # not there, or not compiled there
        return 1
    return 0


def _sources(packages: Path) -> Iterator[Path]:
    for folder, _, files in os.walk(packages):
        for name in files:
            if name.endswith(".py"):
                yield Path(folder, name)
