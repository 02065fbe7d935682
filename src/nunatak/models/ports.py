"""Ports of this package to packages that it must not know."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nunatak.catalog.store import Transaction


class UsageOf(Protocol):
    """The users of model versions."""

    def services_of(
        self, transaction: Transaction, version_ids: Collection[str]
    ) -> list[tuple[str, str]]:
        """(version id, service's qualified name) for every service, running or suspended, that
        uses one of the versions. Asked inside the transaction that is about to drop them."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """Platforms that can run a version, and why the others cannot."""

    targets: tuple[str, ...]
    reasons: tuple[str, ...] = ()


class WhereRunnable(Protocol):
    """Decides from its declared dependencies where a version can run."""

    def __call__(self, folder: Path, target_platforms: Sequence[str] | None) -> Runnable:
        """`target_platforms` is the manifest's list, None for all. May raise a NunatakError whose
        text becomes the reason why it runs nowhere."""
