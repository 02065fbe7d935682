"""Notes which functions a process runs, in every thread that Python starts.

Python imports this module first when it lies beside the packages of PYTHONPATH. Each connection
to the process's socket there answers the functions that ran since the connection before, one a
line: the file below its package, and the qualified name.
"""

import socket
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

PACKAGE = Path(__file__).resolve().parent / "nunatak"
_COMPREHENSIONS = ("<module>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_BACKLOG = 8
seen: set[CodeType] = set()


def note(frame: FrameType, event: str, _: Any) -> None:
    """Called by the interpreter for whatever begins or ends."""
    if event == "call":
        seen.add(frame.f_code)


def answer_for_ever(listener: socket.socket) -> None:
    """Tell each caller what ran since the last one called."""
    while True:
        caller, _ = listener.accept()
        ran = seen.copy()
        seen.clear()
        with caller:
            caller.sendall("\n".join(_lines(ran)).encode())


def _lines(ran: set[CodeType]) -> list[str]:
    return sorted(
        f"{file.relative_to(PACKAGE)} {code.co_qualname}"
        for code in ran
        if code.co_name not in _COMPREHENSIONS
        and (file := Path(code.co_filename)).is_relative_to(PACKAGE)
    )


def begin(kind: str) -> None:
    """Note from here on, and listen on the socket of this kind of process."""
    listener = socket.socket(socket.AF_UNIX)
    path = PACKAGE.parent / f"{kind}.sock"
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    listener.listen(_BACKLOG)
    threading.Thread(target=answer_for_ever, args=(listener,), daemon=True).start()
    threading.setprofile(note)
    sys.setprofile(note)


_KINDS = {"nunatak": "server", "nunatak.inference": "front"}
for _word in sys.orig_argv[1:3]:
    if _word in _KINDS:
        begin(_KINDS[_word])
