"""Packages that our processes do without, although they may be installed beside us."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _LeftOut(MetaPathFinder):
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{fullname} is left out of this process", name=fullname)
        return None


def leave_out_pandas() -> None:
    """Let pandas be as if it were not installed, for this process, before others look for it.

    PyArrow and DuckDB import it with the first array or query wherever it is installed, which
    stops every request for half a second and stays in memory; nothing of ours uses it.
    """
    sys.meta_path.insert(0, _LeftOut(frozenset({"pandas"})))
