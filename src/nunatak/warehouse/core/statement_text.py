"""The text of a statement with its tokens, which are cut once and read by every parser.

The tokens come from SQLGlot's Snowflake tokenizer, so strings, comments, `$$` blocks and quoted
identifiers follow the vendor's rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from nunatak.errors import SyntaxInvalid
from nunatak.warehouse.core.dialect import is_marker, tokens_of

_BARE_PATH = re.compile(
    r"((?:\A|;)\s*(?:PUT|GET\s+(?:'[^']*'|\S+))\s+)(file://[^\s';]*)", re.IGNORECASE
)
"""A local path of PUT or GET without quotes, in which `/*` and `--` begin no comment."""


class StatementText:
    """The text of a statement, or of several with what separates them, as somebody wrote it."""

    __slots__ = ("_tokens", "text")

    def __init__(self, text: str, tokens: Sequence[Token] | None = None) -> None:
        self.text = text
        self._tokens = tokens

    def __repr__(self) -> str:
        return f"StatementText({self.text!r})"

    @property
    def tokens(self) -> Sequence[Token]:
        """The tokens, with the offsets of their characters; raises SyntaxInvalid."""
        if self._tokens is None:
            self._tokens = tokenize(self.text)
        return self._tokens

    @property
    def markers(self) -> int:
        """The number of `?`; raises SyntaxInvalid."""
        return sum(map(is_marker, self.tokens)) if "?" in self.text else 0

    def statements(self) -> Sequence[StatementText]:
        """The statements that semicolons separate, without them; empty ones are left out. Itself
        for a text without any."""
        return self._parts(TokenType.SEMICOLON) if ";" in self.text else [self]

    def flow(self) -> Sequence[StatementText]:
        """The statements that `->>` joins, empty ones too; itself for ordinary text."""
        return self._parts(TokenType.DARROW, empty=True) if "->>" in self.text else [self]

    def _parts(self, separator: TokenType, *, empty: bool = False) -> list[StatementText]:
        found, first, start = [], 0, 0
        end = Token(separator, "", start=len(self.text), end=len(self.text))
        for index, token in enumerate((*self.tokens, end)):
            if token.token_type is separator:
                if empty or index > first:
                    found.append(self._part(start, token.start, self.tokens[first:index]))
                first, start = index + 1, token.end + 1
        return found

    def _part(self, start: int, end: int, tokens: Sequence[Token]) -> StatementText:
        text = self.text[start:end]
        is_at_start = start == 0 and not text[:1].isspace()  # so that offsets stay what they are
        return StatementText(text.strip(), tokens if is_at_start else None)


def tokenize(text: str) -> list[Token]:
    """The tokens of a text; raises SyntaxInvalid."""
    try:
        return tokens_of(_BARE_PATH.sub(_neutral, text))
    except TokenError as error:
        raise SyntaxInvalid(f"SQL compilation error:\nsyntax error: {error}") from error


def _neutral(found: re.Match[str]) -> str:
    """A word of the same length, so that tokens keep their places."""
    return found[1] + "F" * len(found[2])
