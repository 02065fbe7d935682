"""Identifiers and qualified names, with the vendor's rules of case and quoting.

An unquoted identifier is stored in upper case; a quoted one as it stands, with `""` for a quote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nunatak.errors import InvalidArgument, NoCurrentContext

_PLAIN = re.compile(r"[A-Z_][A-Z0-9_$]*\Z")
_UNQUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")
_PART = re.compile(r'\s*("(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*)\s*')
NAME_LIMIT_CHARS = 255


def quoted(name: str) -> str:
    """The identifier as SQL text: bare when it is plain upper case, else in double quotes."""
    return name if _PLAIN.match(name) else '"' + name.replace('"', '""') + '"'


def parse_identifier(text: str) -> str:
    """The stored form of one identifier written in SQL; raises InvalidArgument."""
    parts = split_name(text)
    if len(parts) != 1:
        raise InvalidArgument(f"'{text}' is not a single identifier.")
    return parts[0]


def split_name(text: str) -> tuple[str, ...]:
    """The stored parts of a dotted name such as `db."My schema".t`; raises InvalidArgument."""
    parts: list[str] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            raise InvalidArgument(f"'{text}' is not a name: write parts like db.schema.object.")
        raw = match.group(1)
        parts.append(raw[1:-1].replace('""', '"') if raw.startswith('"') else raw.upper())
        if len(parts[-1]) > NAME_LIMIT_CHARS:
            raise InvalidArgument(f"A name has at most {NAME_LIMIT_CHARS} characters.")
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            raise InvalidArgument(f"'{text}' is not a name: unexpected '{text[position]}'.")
        position += 1


def is_unquoted(text: str) -> bool:
    """Whether the text can stand as an identifier without quotes."""
    return bool(_UNQUOTED.match(text))


@dataclass(frozen=True, slots=True, order=True)
class QualifiedName:
    """A schema object's full name, each part in its stored form."""

    database: str
    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(map(quoted, (self.database, self.schema, self.name)))

    def sibling(self, name: str) -> QualifiedName:
        """Another name in the same schema."""
        return QualifiedName(self.database, self.schema, name)

    @classmethod
    def parse(
        cls, text: str, *, database: str | None = None, schema: str | None = None
    ) -> QualifiedName:
        """Qualify a name written in SQL; raises InvalidArgument or NoCurrentContext."""
        return cls.of(split_name(text), database=database, schema=schema)

    @classmethod
    def of(
        cls, parts: tuple[str, ...], *, database: str | None = None, schema: str | None = None
    ) -> QualifiedName:
        """Qualify stored parts with the session's current database and schema."""
        if len(parts) > 3:
            raise InvalidArgument(f"'{'.'.join(parts)}' has too many parts: at most three.")
        missing = 3 - len(parts)
        full = ((database, schema)[:missing] if missing else ()) + parts
        if full[0] is None:
            raise NoCurrentContext(
                f"Cannot find '{parts[-1]}': the session has no current database. "
                "Call USE DATABASE, or use a qualified name."
            )
        if full[1] is None:
            raise NoCurrentContext(
                f"Cannot find '{parts[-1]}': the session has no current schema. "
                "Call USE SCHEMA, or use a qualified name."
            )
        return cls(str(full[0]), str(full[1]), str(full[2]))
