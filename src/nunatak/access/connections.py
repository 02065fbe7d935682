"""The official clients' connections file: one table changed, everything else left as it stands."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import tomlkit
from tomlkit import items
from tomlkit.exceptions import TOMLKitError

from nunatak.errors import InvalidArgument

Table = Mapping[str, str | int]


def user_connections_file(environment: Mapping[str, str] = os.environ) -> Path:
    """File in which the official clients look for the user's connections: in the folder
    SNOWFLAKE_HOME (`~/.snowflake`) when it exists, else the platform's own place."""
    folder = Path(environment.get("SNOWFLAKE_HOME", "~/.snowflake")).expanduser()
    if not folder.exists():
        folder = _platform_folder(environment)
    return folder / "connections.toml"


def _platform_folder(environment: Mapping[str, str]) -> Path:
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "snowflake"
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA", home / "AppData" / "Local")) / "snowflake"
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "snowflake"


def install_connection(
    name: str, table: Table, *, environment: Mapping[str, str] = os.environ
) -> Path:
    """Put a table into the user's own connections file; returns the file.

    Raises InvalidArgument when the file is not TOML or cannot be changed safely.
    """
    file = user_connections_file(environment)
    write_connections(file, name, table)
    return file


def write_connections(
    file: Path, name: str, table: Table, *, keep: Collection[str] = ()
) -> dict[str, str | int]:
    """Set one table of a connections file, with mode 0600, in one step; returns the table.

    Keys in `keep` that the new table lacks are taken from the old one. Raises InvalidArgument.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    try:
        before = tomlkit.parse(text).unwrap()
        old = before.get(name, {})
        full = {**{key: old[key] for key in keep if key in old}, **table}
        changed = merged(text, name, full)
    except TOMLKitError as error:
        raise InvalidArgument(f"{file} is not valid TOML: {error}. Repair it first.") from error
    if tomlkit.parse(changed).unwrap() != {**before, name: full}:
        raise InvalidArgument(
            f"{file} is written in a way that cannot be changed safely. Remove its parts for "
            f"'{name}' by hand, then try again."
        )
    _replace(file, changed)
    return full


def merged(text: str, name: str, table: Table) -> str:
    """The text with the table `[name]` changed where it stands, or added at the end.

    Raises TOMLKitError for a text that is not TOML.
    """
    document = tomlkit.parse(text)
    old = document.get(name)
    if isinstance(old, items.Table) and not old.is_super_table():
        old.update(table)
        for key in [key for key in old if key not in table]:
            del old[key]
        return tomlkit.dumps(document)
    document.pop(name, None)
    head = tomlkit.dumps(document).rstrip()
    section = tomlkit.dumps({name: table})
    return f"{head}\n\n{section}" if head else section


def _replace(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:  # mkstemp made it with mode 0600
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
