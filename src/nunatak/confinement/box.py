"""Makes namespaces, as bubblewrap does, and runs COMMAND in them.

Usage: ``box.py OPTION… -- COMMAND…``, by path, with the server's own interpreter and nothing but
the standard library. OPTIONS are those of bubblewrap that the server uses, with their meaning
there; an unknown one is refused. Every folder to be shown is taken hold of first. Then the root
becomes an empty one, and nothing of the machine is left to be reached while that one is filled.

Needs Linux 5.12. Ends with status 126 when something cannot be done, before COMMAND is started.
"""

import ctypes
import fcntl
import os
import select
import signal
import socket
import stat
import struct
import sys
from typing import NoReturn

_LIBC = ctypes.CDLL(None, use_errno=True)
_CALLS = {
    "pivot_root": 41 if os.uname().machine == "aarch64" else 155,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "mount_setattr": 442,
}
_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_UNSHARED = {
    "--unshare-all": _NEWIPC | _NEWPID | _NEWNET | _NEWUTS | _NEWUSER | _NEWCGROUP,
    "--unshare-ipc": _NEWIPC,
    "--unshare-pid": _NEWPID,
    "--unshare-net": _NEWNET,
    "--unshare-uts": _NEWUTS,
    "--unshare-cgroup-try": _NEWCGROUP,
}
_FLAGS = ("--die-with-parent", "--new-session")
_VALUES = {
    **dict.fromkeys(("--cap-drop", "--cap-add", "--hostname", "--chdir"), 1),
    **dict.fromkeys(("--perms", "--size", "--tmpfs", "--dir", "--remount-ro"), 1),
    **dict.fromkeys(("--proc", "--dev"), 1),
    **dict.fromkeys(("--setenv", "--symlink"), 2),
    **dict.fromkeys(("--bind", "--dev-bind", "--ro-bind", "--ro-bind-try"), 2),
}
"""How many arguments each option has."""
_CAPABILITIES = {"CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8}
_ALL_CAPABILITIES = 64
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_TREE_CLONE, _CLOEXEC, _MOVE_FROM_DESCRIPTOR, _CREATE = 1, os.O_CLOEXEC, 4, 6
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 2, 4, 0x4000, 0x40000, 2
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_STREAMS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_FAILED = 126
"""As shells say that a command cannot be executed."""


class BoxPlan:
    """Options of a box: namespaces, capabilities that stay, and steps to fill the root, each
    with the permissions and the size that were named for it."""

    def __init__(self, arguments: list[str]) -> None:
        """Raises ValueError for what is unknown."""
        self.namespaces, self.kept, self.flags = _NEWNS, set[str](), set[str]()
        self.named: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.steps: list[tuple[str, list[str], int | None, str]] = []
        end = arguments.index("--")
        options, self.command = arguments[:end], arguments[end + 1 :]
        perms, size = None, ""
        while options:
            option = options.pop(0)
            if option in _UNSHARED:
                self.namespaces |= _UNSHARED[option]
                continue
            if option in _FLAGS:
                self.flags.add(option)
                continue
            if option not in _VALUES:
                raise ValueError(f"the option {option} is unknown")
            values = [options.pop(0) for _ in range(_VALUES[option])]
            if option == "--perms":
                perms = int(values[0], 8)
            elif option == "--size":
                size = values[0]
            elif not self._keep(option, values):
                self.steps.append((option, values, perms, size))
                perms, size = None, ""

    def _keep(self, option: str, values: list[str]) -> bool:
        """Whether it is no step, but something to know when the command is started."""
        if option == "--cap-add":
            self.kept.add(values[0])
        elif option == "--setenv":
            self.variables[values[0]] = values[1]
        elif option in ("--hostname", "--chdir", "--cap-drop"):
            self.named[option] = values[0]
        else:
            return False
        return True


def main(arguments: list[str]) -> NoReturn:
    """Run the command in the box, and end as it ends."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        plan = BoxPlan(arguments)
        _die_with(os.getppid())
        _unshare(plan.namespaces)
        child, alive = _fork_first(plan)
        _drop_capabilities(set())
    except (OSError, ValueError) as error:
        _fail(error)
    _close_all_but(alive)
    _end_as(os.waitpid(child, 0)[1])


def _fork_first(plan: BoxPlan) -> tuple[int, int]:
    """Start the first process of the box, which ends with this one; its number, and a descriptor
    that is to stay open for as long as this process is there."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(read)
        return child, write
    try:
        os.close(write)
        _check(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "die with parent")
        if select.select([read], [], [], 0)[0]:
            os._exit(_FAILED)
        _first(plan)
    except (OSError, ValueError) as error:
        _fail(error)
    os._exit(_FAILED)


def _first(plan: BoxPlan) -> NoReturn:
    """Fill the box, start the command, and reap whoever is left by its parent."""
    if "--hostname" in plan.named:
        socket.sethostname(plan.named["--hostname"])
    if plan.namespaces & _NEWNET:
        _raise_loopback()
    _fill(plan)
    os.environ.update(plan.variables)
    os.chdir(plan.named.get("--chdir", "/"))
    command = os.fork()
    if command == 0:
        try:
            if "--new-session" in plan.flags:
                os.setsid()
            _drop_capabilities(plan.kept)
            os.execvp(plan.command[0], plan.command)  # noqa: S606  an argument list, and no shell
        except OSError as error:
            _fail(error)
    _drop_capabilities(set())
    _close_all_but(2)
    while True:
        ended, status = os.wait()
        if ended == command:
            _end_as(status)


def _unshare(namespaces: int) -> None:
    """Leave the machine's namespaces; who is not root makes one of users, to be let."""
    user, group = os.geteuid(), os.getegid()
    if namespaces & _NEWUSER:
        failed = _LIBC.unshare(_NEWUSER)
        if failed and user != 0:
            _check(failed, "unshare users")
        if not failed:
            for name, text in (
                ("uid_map", f"{user} {user} 1"),
                ("setgroups", "deny"),
                ("gid_map", f"{group} {group} 1"),
            ):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(text)
    _check(_LIBC.unshare(namespaces & ~_NEWUSER & ~_NEWCGROUP), "unshare")
    if namespaces & _NEWCGROUP:
        _LIBC.unshare(_NEWCGROUP)  # not every kernel has them
    _check(_LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount /")


def _fill(plan: BoxPlan) -> None:
    """Make the box's own root."""
    held = [_take(option, values) for option, values, _, _ in plan.steps]
    devices = {name: _tree(f"/dev/{name}", _NOSUID) for name in _DEVICES}
    _become_root(_filesystem("tmpfs", _NOSUID | _NODEV))
    umask = os.umask(0)
    for (option, values, perms, size), source in zip(plan.steps, held, strict=True):
        target = values[-1]
        if source is not None:
            _attach(source, target)
        elif option == "--dev":
            _make_devices(target, devices)
        elif option == "--tmpfs":
            _make_scratch(target, 0o755 if perms is None else perms, size)
        elif option == "--dir":
            _make_folder(target, 0o755 if perms is None else perms)
        elif option == "--symlink":
            _make_folder(os.path.dirname(target))
            os.symlink(values[0], target)
        elif option == "--remount-ro":
            _set_attributes(_AT_FDCWD, target, _RDONLY, 0)
    for descriptor in devices.values():
        os.close(descriptor)
    os.umask(umask)


def _take(option: str, values: list[str]) -> int | None:
    """Descriptor of what a step shows, taken hold of while it can be seen; None for a step that
    makes it."""
    if option == "--proc":
        return _filesystem("proc", _NOSUID | _NODEV | _NOEXEC)
    if "bind" not in option or (option.endswith("-try") and not os.path.exists(values[0])):
        return None
    attributes = _NOSUID | (0 if option == "--dev-bind" else _NODEV)
    return _tree(values[0], attributes | (_RDONLY if "ro-" in option else 0))


def _tree(path: str, attributes: int) -> int:
    """A copy of the mounts at a path, not attached to anything yet."""
    flags = _TREE_CLONE | _CLOEXEC | _AT_RECURSIVE
    descriptor = _call("open_tree", _AT_FDCWD, os.fsencode(path), flags, what=path)
    _set_attributes(descriptor, "", attributes, _AT_EMPTY_PATH | _AT_RECURSIVE)
    return descriptor


def _filesystem(kind: str, attributes: int) -> int:
    """A new file system, not attached to anything yet."""
    made = _call("fsopen", kind.encode(), 1, what=kind)
    if kind == "tmpfs":
        _call("fsconfig", made, 1, b"mode", b"0755", 0, what=kind)
    _call("fsconfig", made, _CREATE, None, None, 0, what=kind)
    descriptor = _call("fsmount", made, 1, attributes, what=kind)
    os.close(made)
    return descriptor


def _set_attributes(descriptor: int, path: str, attributes: int, flags: int) -> None:
    values = struct.pack("QQQQ", attributes, 0, 0, 0)
    name = os.fsencode(path)
    _call("mount_setattr", descriptor, name, flags, values, len(values), what=path or "mount")


def _become_root(descriptor: int) -> None:
    """Make a file system the root, with nothing left of the one before."""
    _move(descriptor, "/")
    os.fchdir(descriptor)
    _call("pivot_root", b".", b".", what="pivot_root")
    _check(_LIBC.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")
    os.close(descriptor)


def _attach(descriptor: int, target: str) -> None:
    """Show what is held at a path of the new root, and let go of it."""
    if target == "/":
        _become_root(descriptor)
        return
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        _make_folder(target)
    else:
        _make_folder(os.path.dirname(target))
        if not os.path.lexists(target):
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))
    _move(descriptor, target)
    os.close(descriptor)


def _move(descriptor: int, target: str) -> None:
    path = os.fsencode(target)
    _call("move_mount", descriptor, b"", _AT_FDCWD, path, _MOVE_FROM_DESCRIPTOR, what=target)


def _make_folder(path: str, mode: int = 0o755) -> None:
    if os.path.isdir(path):
        return
    _make_folder(os.path.dirname(path))
    os.mkdir(path, mode)


def _make_scratch(target: str, mode: int, size: str) -> None:
    _make_folder(target)
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    flags = _MS_NOSUID | _MS_NODEV
    path = os.fsencode(target)
    _check(_LIBC.mount(b"tmpfs", path, b"tmpfs", flags, options.encode()), f"mount {target}")


def _make_devices(target: str, devices: dict[str, int]) -> None:
    _make_scratch(target, 0o755, "")
    for name, descriptor in devices.items():
        _attach(os.dup(descriptor), f"{target}/{name}")
    for name, path in _STREAMS.items():
        os.symlink(f"/proc/self/fd{path}", f"{target}/{name}")
    os.mkdir(f"{target}/shm", 0o755)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _drop_capabilities(kept: set[str]) -> None:
    """Hold no capability but those, also after another program is executed."""
    numbers = {_CAPABILITIES[name] for name in kept}
    for number in set(range(_ALL_CAPABILITIES)) - numbers:
        _LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)  # the kernel has not so many
    mask = sum(1 << number for number in numbers)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_LIBC.capset(header, (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)), "capset")
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def _close_all_but(kept: int) -> None:
    """Hold nothing open that the command was given, but the streams."""
    most = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, kept)
    os.closerange(max(3, kept + 1), most)


def _die_with(parent: int) -> None:
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "die with parent")
    if os.getppid() != parent:
        sys.exit(_FAILED)


def _end_as(status: int) -> NoReturn:
    """End as a command did; a signal is told as shells do."""
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _fail(error: Exception) -> NoReturn:
    print(f"cannot be confined: {error}", file=sys.stderr, flush=True)  # noqa: T201  it is a program
    os._exit(_FAILED)


def _call(name: str, *arguments: int | bytes | None, what: str) -> int:
    """A call of the kernel that the C library does not know everywhere."""
    values = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    answer = int(_LIBC.syscall(ctypes.c_long(_CALLS[name]), *values))
    _check(min(answer, 0), f"{name} {what}")
    return answer


def _check(status: int, what: str) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
