"""Reading YAML documents that somebody else wrote: bounded, safe, and with errors that say where.

A `Section` is one mapping of a document together with its title, so that every complaint names
the file and the place in it. Keys that nobody asks for are ignored: newer clients write more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nunatak.errors import InvalidArgument, LimitExceeded, StageUnreadable
from nunatak.untrusted import Bounds, load_yaml

DOCUMENT_LIMIT_BYTES = 8 * 1024 * 1024
LIST_LIMIT = 10_000
TEXT_LIMIT_CHARS = 1_000_000
PATH_LIMIT_CHARS = 1_024

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


def parse_yaml(text: str, title: str) -> Section:
    """The mapping that a YAML text holds; raises InvalidArgument or LimitExceeded."""
    document = load_yaml(text, title, bounds=_BOUNDS)
    if not isinstance(document, dict):
        raise InvalidArgument(f"{title} must hold a mapping of keys to values.")
    return Section(title, document)


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping of a document. Every getter raises InvalidArgument for a value of the wrong kind,
    and for a missing one unless a default is given."""

    title: str
    values: Mapping[str, Any]

    def has(self, key: str) -> bool:
        """Whether the key is there with a value."""
        return self.values.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """A text of at least one character; numbers are taken as they are written."""
        value = self.values.get(key, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or (not value and default is None):
            raise self.wrong(key, "a text")
        if len(value) > TEXT_LIMIT_CHARS:
            raise self.wrong(key, f"at most {TEXT_LIMIT_CHARS} characters long")
        return value

    def optional_text(self, key: str) -> str | None:
        """A text, or None when the key is absent or null."""
        return self.text(key) if self.has(key) else None

    def path(self, key: str) -> str:
        """A relative path inside the version."""
        return self._path(key, self.text(key))

    def paths(self, key: str) -> tuple[str, ...]:
        """A list of relative paths inside the version; absent is empty."""
        return tuple(self._path(key, path) for path in self.texts(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; absent is empty."""
        items = self._list(key)
        if not all(isinstance(item, str) for item in items):
            raise self.wrong(key, "a list of texts")
        return tuple(items)

    def section(self, key: str) -> Section:
        """A mapping; absent or null is empty."""
        value = self.values.get(key) or {}
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.wrong(key, "a mapping")
        return Section(f"{self.title}: {key}", value)

    def sections(self, key: str) -> tuple[Section, ...]:
        """A list of mappings; absent is empty."""
        items = self._list(key)
        if not all(isinstance(item, dict) for item in items):
            raise self.wrong(key, "a list of mappings")
        return tuple(
            Section(f"{self.title}: {key}[{index}]", item) for index, item in enumerate(items)
        )

    def wrong(self, key: str, expected: str) -> InvalidArgument:
        """The error for a value that is not as it must be."""
        found = "is missing" if key not in self.values else "is not valid"
        return InvalidArgument(f"{self.title}: '{key}' {found}; it must be {expected}.")

    def _list(self, key: str) -> list[Any]:
        value = self.values.get(key) or []
        if not isinstance(value, list) or len(value) > LIST_LIMIT:
            raise self.wrong(key, f"a list of at most {LIST_LIMIT} items")
        return value

    def _path(self, key: str, text: str) -> str:
        if not is_inside(text):
            raise self.wrong(key, f"a relative path inside the model version, not '{text}'")
        return text


def is_inside(path: str) -> bool:
    """Whether a path is relative and stays inside its folder, whatever is joined before it."""
    if not path or len(path) > PATH_LIMIT_CHARS or "\\" in path or "\0" in path:
        return False
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts
