"""A place to build in: a folder, an egress proxy, and a way to run programs inside both."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nunatak.confinement.terms import Terms
from nunatak.confinement.users import other_user
from nunatak.egress.inside import CREDENTIAL_VARIABLE, proxy_variables
from nunatak.egress.policy import EgressPolicy
from nunatak.egress.proxy import EgressProxy, Refusal
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.building.custody import given_to
from nunatak.images.building.explain import failure
from nunatak.images.building.indexes import Indexes
from nunatak.images.building.interpreters import Interpreter
from nunatak.images.building.isolation import guarded, isolation, sandboxed
from nunatak.images.building.runner import BuildBounds, Finished, run
from nunatak.images.building.uv import Uv

_PREFIX = ".building-"
_HELD = ".held"
_SOCKET_PATH_LIMIT = 100
"""Characters that the path of a Unix socket may have, a little less than systems allow."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """A build in progress; programs run one after the other, in the thread that made it."""

    folder: Path
    uv: Uv
    indexes: Indexes
    interpreter: Interpreter
    log: BuildLog
    bounds: BuildBounds
    proxy: EgressProxy
    socket: Path | None
    terms: Terms
    """What its programs are started with; the user of those that run foreign code is another."""

    @property
    def scratch(self) -> Path:
        """Home and temporary folder of what runs here."""
        return self.folder / "tmp"

    def confined(self) -> Workshop:
        """The same place for programs that run code of packages, with a cache of its own.

        What such code writes into a cache must not reach other models' environments.
        """
        private = self.folder / "cache"
        private.mkdir(exist_ok=True)
        bounds = replace(self.bounds, hopeless=threading.Event())
        return replace(self, uv=Uv(self.uv.program, private), bounds=bounds)

    def attempt(
        self, command: Sequence[str], *, on_line: Callable[[str], None] | None = None
    ) -> Finished:
        """Run `command`; its lines go to the log, or to `on_line`."""
        path = f"{self.interpreter.executable.parent}:/usr/local/bin:/usr/bin:/bin"
        environment = self.uv.environment(self.indexes, scratch=self.scratch, path=path)
        own_cache = self.uv.cache.is_relative_to(self.folder)
        readable = self._readable() if own_cache else None
        user = other_user(os.fspath(self.folder)) if own_cache else None
        terms = replace(self.terms, user=user)
        if self.socket is not None:
            environment[CREDENTIAL_VARIABLE] = self.proxy.credential
            command = sandboxed(
                command,
                terms=terms,
                python=self.interpreter.executable,
                egress_socket=self.socket,
                directory=self.folder,
                readable=readable,
            )
        else:
            assert self.proxy.port is not None
            environment.update(proxy_variables(self.proxy.credential, self.proxy.port))
            command = guarded(
                command,
                terms=terms,
                python=self.interpreter.executable,
                home=self.folder.parent.parent,
                directory=self.folder,
                readable=readable,
            )
        with given_to(user, self.folder):
            return run(
                command,
                environment=environment,
                directory=self.folder,
                bounds=self.bounds,
                on_line=on_line or self.log.line,
            )

    def must(self, command: Sequence[str], *, what: str) -> None:
        """Run `command`; raises the BuildFailed that explains it when it fails."""
        done = self.attempt(command)
        if done.returncode != 0:
            raise self.failed(done, what=what)

    def failed(self, done: Finished, *, what: str) -> Exception:
        """The error for the failed run `done` of the step `what`."""
        return failure(done.text, self.proxy.refusals, what=what)

    def _readable(self) -> tuple[Path, ...]:
        wanted = [self.interpreter.prefix, self.interpreter.executable.parent, self.uv.program]
        found = [path.resolve() for path in wanted] + wanted + list(self.indexes.paths())
        return tuple(
            path
            for path in dict.fromkeys(found)
            if not path.is_relative_to("/usr") and path.exists()
        )


@contextlib.contextmanager
def workshop(
    parent: Path,
    *,
    uv: Uv,
    indexes: Indexes,
    interpreter: Interpreter,
    policy: EgressPolicy,
    log: BuildLog,
    bounds: BuildBounds,
    terms: Terms,
    allow_unconfined: bool,
) -> Iterator[Workshop]:
    """Open a place to build in under `parent`, and leave nothing of it behind.

    Raises ConfinementMissing where builds would run unconfined without `allow_unconfined`.
    """
    jail = isolation(allow_unconfined=allow_unconfined)
    jail.check()
    if not jail.available:
        log.line(f"warning: {jail.detail}")

    # uv alone asks for nothing but indexes, and would only try a refused one again and again
    hopeless = threading.Event()

    def refused(refusal: Refusal) -> None:
        verb = "REFUSED" if refusal.reason == "refused" else "unreachable"
        hint = " (not allowed by the integrations of this build)" if verb == "REFUSED" else ""
        log.line(f"egress {verb}: {refusal.destination}{hint}", important=True)
        if verb == "REFUSED":
            hopeless.set()

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_folder(parent))
        (folder / "tmp").mkdir()
        socket = None
        if jail.available:
            socket = folder / "egress.sock"
            if len(str(socket)) > _SOCKET_PATH_LIMIT:
                short = _short_folder(folder)
                short.mkdir(mode=0o700)
                stack.callback(shutil.rmtree, short, ignore_errors=True)
                socket = short / "egress.sock"
        proxy = stack.enter_context(EgressProxy(policy, socket, on_refusal=refused))
        wheels_only = replace(bounds, hopeless=hopeless)
        yield Workshop(folder, uv, indexes, interpreter, log, wheels_only, proxy, socket, terms)


@contextlib.contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    descriptor = os.open(folder / _HELD, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder(folder: Path) -> Path:
    """Folder of the socket of the build in `folder` when its own path is too long.

    Named after the build's folder, so that whoever clears that one away finds this one too.
    """
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"nunatak-egress-{name}"


def remove_abandoned(parent: Path) -> int:
    """Remove folders of builds whose process is gone; returns how many there were."""
    removed = 0
    for folder in sorted(parent.glob(f"{_PREFIX}*")):
        try:
            flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW
            descriptor = os.open(folder / _HELD, flags, 0o600)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(_short_folder(folder), ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
        finally:
            os.close(descriptor)
    return removed
