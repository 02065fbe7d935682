"""The write-ahead log of a database, as far as its damage can be told from a crash.

    <head: the kind and number of the format, the database, its checkpoint>
    <size: 8 bytes> <checksum: 8 bytes> <content>     for each entry

The engine takes the first entry that is not whole for the end, and passes over all that follows.
At the end that is right: a crash cut it off before it was acknowledged. Where a whole entry
follows, what was acknowledged would be lost in silence.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

_START = b"\x64\x00\x62"
"""The field of the kind, and the kind that tells the format."""
_FORMAT = b"\x65\x00\x02"
"""The only format whose entries are known here: of others only the start is looked at."""
_DATABASE, _CHECKPOINT, _END = b"\x66\x00\x10", b"\x67\x00", b"\xff\xff"
_DATABASE_NUMBERS = 16
_HEAD_BYTES = 256
_ENTRY = struct.Struct("<QQ")
_LARGEST_ENTRY_BYTES = 1024**3
_FACTOR, _SEED = 0xBF58476D1CE4E5B9, 5381
_REST_FACTOR, _REST_SEED, _REST_SHIFT = 0xC6A4A7935BD1E995, 0xE17A1465, 47
_WORD = (1 << 64) - 1


def log_problem(file: Path) -> str | None:
    """Reason why a log holds, or may hold, what the engine would pass over in silence; None for one
    that is whole, that a crash cut off, or that is not there."""
    try:
        with file.open("rb") as log:
            head = log.read(_HEAD_BYTES)
            if any(head[: len(_START)]) and not _START.startswith(head[: len(_START)]):
                return "is no log of a database"
            begin = _entries_begin(head)
            if begin is None:
                return None
            log.seek(begin)
            return _first_gap(log)
    except FileNotFoundError:
        return None


def checksum(content: bytes) -> int:
    """The engine's checksum of an entry's content."""
    whole = len(content) // 8
    words = np.frombuffer(content[: whole * 8], dtype="<u8") * np.uint64(_FACTOR)
    found = _SEED ^ int(np.bitwise_xor.reduce(words))
    return found ^ _rest(content[whole * 8 :]) if len(content) % 8 else found


def _rest(content: bytes) -> int:
    """The checksum of fewer than 8 bytes."""
    found = (_REST_SEED ^ len(content) * _REST_FACTOR) & _WORD
    found = (found ^ int.from_bytes(content, "little")) * _REST_FACTOR & _WORD
    found = (found ^ found >> _REST_SHIFT) * _REST_FACTOR & _WORD
    return found ^ found >> _REST_SHIFT


def _first_gap(log: BinaryIO) -> str | None:
    """Gap of a log: a whole entry that follows one that is not."""
    has_gap = False
    while len(fields := log.read(_ENTRY.size)) == _ENTRY.size:
        size, wanted = _ENTRY.unpack(fields)
        if not 0 < size <= _LARGEST_ENTRY_BYTES:
            return None
        content = log.read(size)
        if len(content) < size:
            return None
        is_whole = checksum(content) == wanted
        if is_whole and has_gap:
            return "is damaged: what was committed after the damage would be lost"
        has_gap = has_gap or not is_whole
    return None


def _entries_begin(head: bytes) -> int | None:
    """Offset at which the entries begin; None for a head of another form."""
    if not head.startswith(_START + _FORMAT + _DATABASE):
        return None
    at = len(_START + _FORMAT + _DATABASE)
    for _ in range(_DATABASE_NUMBERS):
        at = _behind_number(head, at)
    if head[at : at + len(_CHECKPOINT)] != _CHECKPOINT:
        return None
    at = _behind_number(head, at + len(_CHECKPOINT))
    return at + len(_END) if head[at : at + len(_END)] == _END else None


def _behind_number(head: bytes, at: int) -> int:
    """The place after a number of several bytes, of which each but the last has its highest bit."""
    while at < len(head) and head[at] & 0x80:
        at += 1
    return at + 1
