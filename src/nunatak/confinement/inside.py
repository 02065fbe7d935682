"""Gives up what the server may do, then becomes COMMAND.

Usage: ``inside.py TERMS COMMAND…``, by path, with the server's own interpreter and nothing but the
standard library. TERMS are JSON:

    user        number of the user and group to become, or null
    processes   how many processes and threads that user may have, beside those that it has
    open_files  how many files one process may hold open
    data_bytes  how much memory of its own one process may have, or null
    file_bytes  the largest file that may be written, or null
    hide, show  folders that are not to be seen, and what is, even inside of them: for where no
                sandbox sees to it; empty otherwise
"""

import ctypes
import json
import os
import resource
import sys
from typing import Any, NoReturn

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MS_NOSUID, _MS_NODEV = 0x2, 0x4
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES = 64
_COUNTS_IN_NAMESPACES = (5, 14)
"""The first Linux that counts the processes of a user in each user namespace."""
_FAILED = 126
"""As shells say that a command cannot be executed."""


def main(arguments: list[str]) -> NoReturn:
    """Become the command; ends with status 126 when that cannot be done as the terms say."""
    terms, command = json.loads(arguments[0]), arguments[1:]
    try:
        _become(terms)
        os.execvp(command[0], command)  # noqa: S606  an argument list, and no shell
    except OSError as error:
        print(f"cannot be confined: {error}", file=sys.stderr)  # noqa: T201  it is a program
        sys.exit(_FAILED)


def _become(terms: dict[str, Any]) -> None:
    user, hide, show = terms["user"], terms["hide"], terms["show"]
    is_hidden = user is not None and hide and _hide(hide, show)
    _limit(resource.RLIMIT_CORE, 0)
    _limit_processes(terms["processes"], is_another=user is not None, is_bare=bool(hide))
    _limit(resource.RLIMIT_NOFILE, terms["open_files"])
    if terms["data_bytes"] is not None:
        _limit(resource.RLIMIT_DATA, terms["data_bytes"])
    if terms["file_bytes"] is not None:
        _limit(resource.RLIMIT_FSIZE, terms["file_bytes"])
    _drop_capabilities_to_come()
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _drop_capabilities()
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    if user is not None and hide and not is_hidden:
        _check_reach(show)


def _limit(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, value))


def _limit_processes(wanted: int, *, is_another: bool, is_bare: bool) -> None:
    """Another user has no others; one in a namespace of its own is counted there, by a kernel that
    does so; who has neither has others already."""
    if is_another:
        _limit(resource.RLIMIT_NPROC, wanted)
    elif is_bare:
        _limit(resource.RLIMIT_NPROC, wanted + _tasks_of_this_user())
    elif _version(os.uname().release) >= _COUNTS_IN_NAMESPACES:
        _limit(resource.RLIMIT_NPROC, wanted)


def _tasks_of_this_user() -> int:
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue  # it has ended
    return count


def _version(release: str) -> tuple[int, ...]:
    parts = release.split("-")[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _drop_capabilities_to_come() -> None:
    """No program that is executed gets any; whoever may not say so has none to give."""
    for number in range(_CAPABILITIES):
        _LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_LIBC.capset(header, nothing), "capset")


def _hide(hide: list[str], show: list[str]) -> bool:
    """Cover what is not to be seen, and what another user could not pass through, with empty
    folders that hold what is shown; False where this process may not mount anything."""
    if _LIBC.unshare(_CLONE_NEWNS):
        return False
    _check(_LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount /")
    shut = {os.path.realpath(path) for path in hide}
    shut |= {gate for path in show if (gate := _shut_gate(path))}
    covers = [one for one in sorted(shut) if not any(_within(one, other) for other in shut - {one})]
    held = [
        (path, os.open(path, os.O_PATH)) for path in show if any(_within(path, c) for c in covers)
    ]
    for cover in covers:
        flags = _MS_NOSUID | _MS_NODEV
        failed = _LIBC.mount(b"none", os.fsencode(cover), b"tmpfs", flags, b"mode=0755,size=1m")
        _check(failed, f"mount {cover}")
    umask = os.umask(0o022)  # the folders on the way to what is shown are to be passed through
    for path, descriptor in held:
        _bind(f"/proc/self/fd/{descriptor}", path)
        os.close(descriptor)
    os.umask(umask)
    return True


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a"):
            pass
    flags = _MS_BIND | _MS_REC
    _check(
        _LIBC.mount(os.fsencode(source), os.fsencode(target), None, flags, None),
        f"show {target}",
    )


def _shut_gate(path: str) -> str:
    """The outermost folder on the way to a path that others may not pass through."""
    gate = ""
    for part in os.path.dirname(path).split(os.sep)[1:]:
        gate = f"{gate}{os.sep}{part}"
        if not os.stat(gate).st_mode & 0o001:
            return os.path.realpath(gate)
    return ""


def _within(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(f"{folder}{os.sep}")


def _check_reach(show: list[str]) -> None:
    for path in show:
        if not os.access(path, os.R_OK):
            raise PermissionError(
                f"{path} cannot be read by another user than root, and nothing can be mounted"
            )


def _check(status: int, what: str) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
