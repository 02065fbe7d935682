"""Names of uploaded files: what a local path or pattern becomes in a stage."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from nunatak.errors import InvalidArgument

_WILDCARDS = re.compile(r"[*?\[]")
_NAME_LIMIT_BYTES = 255
_COMPRESSED = (".gz", ".tgz", ".bz2", ".br", ".zst", ".xz", ".deflate", ".raw_deflate", ".snappy")
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class UploadName:
    """The name of an uploaded file: `name`, or a fresh one with `suffix` when that is None.
    `may_compress`: the client may have compressed it without telling, which adds `.gz`.
    `may_replace`: a file of that name may be replaced (OVERWRITE = TRUE)."""

    name: str | None
    suffix: str = ""
    may_compress: bool = False
    may_replace: bool = True

    def resolved(self, head: bytes) -> str:
        """The name for a file that starts with these bytes."""
        name = self.name or f"{uuid.uuid4().hex}{self.suffix}"
        is_compressed = self.may_compress and head.startswith(_GZIP_MAGIC)
        return f"{name}.gz" if is_compressed and not name.endswith(_COMPRESSED) else name


def upload_name(source: str, *, auto_compress: bool) -> UploadName:
    """The name under which a local path or pattern is stored; raises InvalidArgument."""
    parts = re.split(r"[/\\]", source)
    last = parts[-1]
    if _WILDCARDS.search(last):
        _, dot, suffix = last.rpartition(".")
        is_plain = dot and not _WILDCARDS.search(suffix)
        return UploadName(None, f".{suffix}" if is_plain else "", may_compress=auto_compress)
    return UploadName(safe_name(last), may_compress=auto_compress and len(parts) > 1)


def safe_name(name: str) -> str:
    """A file name that stays in its folder; raises InvalidArgument."""
    has_control = any(ord(character) < 32 for character in name)
    if name in ("", ".", "..") or "/" in name or has_control:
        raise InvalidArgument(f"{name!r} is not a file name.")
    if len(name.encode()) > _NAME_LIMIT_BYTES:
        raise InvalidArgument(f"A file name has at most {_NAME_LIMIT_BYTES} bytes.")
    return name
