"""Patterns that users write, matched in time that grows with the text alone.

The matcher is RE2, which never goes back in the text. Python's `re` is for patterns that this
server wrote itself: a user's pattern can keep it busy for longer than anybody waits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from nunatak.errors import InvalidArgument

PATTERN_LIMIT_CHARS = 10_000
_WILDCARDS = {"%": ".*", "_": "."}


def matching(texts: Sequence[str], pattern: str) -> list[bool]:
    """Matches of texts with a regular expression, in whole; raises InvalidArgument for one that is
    not valid, among them those that look around or refer back."""
    _matches([""], pattern)  # alone, so that `a)(b` does not become valid below
    return _matches(texts, rf"\A(?:{pattern})\z")


def like(texts: Sequence[str], pattern: str) -> list[bool]:
    """Matches of texts with a LIKE pattern, in whole, without regard to case: `%` is any text, `_`
    any character, a backslash escapes. Raises InvalidArgument for one that is too long."""
    parts: list[str] = []
    signs = iter(pattern)
    for sign in signs:
        if sign == "\\":
            parts.append(re.escape(next(signs, sign)))
        else:
            parts.append(_WILDCARDS.get(sign) or re.escape(sign))
    return _matches(texts, rf"(?is)\A{''.join(parts)}\z")


def _matches(texts: Sequence[str], pattern: str) -> list[bool]:
    if len(pattern) > PATTERN_LIMIT_CHARS:
        raise InvalidArgument(f"A pattern has at most {PATTERN_LIMIT_CHARS} characters.")
    try:
        # Names of files may hold bytes that are no text.
        column = pa.array([text.encode(errors="replace").decode() for text in texts], pa.string())
        found: list[bool] = pc.match_substring_regex(column, pattern).to_pylist()
    except pa.ArrowInvalid as error:
        said = str(error).removeprefix("Invalid regular expression: ")
        raise InvalidArgument(
            f"Invalid regular expression: '{pattern}', {said}. Patterns cannot look around or "
            "refer back to a group."
        ) from error
    return found
