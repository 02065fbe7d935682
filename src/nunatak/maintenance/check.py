"""`nunatak check`: whether a home that no process uses is whole."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nunatak.catalog.engine import Database
from nunatak.catalog.kinds import DATABASE, SECRET, SecretSpec
from nunatak.catalog.migrations import SCHEMA_VERSION
from nunatak.catalog.migrations.migrate import refuse_later, stored_version
from nunatak.catalog.names import quoted
from nunatak.catalog.store import Catalog, Transaction
from nunatak.compute.families import Families
from nunatak.config import Settings
from nunatak.errors import NunatakError
from nunatak.maintenance.home_lock import hold_home
from nunatak.maintenance.kept import refuse_incomplete
from nunatak.models.contents.files import FileEntry, VersionFolders
from nunatak.models.versions import MODEL_VERSION, VersionSpec
from nunatak.services.model.vault import KEY_FILE, Vault
from nunatak.stages.folders import kept_folders
from nunatak.warehouse.engine.engine import database_file
from nunatak.warehouse.engine.examine import database_problem

_ADVICE = "Restore it from a backup."
_READ_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class HomeFinding:
    """A finding: `is_damage` or only left over, and what to do."""

    what: str
    advice: str = ""
    is_damage: bool = True


def check(settings: Settings) -> Iterator[HomeFinding]:
    """All that is wrong with a home. Raises NunatakError for a folder that is no home, one of
    another version, and while a process uses it."""
    if not settings.home.is_dir():
        raise NunatakError(f"{settings.home} is no server's home: name one with --home.")
    with hold_home(settings.home):
        try:
            refuse_incomplete(settings)
        except NunatakError as error:
            yield HomeFinding(error.message, "Nothing else was looked at.")
            return
        version = stored_version(settings.catalog_file)
        refuse_later(settings.catalog_file, version, SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            raise NunatakError(f"No server of this version has used {settings.home}: start one.")
        yield from _references(settings.catalog_file)
        yield from _families(settings)
        catalog = Catalog(Database.open(settings.catalog_file))
        try:
            with catalog.read() as tx:
                yield from _secrets(settings, tx)
                yield from _databases(settings, tx)
                yield from _stages(settings, tx)
                yield from _models(settings, tx)
        finally:
            catalog.close()


def _references(file: Path) -> Iterator[HomeFinding]:
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as reader:
        if reader.execute("PRAGMA foreign_key_check").fetchone() is not None:
            yield HomeFinding("The catalog refers to rows that it does not have.", _ADVICE)


def _families(settings: Settings) -> Iterator[HomeFinding]:
    try:
        Families.load(settings.home / "families.yaml")
    except NunatakError as error:
        yield HomeFinding(error.message, "No server starts with it: mend or remove it.")


def _secrets(settings: Settings, tx: Transaction) -> Iterator[HomeFinding]:
    folder = settings.home / "keys"
    if not (folder / KEY_FILE).is_file():
        return
    try:
        vault = Vault(folder)
    except NunatakError as error:
        yield HomeFinding(error.message)
        return
    for record in tx.list_kind(SECRET):
        sealed = SecretSpec.read(record.spec).sealed
        try:
            if sealed:
                vault.open(sealed)
        except NunatakError:
            what = f"Secret {record.key.title} cannot be decrypted with keys/{KEY_FILE}."
            yield HomeFinding(what, "Put the right key back, or set the secret again.")


def _databases(settings: Settings, tx: Transaction) -> Iterator[HomeFinding]:
    folder = settings.home / "databases"
    known = {database_file(folder, record.name): record for record in tx.list_kind(DATABASE)}
    for file, record in known.items():
        problem = database_problem(file) if file.is_file() else "its file is not there"
        if problem:
            what = f"Database {quoted(record.name)} (databases/{file.name}): {problem}."
            yield HomeFinding(what, f"{_ADVICE[:-1]}, or drop it.")
    for file in sorted(folder.glob("*.duckdb")):
        if file not in known:
            yield _left(f"databases/{file.name} belongs to no database")


def _stages(settings: Settings, tx: Transaction) -> Iterator[HomeFinding]:
    folder = settings.home / "stages"
    if not folder.is_dir() and tx.list_kind("STAGE"):
        yield HomeFinding("The folder stages is not there, with all staged files.", _ADVICE)
        return
    kept = kept_folders(tx)
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not kept(place.name):
            yield _left(f"stages/{place.name} belongs to no stage or table")


def _models(settings: Settings, tx: Transaction) -> Iterator[HomeFinding]:
    if not (settings.home / "models").is_dir() and not tx.list_kind(MODEL_VERSION):
        return
    folders = VersionFolders(settings.home / "models")
    referred = set()
    for record in tx.list_kind(MODEL_VERSION):
        spec = VersionSpec.read(record.spec)
        referred.add(spec.id)
        model = tx.by_id(record.key.parent_id)
        name = f"Version {quoted(record.name)} of model {model.key.title if model else '?'}"
        for problem in _version_problems(folders, spec):
            yield HomeFinding(f"{name}: {problem}.", f"{_ADVICE[:-1]}, or drop the version.")
    for place in sorted(folders.root.iterdir()):
        if place.name.removesuffix(".index") not in referred:
            yield _left(f"models/{place.name} belongs to no version")


def _version_problems(folders: VersionFolders, spec: VersionSpec) -> Iterator[str]:
    folder = folders.path(spec.id)
    if not folder.is_dir():
        yield f"its folder models/{spec.id} is not there"
        return
    if spec.live:
        return
    if not (folders.root / f"{spec.id}.index").is_file():
        yield f"its list of files models/{spec.id}.index is not there"
        return
    try:
        entries = folders.entries(spec.id)
    except (ValueError, TypeError, OSError):
        yield f"its list of files models/{spec.id}.index cannot be read"
        return
    total = hashlib.sha256()
    for entry in entries:
        total.update(f"{entry.path}\0{entry.sha256}\n".encode())
        if problem := _file_problem(folder / entry.path, entry):
            yield f"its file {entry.path} {problem}"
    if total.hexdigest() != spec.digest:
        yield f"its list of files models/{spec.id}.index has changed"


def _file_problem(file: Path, entry: FileEntry) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as content:
            while data := content.read(_READ_BYTES):
                digest.update(data)
    except OSError:
        return "is not there, or cannot be read"
    return "" if digest.hexdigest() == entry.sha256 else "has changed"


def _left(what: str) -> HomeFinding:
    return HomeFinding(f"{what}.", "The next start of the server removes it.", is_damage=False)
