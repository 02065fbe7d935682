"""SQL literals of manifests as values: what a parameter is when nobody gives it.

The client writes defaults as SQL text: numbers, texts, `X'64'`, `'…'::TIMESTAMP_NTZ`, lists in
brackets, `OBJECT_CONSTRUCT_KEEP_NULL('key', value, …)`. Inside of lists it writes as Python does
(`True`, `None`, texts in double quotes). Nothing else is read, and nothing is computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nunatak.errors import InvalidArgument
from nunatak.untrusted import load_json

DEPTH_LIMIT = 100

_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"[+-]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_BINARY = re.compile(r"[xX]'((?:[0-9A-Fa-f]{2})*)'")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPE = re.compile(r"[A-Za-z_]\w*(?:\s+PRECISION)?\s*(?:\([\d\s,]*\))?", re.IGNORECASE)
_INFINITE = re.compile(r"([+-]?)\s*(nan|inf|infinity)(?!\w)", re.IGNORECASE)
_CODED = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{1,3}))")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"TRUE": True, "FALSE": False, "NULL": None, "NONE": None}
_AS_THEY_ARE = (
    "TO_VARIANT",
    "TO_OBJECT",
    "TO_ARRAY",
    "TO_TIMESTAMP_NTZ",
    "TO_TIMESTAMP",
    "TO_DATE",
)
_TYPED = ("TIMESTAMP", "TIMESTAMP_NTZ", "DATE", "TIME")


def read_literal(text: str) -> Any:
    """The value of a SQL literal: None, bool, int, float, str, bytes, list or dict; moments are
    text. Raises InvalidArgument, which says where the text stops to be one, or LimitExceeded for
    PARSE_JSON of a text that is too large."""
    reader = _Reader(text)
    value = reader.value(0)
    reader.end()
    return value


class _Reader:
    """A reader's pass over a text, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def value(self, depth: int) -> Any:
        if depth > DEPTH_LIMIT:
            raise InvalidArgument(f"A literal is nested at most {DEPTH_LIMIT} deep.")
        value = self._plain(depth)
        while self._accept("::"):
            self._take(_TYPE)
        return value

    def end(self) -> None:
        self._skip()
        if self._at != len(self._text):
            raise self._wrong()

    def _plain(self, depth: int) -> Any:
        for pattern, made in (
            (_NUMBER, _number),
            (_INFINITE, _infinite),
            (_BINARY, lambda match: bytes.fromhex(match[1])),
        ):
            match = self._match(pattern)
            if match is not None:
                return made(match)
        for quote in "'\"":
            if self._accept(quote):
                return self._quoted(quote)
        if self._accept("("):
            value = self.value(depth + 1)
            self._need(")")
            return value
        if self._accept("["):
            return self._list("]", lambda: self.value(depth + 1))
        if self._accept("{"):
            return dict(self._list("}", lambda: self._pair(depth)))
        return self._word(self._take(_WORD)[0].upper(), depth)

    def _word(self, word: str, depth: int) -> Any:
        if word in _WORDS:
            return _WORDS[word]
        if word in _TYPED and self._accept("'"):
            return self._quoted("'")
        self._need("(")
        if word == "CAST":
            value = self.value(depth + 1)
            if self._take(_WORD)[0].upper() != "AS":
                raise self._wrong()
            self._take(_TYPE)
            self._need(")")
            return value
        arguments = self._list(")", lambda: self.value(depth + 1))
        return self._called(word, arguments)

    def _called(self, name: str, arguments: list[Any]) -> Any:
        if name == "ARRAY_CONSTRUCT":
            return arguments
        if name in ("OBJECT_CONSTRUCT", "OBJECT_CONSTRUCT_KEEP_NULL"):
            keys, values = arguments[0::2], arguments[1::2]
            if len(keys) != len(values) or not all(isinstance(key, str) for key in keys):
                raise InvalidArgument(f"{name} takes pairs of a text and a value.")
            pairs = zip(keys, values, strict=True)
            keeps_null = name.endswith("KEEP_NULL")
            return {key: value for key, value in pairs if keeps_null or value is not None}
        if len(arguments) == 1 and name in _AS_THEY_ARE:
            return arguments[0]
        if len(arguments) == 1 and isinstance(arguments[0], str) and name == "PARSE_JSON":
            return load_json(arguments[0], "The text of PARSE_JSON")
        raise InvalidArgument(f"{name} with these arguments is not a literal.")

    def _pair(self, depth: int) -> tuple[str, Any]:
        key = self.value(depth + 1)
        if not isinstance(key, str):
            raise self._wrong()
        self._need(":")
        return key, self.value(depth + 1)

    def _list(self, close: str, item: Callable[[], Any]) -> list[Any]:
        found: list[Any] = []
        while not self._accept(close):
            if found:
                self._need(",")
            found.append(item())
        return found

    def _quoted(self, quote: str) -> str:
        """The rest of a text behind its opening quote; a doubled one or `\\` escapes."""
        parts: list[str] = []
        text = self._text
        while self._at < len(text):
            letter = text[self._at]
            if letter == "\\":
                parts.append(self._escaped())
            elif text.startswith(quote * 2, self._at):
                parts.append(quote)
                self._at += 2
            elif letter == quote:
                self._at += 1
                return "".join(parts)
            else:
                parts.append(letter)
                self._at += 1
        raise self._wrong()

    def _escaped(self) -> str:
        match = _CODED.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            code = int(match[4], 8) if match[4] else int(match[1] or match[2] or match[3], 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise self._wrong()
            return chr(code)
        letter = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        return _ESCAPES.get(letter, letter)

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self._skip()
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = self._match(pattern)
        if match is None:
            raise self._wrong()
        return match

    def _accept(self, sign: str) -> bool:
        self._skip()
        is_there = self._text.startswith(sign, self._at)
        self._at += len(sign) if is_there else 0
        return is_there

    def _need(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._wrong()

    def _wrong(self) -> InvalidArgument:
        rest = self._text[self._at : self._at + 40]
        where = f"near '{rest}'" if rest else "at its end"
        return InvalidArgument(f"The text is no SQL literal {where}.")


def _number(match: re.Match[str]) -> int | float:
    text = "".join(match[0].split())
    if set(text) <= set("+-0123456789") and len(text) <= 40:
        return int(text)
    return float(text)


def _infinite(match: re.Match[str]) -> float:
    return float(match[1] + match[2])
