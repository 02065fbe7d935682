"""A cursor over the tokens of one statement, for the hand-written parsers of this room.

Names are returned in their stored form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from sqlglot.tokenizer_core import Token, TokenType

from nunatak.catalog.names import split_name
from nunatak.errors import InvalidArgument, SyntaxInvalid
from nunatak.warehouse.core.bindings import Binding, bound
from nunatak.warehouse.core.dialect import is_marker
from nunatak.warehouse.core.statement_text import StatementText

_STRINGS = frozenset({TokenType.STRING, TokenType.RAW_STRING})
_CONTEXT_CHARS = 30


class TokenCursor:
    """Reads words, signs, names and texts from left to right, also those that are bound to
    markers; every `expect_…` raises SyntaxInvalid at its place."""

    def __init__(self, statement: StatementText, *, bindings: Sequence[Binding] = ()) -> None:
        self.bindings = bindings
        self.text = statement.text
        self.tokens = [
            word
            for token in statement.tokens
            if token.token_type is not TokenType.SEMICOLON
            for word in _words(token)
        ]
        self.position = 0

    def __repr__(self) -> str:
        rest = "" if self.done else self.text[self.tokens[self.position].start :]
        return f"TokenCursor(at {self.position} of {len(self.tokens)}: {rest[:40]!r})"

    @property
    def done(self) -> bool:
        """Whether every token was read."""
        return self.position >= len(self.tokens)

    def peek(self, ahead: int = 0) -> str:
        """The upper-cased text of a token without reading it; empty past the end."""
        index = self.position + ahead
        if index >= len(self.tokens):
            return ""
        token = self.tokens[index]
        is_word = token.token_type not in _STRINGS and token.token_type is not TokenType.IDENTIFIER
        return str(token.text).upper() if is_word else ""

    def at(self, *words: str) -> bool:
        """Whether the next tokens are these words or signs."""
        return all(self.peek(index) == word for index, word in enumerate(words))

    def accept(self, *words: str) -> bool:
        """Read these words if they come next."""
        if not self.at(*words):
            return False
        self.position += len(words)
        return True

    def accept_any(self, *choices: str) -> str | None:
        """Read one of these single words, and tell which."""
        word = self.peek()
        return word if word in choices and self.accept(word) else None

    def expect(self, *words: str) -> None:
        """Read these words."""
        if not self.accept(*words):
            self.fail(f"expected {' '.join(words)}")

    def expect_end(self) -> None:
        """Nothing may follow."""
        if not self.done:
            self.fail("unexpected text")

    def fail(self, what: str) -> NoReturn:
        """Raise SyntaxInvalid for the current place."""
        if self.done:
            raise SyntaxInvalid(f"SQL compilation error:\nsyntax error at end of text: {what}.")
        token = self.tokens[self.position]
        near = self.text[token.start : token.start + _CONTEXT_CHARS]
        raise SyntaxInvalid(
            f"SQL compilation error:\nsyntax error line {token.line} at position {token.col} "
            f"unexpected '{near}': {what}.",
            line=token.line,
            position=token.col,
        )

    def name(self) -> tuple[str, ...]:
        """A dotted name in stored parts; understands IDENTIFIER('…'), IDENTIFIER(?) and ?."""
        if self.at("IDENTIFIER", "("):
            self.position += 2
            parts = split_name(self.string())
            self.expect(")")
            return parts
        if self.at("?") or self._at_named_marker():
            return split_name(self.string())
        names = [self._name_part()]
        while self.accept("."):
            names.append(self._name_part())
        return tuple(names)

    def identifier(self) -> str:
        """A name of one part."""
        parts = self.name()
        if len(parts) != 1:
            self.fail("expected a name without dots")
        return parts[0]

    def _name_part(self) -> str:
        if self.done:
            self.fail("expected a name")
        token = self.tokens[self.position]
        text = str(token.text)
        if token.token_type is TokenType.IDENTIFIER:
            self.position += 1
            return text
        if token.token_type in _STRINGS or not (text[:1].isalpha() or text[:1] == "_"):
            self.fail("expected a name")
        self.position += 1
        return text.upper()

    def at_string(self) -> bool:
        """Whether a string literal or a bound value comes next."""
        if self.done:
            return False
        kind = self.tokens[self.position].token_type
        return kind in _STRINGS or kind is TokenType.PLACEHOLDER or self._at_named_marker()

    def _at_named_marker(self) -> bool:
        """Whether `:1` or `:name` comes next, in a statement that came with values."""
        return bool(self.bindings) and self.at(":") and bool(self.peek(1))

    def string(self) -> str:
        """A string literal, a `$$` block, or a bound text; `||` joins several."""
        text = self._string_part()
        while self.accept("||"):
            text += self._string_part()
        return text

    def _string_part(self) -> str:
        if not self.at_string():
            self.fail("expected a string")
        token = self.tokens[self.position]
        if token.token_type in _STRINGS:
            self.position += 1
            return str(token.text)
        text = self._bound(self.position)
        self.position += 1 if is_marker(token) else 2
        return text

    def _bound(self, index: int) -> str:
        """The text that is bound to the marker at a token: `?` by its place among the markers."""
        token = self.tokens[index]
        if is_marker(token):
            name = str(sum(map(is_marker, self.tokens[: index + 1])))
        else:
            name = self.peek(1)
        binding = bound(self.bindings, name)
        if not isinstance(binding.value, str):
            raise InvalidArgument("A bound value that is needed here must be one text, not NULL.")
        return binding.value


def _words(token: Token) -> list[Token]:
    """A keyword of several words, such as FILE FORMAT, word by word; others as they are."""
    text = str(token.text)
    is_one = token.token_type in _STRINGS or token.token_type is TokenType.IDENTIFIER
    if is_one or " " not in text:
        return [token]
    return [
        Token(TokenType.VAR, word, token.line, token.col, token.start, token.end)
        for word in text.split()
    ]
