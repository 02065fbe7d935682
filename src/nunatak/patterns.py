"""Patterns that users write, matched in time that grows with the text alone.

The matcher is RE2, which never goes back in the text. Python's `re` is for patterns that this
server wrote itself: a user's pattern can keep it busy for longer than anybody waits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from nunatak.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class PatternBounds:
    """Bounds of a pattern: the matcher takes long to make its tables of more."""

    chars: int
    groups: int
    """Opening parentheses, the groups of which the matcher follows each through all others."""
    classes: int
    """Repetitions in braces and Unicode classes, each of which it writes out."""

    def said(self) -> str:
        """The bounds in words."""
        return (
            f"at most {self.chars} characters, {self.groups} parentheses and {self.classes} "
            r"repetitions in braces or classes such as \p{L}"
        )


WRITTEN = PatternBounds(chars=10_000, groups=500, classes=100)
"""Of a pattern that a statement writes out."""
COMPUTED = PatternBounds(chars=1_000, groups=50, classes=5)
"""Of one that is computed, perhaps another one in each row."""
CLASS_SIGNS = ("{", r"\p", r"\P", "[:")
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


def check_pattern(pattern: str) -> None:
    """Raises InvalidArgument for a regular expression beyond the bounds of written ones."""
    if (
        len(pattern) > WRITTEN.chars
        or pattern.count("(") > WRITTEN.groups
        or sum(map(pattern.count, CLASS_SIGNS)) > WRITTEN.classes
    ):
        raise InvalidArgument(f"A pattern has {WRITTEN.said()}: write a shorter one.")


def _matches(texts: Sequence[str], pattern: str) -> list[bool]:
    check_pattern(pattern)
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
