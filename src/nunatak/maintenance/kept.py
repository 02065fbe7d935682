"""The files that a home must still have when a server starts on it: no start makes them again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from nunatak.catalog.migrations.migrate import stored_version
from nunatak.config import Settings
from nunatak.errors import NunatakError
from nunatak.services.model.vault import KEY_FILE
from nunatak.services.model.vault import KIND as SECRET

_KEPT = ("databases", "stages", "models")
"""Folders that hold what only the catalog tells the meaning of."""
HALF_RESTORED = "restoring"
"""A file that a home has until all of a backup is in it."""


def refuse_incomplete(settings: Settings) -> None:
    """Raise NunatakError for a home without its catalog, which a start would take for a new one
    and clear of all that is in it, for one that is damaged, and for one without the key of its
    secrets. So it does for one that a backup was not restored to in whole."""
    if (settings.home / HALF_RESTORED).exists():
        raise NunatakError(
            f"{settings.home} was not restored in whole: remove it, and repeat 'nunatak restore'."
        )
    catalog = settings.catalog_file
    if stored_version(catalog) is None:
        found = next((name for name in _KEPT if _holds_anything(settings.home / name)), None)
        if found is not None:
            raise NunatakError(
                f"The catalog {catalog.name} is not in the home, or empty, while the folder "
                f"{found} holds files: put the catalog back from a backup, or choose another "
                "--home."
            )
        return
    if not (settings.home / "keys" / KEY_FILE).is_file() and _has_secrets(catalog):
        raise NunatakError(
            f"The key keys/{KEY_FILE} is not in the home, and without it the secrets of the "
            "account cannot be read: put it back from a backup."
        )


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _has_secrets(catalog: Path) -> bool:
    with closing(sqlite3.connect(f"{catalog.resolve().as_uri()}?mode=ro", uri=True)) as reader:
        query = "SELECT 1 FROM objects WHERE kind = ? LIMIT 1"
        return reader.execute(query, (SECRET,)).fetchone() is not None
