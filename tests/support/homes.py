"""Homes that earlier versions of the server wrote, kept to show that today's opens them.

    python -m support.homes FOLDER SERVER_PYTHON CLIENT_PYTHON

makes one in FOLDER (below tests/fixtures/homes): SERVER_PYTHON has the version of the server that
is to be kept, CLIENT_PYTHON the official clients. Beside the archive lie the answers that it gave,
and the documents of its catalog while everything ran, as text.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "homes"
CONTENT = Path(__file__).resolve().parents[1] / "acceptance" / "clients" / "home_content.py"
ARCHIVE, ANSWERS, DOCUMENTS = "home.tar.gz", "answers.json", "documents.json"
_LEFT_OUT = re.compile(
    r"(environments|results|builds|uploads|spill|instances|lock|reserve|reserve\.\w+)\Z"
)
"""What is large, ends by itself, or tells of the machine that made the home."""
_MACHINE = re.compile(rb"(?<![\w.}])/(?:home|Users|work|opt|mnt|root)/\w+|\.(?:org|io)/simple")
_ARCHIVE_LIMIT_BYTES = 4_000_000


def kept_homes() -> list[Path]:
    """The folders of all homes that are kept, oldest first."""
    return sorted(file.parent for file in FIXTURES.glob(f"*/{ARCHIVE}"))


def unpack(kept: Path, home: Path) -> Path:
    """A home from its archive, in a folder that is made for it: plain files and folders only."""
    home.mkdir(mode=0o700)
    with tarfile.open(kept / ARCHIVE) as archive:
        archive.extractall(home, filter="data")
    for path in home.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return home


def documents(kept: Path) -> list[dict[str, Any]]:
    """The rows of the table of objects of a kept home: kind, title, spec and status of each."""
    found: list[dict[str, Any]] = json.loads((kept / DOCUMENTS).read_text())
    return found


@contextmanager
def _server(python: str, home: Path) -> Iterator[None]:
    command = [python, "-m", "nunatak", "up", "--home", str(home), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready ")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _read_documents(home: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{home / 'catalog.sqlite'}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT kind, name, spec, status FROM objects ORDER BY id")
        return [
            {"kind": kind, "name": name, "spec": json.loads(spec), "status": json.loads(status)}
            for kind, name, spec, status in rows
        ]


def make(folder: Path, server_python: str, client_python: str) -> None:
    """Write a kept home; raises ValueError when it tells of this machine, or is too large."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        home, script = Path(temporary) / "home", Path(temporary) / CONTENT.name
        shutil.copy(CONTENT, script)  # the pickled model names the file that it was made by
        environment = {
            **os.environ,
            "SNOWFLAKE_HOME": str(home),
            "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
        }

        def client(*arguments: str) -> str:
            command = [client_python, str(script), *arguments]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            return done.stdout.decode()

        with _server(server_python, home):
            client("make")
            texts = {DOCUMENTS: _read_documents(home)}
            client("finish")
        with _server(server_python, home):
            texts[ANSWERS] = json.loads(client("ask").splitlines()[-1])
        with sqlite3.connect(home / "catalog.sqlite") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for name, value in texts.items():
            (folder / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
        _pack(home, folder / ARCHIVE)


def _pack(home: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz", compresslevel=9) as packed:
        for path in sorted(home.iterdir()):
            if not _LEFT_OUT.match(path.name):
                packed.add(path, arcname=path.name, filter=_anonymous)
    with tarfile.open(archive) as packed:
        for member in packed:
            file = packed.extractfile(member)
            found = None if file is None else _MACHINE.search(file.read())
            if found:
                raise ValueError(f"{member.name} tells of this machine: {found[0]!r}")
    if archive.stat().st_size > _ARCHIVE_LIMIT_BYTES:
        raise ValueError(f"{archive} has {archive.stat().st_size} bytes")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """An entry of the archive that names nobody; None for what is no file and no folder."""
    if not (member.isfile() or member.isdir()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
