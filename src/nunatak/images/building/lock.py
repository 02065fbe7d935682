"""The lock: from declared requirements to every package with its version and file hashes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nunatak.images.building.explain import needs_source_build
from nunatak.images.building.indexes import Indexes, without_credentials
from nunatak.images.building.interpreters import Interpreter
from nunatak.images.building.workshop import Workshop
from nunatak.images.requirements.bounds import broken
from nunatak.images.requirements.declared import Declared

_FORMAT = 1
"""Raised when the same lock would install differently than before."""
_ASKED_FORMAT = 2
"""Raised when the same declaration would lock differently than before."""
LOCKS_KEPT = 5_000
_NOISE = re.compile(r"^(\s*--hash=|\s*#|[A-Za-z0-9_.\-]+==\S+ \\?$|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A complete set of packages for one interpreter; `text` is a requirements file with hashes.

    `builds` tells that some package has no wheel, so its build code runs when it is installed.
    """

    text: str
    python: str
    platform: str
    builds: bool

    @property
    def digest(self) -> str:
        """Equal for equal packages, Python and platform."""
        identity = [_FORMAT, self.text, self.python, self.platform, self.builds]
        return digest_of(identity)

    @property
    def packages(self) -> tuple[str, ...]:
        """``name==version`` of every package."""
        return tuple(re.findall(r"^([A-Za-z0-9_.\-]+==[^\s\\;]+)", self.text, re.MULTILINE))


def digest_of(value: object) -> str:
    """SHA-256 in hex of `value` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def declaration_digest(declared: Declared, interpreter: Interpreter, indexes: Indexes) -> str:
    """The key under which a lock is kept: what was asked for, of whom, for which Python."""
    conda, pip, _ = declared.requirements()
    extra = [without_credentials(item) for item in declared.extra_indexes]
    asked = [_ASKED_FORMAT, conda, pip, extra, indexes.shown()]
    return digest_of([*asked, interpreter.version, interpreter.platform])


class Locks:
    """Locks kept in files, so that the same declaration gives the same lock again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> Lock | None:
        """The lock kept under `key`; None when there is none or it cannot be read."""
        try:
            return Lock(**json.loads((self._folder / f"{key}.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def trim(self, keep: int = LOCKS_KEPT) -> None:
        """Forget all but the `keep` newest locks."""
        files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[: max(0, len(files) - keep)]:
            path.unlink(missing_ok=True)

    def keep(self, key: str, lock: Lock) -> None:
        """Keep `lock` under `key`, replacing an older one."""
        write_atomically(self._folder / f"{key}.json", json.dumps(asdict(lock), indent=1))


def resolve(shop: Workshop, declared: Declared) -> Lock:
    """Resolve what `declared` asks for: conda's requirements first, then pip's, as one set.

    Wheels are tried alone first, because then no code of any package runs; source distributions
    only when that does not suffice. Raises BuildFailed.
    """
    conda, pip, notes = declared.requirements()
    for note in notes:
        shop.log.line(f"note: {note}")
    shop.log.line(
        f"resolving {len(conda) + len(pip)} requirements for Python {shop.interpreter.version}"
    )
    for item in (*conda, *pip):
        shop.log.line(f"  {item}")
    started = time.monotonic()
    inputs = (_write(shop.folder / "conda.in", conda), _write(shop.folder / "pip.in", pip))
    lock = _locked(shop, inputs)
    lacking = broken(lock.packages)
    if lacking:
        constraints = [bound.constraint for bound in lacking]
        for bound in lacking:
            shop.log.line(f"note: {bound.constraint} beside {bound.other}{bound.beside}")
        lock = _locked(shop, (*inputs, _write(shop.folder / "bounds.in", constraints)))
    seconds = time.monotonic() - started
    shop.log.line(f"locked {len(lock.packages)} packages in {seconds:.1f} s")
    return lock


def _locked(shop: Workshop, inputs: tuple[Path, ...]) -> Lock:
    output = shop.folder / "lock.txt"
    # What stands there from before would be preferred to what is asked for.
    output.unlink(missing_ok=True)
    builds = not _compile(shop, inputs, output)
    return Lock(
        text=_normalised(output.read_text("utf-8")),
        python=shop.interpreter.version,
        platform=shop.interpreter.platform,
        builds=builds,
    )


def _compile(shop: Workshop, inputs: tuple[Path, ...], output: Path) -> bool:
    """Write the lock; returns whether wheels sufficed."""
    python = shop.interpreter.executable
    done = shop.attempt(
        shop.uv.compile(inputs, output, python=python, build=False), on_line=_ignore
    )
    if done.returncode == 0:
        return True
    if not needs_source_build(done.text):
        _tell(shop, done.lines)
        raise shop.failed(done, what="Resolving")
    shop.log.line("some package has no wheel for this platform: resolving with source builds")
    shop = shop.confined()
    done = shop.attempt(shop.uv.compile(inputs, output, python=python, build=True), on_line=_ignore)
    if done.returncode == 0:
        return False
    _tell(shop, done.lines)
    raise shop.failed(done, what="Resolving")


def _tell(shop: Workshop, lines: Sequence[str]) -> None:
    for line in lines:
        if not _NOISE.match(line):
            shop.log.line(line, important=True)


def _ignore(line: str) -> None:
    """The resolver's output is the lock itself; on failure it is told afterwards."""


def _normalised(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return "\n".join(line for line in lines if line) + "\n"


def _write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write `path` so that it is either absent, old, or complete."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
