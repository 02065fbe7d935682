"""The folders of stages: their names, and when they go.

A named stage has the folder of its `spec.id`; a table's stage that of the table's own number, so it
follows the table when that gets another name, and a new table of the name has another one. What is
left over, because a server ended in between, goes when one starts.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable

from nunatak.catalog.kinds import StageSpec
from nunatak.catalog.store import Record, Transaction
from nunatak.config import Settings

STAGE, TABLE = "STAGE", "TABLE"
_OF_USER = "user-"


def folder_of(record: Record) -> str | None:
    """The name of the folder of a stage, or of a table's stage; other objects have none."""
    if record.key.kind == TABLE:
        return f"table-{record.id}"
    return StageSpec.read(record.spec).id if record.key.kind == STAGE else None


def user_folder(user: str) -> str:
    """The name of the folder of a user's own stage."""
    return _OF_USER + _safe(user)


def temporary_folder(session_id: int, table_id: str) -> str:
    """The name of the folder of a temporary table's stage."""
    return f"{_of_session(session_id)}{table_id}"


def remove_folder(settings: Settings, name: str) -> None:
    """Delete the files of a stage that is gone."""
    shutil.rmtree(settings.folder("stages") / name, ignore_errors=True)


def remove_folders(settings: Settings, gone: Iterable[Record]) -> None:
    """Delete the files of the stages and tables among objects that are gone."""
    for record in gone:
        if (name := folder_of(record)) is not None:
            remove_folder(settings, name)


def remove_of_session(settings: Settings, session_id: int) -> None:
    """Delete the files of the stages of a session's temporary tables."""
    for folder in settings.folder("stages").glob(f"{_of_session(session_id)}*"):
        remove_folder(settings, folder.name)


def tidy(settings: Settings, tx: Transaction) -> None:
    """Remove the folders of stages and tables that are gone, and those of sessions."""
    _take_over(settings, tx.list_kind(TABLE))
    is_kept = kept_folders(tx)
    for folder in settings.folder("stages").iterdir():
        if not is_kept(folder.name):
            remove_folder(settings, folder.name)


def kept_folders(tx: Transaction) -> Callable[[str], bool]:
    """Whether a folder, by its name, is that of a stage or table that there is, or of a user."""
    known = {folder_of(record) for record in (*tx.list_kind(STAGE), *tx.list_kind(TABLE))}
    return lambda name: name in known or name.startswith(_OF_USER)


def _take_over(settings: Settings, tables: Iterable[Record]) -> None:
    """Folders of tables were named by the table's name before."""
    stages = settings.folder("stages")
    for record in tables:
        before = stages / f"table-{_safe(str(record.qualified))}"
        if before.is_dir() and not (stages / f"table-{record.id}").exists():
            before.rename(stages / f"table-{record.id}")


def _of_session(session_id: int) -> str:
    return f"temporary-{session_id}-"


def _safe(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]
