"""Makes tiny packages and serves them as a package index, so that no test leaves this machine."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

_WHEEL = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel(
    folder: Path, name: str, version: str, *, requires: Sequence[str] = (), body: str = ""
) -> Path:
    """Write a pure wheel whose module holds `body` and ``VERSION``."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {item}\n" for item in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{body}\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": _WHEEL,
    }
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    return write_wheel(folder / f"{name}-{version}-py3-none-any.whl", files)


def write_wheel(path: Path, files: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def _digest(text: str) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"sha256={encoded.rstrip(b'=').decode()}"


_BACKEND = """
import base64, hashlib, os, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    hook()
    os.makedirs(os.path.join(folder, INFO))
    for name, text in FILES.items():
        if name.startswith(INFO):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
    return INFO

def build_wheel(folder, config_settings=None, metadata_directory=None):
    hook()
    with zipfile.ZipFile(os.path.join(folder, WHEEL), "w") as archive:
        record = ""
        for name, text in FILES.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            archive.writestr(name, text)
            record += "%s,sha256=%s,%d\\n" % (name, digest.rstrip(b"=").decode(), len(text))
        archive.writestr(INFO + "/RECORD", record + INFO + "/RECORD,,\\n")
    return WHEEL
"""


def source_distribution(folder: Path, name: str, version: str, *, hook: str) -> Path:
    """Write an sdist whose own build backend runs `hook` (the body of a function)."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": _WHEEL,
    }
    body = "".join(f"    {line}\n" for line in hook.splitlines()) or "    pass\n"
    backend = (
        f"INFO = {info!r}\nWHEEL = {f'{name}-{version}-py3-none-any.whl'!r}\nFILES = {files!r}\n"
        f"{_BACKEND}\ndef hook():\n{body}"
    )
    project = (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\ndynamic = ["version"]\n'
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, text in (
            ("pyproject.toml", project),
            ("backend.py", backend),
            ("PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
        ):
            member = tarfile.TarInfo(f"{name}-{version}/{inside}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        return


@contextmanager
def index(folder: Path) -> Iterator[str]:
    """Serve the files in `folder` as a simple index on this machine; yields its address."""
    simple = folder / "simple"
    for path in sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")]):
        page = simple / path.name.split("-")[0].replace("_", "-").lower() / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with page.open("a") as file:
            link = f"../../{path.name}".replace("+", "%2B")
            file.write(f'<a href="{link}#sha256={digest}">{path.name}</a>\n')
    handler = partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/simple"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
