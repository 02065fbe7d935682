"""`<home>/limits.yaml`: the operator's own bounds of the server, by their names in `Limits`."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from nunatak.config import Limits
from nunatak.errors import InvalidArgument
from nunatak.untrusted import load_yaml

MAY_BE_ZERO = {"parked_instances", "disk_reserve_bytes"}


def load_limits(file: Path) -> Limits:
    """The bounds, changed by the file if there is one.

    Raises InvalidArgument for one that cannot be read, a name that is none, or a value that is no
    number above 0 (a whole one where the bound is; 0 only where it means none).
    """
    limits = Limits()
    if not file.exists():
        return limits
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{file} cannot be read: {error}") from error
    document = load_yaml(text, str(file)) or {}
    if not isinstance(document, dict):
        raise InvalidArgument(f"{file} must map names of limits to numbers.")
    known = {field.name: type(getattr(limits, field.name)) for field in fields(limits)}
    changes: dict[str, Any] = {}
    for name, value in document.items():
        if name not in known:
            raise InvalidArgument(f"{file}: there is no limit '{name}'. Use {', '.join(known)}.")
        allowed = (int, float) if known[name] is float else (int,)
        low = value == 0 and name not in MAY_BE_ZERO
        if not isinstance(value, allowed) or isinstance(value, bool) or value < 0 or low:
            whole = "" if known[name] is float else "whole "
            least = "from 0 on" if name in MAY_BE_ZERO else "above 0"
            raise InvalidArgument(f"{file}: {name} must be a {whole}number {least}.")
        changes[name] = known[name](value)
    return replace(limits, **changes)
