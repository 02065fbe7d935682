"""Puts a build into namespaces of its own, where the egress proxy is the only way out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nunatak.confinement import bubblewrap
from nunatak.confinement.policy import Confinement, confinement
from nunatak.confinement.terms import Terms, bare, confined, needed
from nunatak.egress.inside import RELAY, relayed

_SHARED_BYTES = 1024**3
_SETTINGS = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/pki",
    "/etc/ssl",
)


def isolation(*, allow_unconfined: bool = False) -> Confinement:
    """Confinement that this machine allows, tried once per process."""
    return confinement(allow_unconfined=allow_unconfined)


def sandboxed(
    command: Sequence[str],
    *,
    terms: Terms,
    python: Path,
    egress_socket: Path,
    directory: Path,
    readable: Sequence[Path] | None,
) -> list[str]:
    """`command` in namespaces of its own, with no network but the egress proxy.

    `python` runs the relay. With `readable` given, nothing of this machine is to be seen but the
    system's programs, those paths, and `directory`, which can be written: for commands that run
    code of packages, as the user of `terms`. With None, files are as outside: for uv alone, which
    links from its cache into `directory` and so needs both on one mount, as the server's user.
    """
    arguments = [*bubblewrap.namespaces(terms), "--new-session"]
    kernel = bubblewrap.kernel(shared_bytes=_SHARED_BYTES)
    end = ["--chdir", str(directory), "--", *confined(terms)]
    if readable is None:
        arguments += ["--bind", "/", "/", *kernel]
    else:
        arguments += [*bubblewrap.system(), *bubblewrap.settings(_SETTINGS)]
        arguments += [*kernel, *bubblewrap.scratch(Path("/tmp"), _SHARED_BYTES)]  # noqa: S108
        arguments += bubblewrap.readable([*readable, *needed(), RELAY])
        for item in (directory, egress_socket):
            arguments += [*bubblewrap.way_to(item), "--bind", str(item), str(item)]
        arguments += ["--remount-ro", "/"]
    return [*arguments, *end, *relayed(python, egress_socket), *command]


def guarded(
    command: Sequence[str],
    *,
    terms: Terms,
    python: Path,
    home: Path,
    directory: Path,
    readable: Sequence[Path] | None,
) -> list[str]:
    """`command` outside of a sandbox, made to end with this process; `python` sees to it. As
    `sandboxed`, as far as that goes where nothing is shut in."""
    guard = Path(__file__).with_name("guard.py")
    start = [str(python), "-I", "-S", str(guard)]
    if readable is None:
        return [*start, *command]
    show = [*readable, *needed(), guard, directory]
    return [*start, *bare(terms, file_bytes=None, hide=[home], show=show), *command]
