"""Reading YAML documents that somebody else wrote: bounded, safe, and with errors that say where.

Each reader has structures for what it asks for; an error names the file and the path of the entry.
Keys that nobody asks for are ignored: newer clients write more.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, TypeVar

from msgspec import Meta

from nunatak.errors import InvalidArgument, LimitExceeded, StageUnreadable
from nunatak.untrusted import Bounds, load_yaml, typed

DOCUMENT_LIMIT_BYTES = 8 * 1024 * 1024
LIST_LIMIT = 10_000
TEXT_LIMIT_CHARS = 1_000_000
PATH_LIMIT_CHARS = 1_024

T = TypeVar("T")
Word = Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT_CHARS)] | int | float
"""A text; a number is taken as it is written."""
PerhapsEmpty = Annotated[str, Meta(max_length=TEXT_LIMIT_CHARS)] | int | float
"""As `Word`, or a text with nothing in it."""
_BOUNDS = Bounds(chars=DOCUMENT_LIMIT_BYTES, values=250_000)
"""A column of a method's signature has about ten values; the widest models have thousands."""


def read_text(file: Path, title: str) -> str:
    """The text of a file; raises StageUnreadable when it is missing, LimitExceeded when large."""
    try:
        size_bytes = file.stat().st_size
        if size_bytes > DOCUMENT_LIMIT_BYTES:
            raise LimitExceeded(
                f"{title} has {size_bytes} bytes; at most {DOCUMENT_LIMIT_BYTES} are read."
            )
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StageUnreadable(f"Unable to read file {title}: upload it again as UTF-8 text.") from (
            error
        )


def parse_yaml(text: str, title: str, structure: type[T]) -> T:
    """Structure that a YAML text holds; raises InvalidArgument or LimitExceeded."""
    return typed(load_yaml(text, title, bounds=_BOUNDS), structure, title)


def written(word: PerhapsEmpty | None, otherwise: str = "") -> str:
    """The text of an entry, as it is written; `otherwise` for one that is not there."""
    return otherwise if word is None else str(word)


def wrong(title: str, place: str, expected: str) -> InvalidArgument:
    """The error for an entry that is not as it must be."""
    return InvalidArgument(f"{title}: '{place}' is not valid; it must be {expected}.")


def path_inside(title: str, place: str, path: Word) -> str:
    """A relative path inside the version; raises InvalidArgument."""
    text = str(path)
    if not is_inside(text):
        raise wrong(title, place, f"a relative path inside the model version, not '{text}'")
    return text


def is_inside(path: str) -> bool:
    """Whether a path is relative and stays inside its folder, whatever is joined before it."""
    if not path or len(path) > PATH_LIMIT_CHARS or "\\" in path or "\0" in path:
        return False
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts
