"""Statements without the secrets that are written in them."""

from __future__ import annotations

import re

KEPT_CHARS = 16_384
"""A longer text is cut; what it went on with is not known."""
MASK = "'***'"
LEFT_OUT = "left out: the statement names secrets"
_NAMES = re.compile(
    r"PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|AWS_?KEY|BEARER"
    r"|AUTHORIZATION",
    re.IGNORECASE,
)
_LITERALS = re.compile(
    r"""
      '(?:[^'\\]|\\.|'')*(?:'|\Z)     # one that is cut off ends with the text
    | \$\$.*?(?:\$\$|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)


def names_secrets(text: str) -> bool:
    """Whether a statement speaks of something secret, or may, where it was cut."""
    return len(text) >= KEPT_CHARS or _NAMES.search(text) is not None


def redacted(text: str) -> str:
    """A statement as it may be kept: one that names passwords, tokens, keys or secrets keeps none
    of its texts, wherever they stand. What nothing names cannot be known."""
    return _LITERALS.sub(MASK, text) if names_secrets(text) else text
