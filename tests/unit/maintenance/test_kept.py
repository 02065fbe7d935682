"""A home that lacks what no start can make again is refused by the name of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from nunatak.catalog.engine import Database
from nunatak.catalog.store import Catalog, Key
from nunatak.cli.main import main
from nunatak.config import Settings
from nunatak.errors import NunatakError
from nunatak.maintenance.kept import refuse_incomplete
from nunatak.protocol.files.signing import load_key
from nunatak.services.model.vault import Vault


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a database, many objects, and a secret."""
    made = Settings(home=tmp_path)
    catalog = Catalog(Database.open(made.catalog_file))
    Vault(made.folder("keys"))
    with catalog.write() as tx:
        tx.create(
            Key("SECRET", "S", "DB", "PUBLIC"),
            "ACCOUNTADMIN",
            spec={"type": "PASSWORD", "sealed": ""},
        )
        for number in range(400):
            tx.create(Key("TABLE", f"T{number}", "DB", "S"), "ACCOUNTADMIN", comment="x" * 500)
    catalog.close()
    (made.folder("databases") / "DB.duckdb").write_bytes(b"tables")
    return made


def truncate(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def overwrite(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(b"\xa5" * 9_000)


def garbage(file: Path) -> None:
    file.write_bytes(b"no database at all, but text" * 400)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def foreign(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE notes (text)")


def test_a_whole_home_and_a_new_one_are_taken(settings: Settings, tmp_path: Path) -> None:
    refuse_incomplete(settings)
    refuse_incomplete(Settings(home=tmp_path / "new"))


@pytest.mark.parametrize("harm", [truncate, overwrite, garbage, empty, foreign, Path.unlink])
def test_a_damaged_or_missing_catalog_is_refused_by_name(
    settings: Settings, harm: Callable[[Path], None]
) -> None:
    harm(settings.catalog_file)
    with pytest.raises(NunatakError, match=r"The catalog catalog\.sqlite .* backup"):
        refuse_incomplete(settings)
    assert (settings.home / "databases" / "DB.duckdb").read_bytes() == b"tables"


@pytest.mark.parametrize("folder", ["databases", "stages", "models"])
def test_any_folder_that_holds_files_needs_the_catalog(tmp_path: Path, folder: str) -> None:
    home = Settings(home=tmp_path)
    (home.folder(folder) / "anything").write_bytes(b"")
    with pytest.raises(NunatakError, match=f"the folder {folder} holds files"):
        refuse_incomplete(home)


def test_a_missing_key_of_secrets_is_refused_by_name(settings: Settings) -> None:
    (settings.home / "keys" / "secrets.key").unlink()
    with pytest.raises(NunatakError, match=r"keys/secrets\.key is not in the home"):
        refuse_incomplete(settings)


@pytest.mark.parametrize(
    ("name", "opened", "content"),
    [
        ("secrets.key", lambda file: Vault(file.parent), b""),
        ("secrets.key", lambda file: Vault(file.parent), b"short"),
        ("secrets.key", lambda file: Vault(file.parent), b"\xff" * 44),
        ("addresses.key", load_key, b""),
        ("addresses.key", load_key, b"short"),
    ],
)
def test_a_damaged_key_is_refused_by_name(
    settings: Settings, name: str, opened: Callable[[Path], object], content: bytes
) -> None:
    file = settings.folder("keys") / name
    file.write_bytes(content)
    with pytest.raises(NunatakError, match=f"keys/{name} in the home is damaged"):
        opened(file)


@pytest.mark.parametrize("port", ["80000", "-1", "65536", "http"])
def test_a_port_that_there_cannot_be_is_an_error_of_usage(tmp_path: Path, port: str) -> None:
    answer = CliRunner().invoke(main, ["up", "--home", str(tmp_path), "--port", port])
    assert answer.exit_code == 2
    assert "--port" in answer.output
