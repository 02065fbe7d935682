"""The code of a model that does harm: tries everything that it is asked for, and tells what it got.

Usage: ``hostile.py WISHES``; WISHES are JSON. The standard library only.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
NEWUSER, NEWNS, NEWPID = 0x10000000, 0x20000, 0x20000000
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
SETTINGS = ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs")


def status(name: str) -> str:
    """A line of what the kernel says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{name}:"))


def forks(wanted: int) -> int:
    """How many children can be had at the same time."""
    read, write = os.pipe()
    children = []
    for _ in range(wanted):
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        children.append(pid)
    os.close(write)
    for pid in children:
        os.waitpid(pid, 0)
    return len(children)


def fill(folder: str, most: int) -> int:
    """Bytes that can be put into a folder, in two files, up to twice `most`."""
    written = 0
    for name in ("a", "b"):
        try:
            with open(f"{folder}/{name}", "wb", buffering=0) as file:
                for _ in range(max(1, most // 65536)):
                    written += file.write(bytes(65536))
        except OSError:
            break
    return written


def held_open(wanted: int) -> int:
    """How many files can be held open at the same time."""
    held: list[int] = []
    try:
        while len(held) < wanted:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for descriptor in held:
        os.close(descriptor)
    return len(held)


def taken(size: int) -> bool:
    """Whether so much memory can be had."""
    try:
        return len(bytearray(size)) == size
    except MemoryError:
        return False


def opens(path: str, flags: int) -> str:
    """`opened`, or why not."""
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return type(error).__name__
    return "opened"


def writable(roots: "tuple[str, ...]") -> "list[str]":
    """Settings of the kernel that can be opened to be written; nothing is written."""
    found = []
    for root in roots:
        for folder, _, files in os.walk(root):
            paths = (f"{folder}/{name}" for name in files)
            found += [path for path in paths if opens(path, os.O_WRONLY) == "opened"]
    return found


def as_root_of_a_namespace() -> str:
    """Become root in namespaces of its own, mount another /proc, and change the machine there."""
    pid = os.fork()
    if pid == 0:
        if LIBC.unshare(NEWUSER | NEWNS | NEWPID) == 0:
            LIBC.mount(b"proc", b"/proc", b"proc", 0, None)
            LIBC.mount(b"none", b"/proc", None, 0x20 | 0x1000, None)  # read and write again
            LIBC.umount2(b"/proc/sys", 2)
            os._exit(int(opens("/proc/sys/kernel/core_pattern", os.O_WRONLY) == "opened"))
        os._exit(0)
    return "changed" if os.WEXITSTATUS(os.waitpid(pid, 0)[1]) else "kept"


def crash() -> bool:
    """Whether a child that crashes leaves its memory in a file."""
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    return os.WCOREDUMP(os.waitpid(pid, 0)[1])


def traced(pid: int) -> str:
    """Look into another process."""
    if LIBC.ptrace(PTRACE_ATTACH, pid, None, None):
        return os.strerror(ctypes.get_errno())
    LIBC.ptrace(PTRACE_DETACH, pid, None, None)
    return "attached"


def killed(pid: int) -> str:
    """Whether another process could be sent a signal."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return type(error).__name__
    return "reached"


def root_again() -> str:
    """Take the rights of root."""
    try:
        os.setuid(0)
    except OSError as error:
        return type(error).__name__
    return "root" if os.geteuid() == 0 and int(status("CapEff"), 16) else "powerless"


def main(wishes: "dict[str, Any]") -> "dict[str, Any]":
    """Everything that was tried."""
    work = os.getcwd()
    return {
        "user": os.getuid(),
        "capabilities": [status(name) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "new privileges": status("NoNewPrivs"),
        "core limit": resource.getrlimit(resource.RLIMIT_CORE),
        "core": crash(),
        "settings": writable(SETTINGS),
        "sysrq": opens("/proc/sysrq-trigger", os.O_WRONLY),
        "read": {path: opens(path, os.O_RDONLY) for path in wishes["read"]},
        "may": {path: opens(path, os.O_RDONLY) for path in wishes["may"]},
        "write": {path: opens(path, os.O_WRONLY | os.O_CREAT) for path in wishes["write"]},
        "trace": [traced(pid) for pid in wishes["pids"]],
        "kill": [killed(pid) for pid in wishes["pids"]],
        "namespace": as_root_of_a_namespace(),
        "filled": {folder: fill(folder, wishes["most"]) for folder in (work, *wishes["fill"])},
        "forks": forks(wishes["forks"]),
        "open files": held_open(wishes["open files"]),
        "memory": taken(wishes["memory"]),
        "root": root_again(),
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
