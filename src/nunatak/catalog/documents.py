"""Documents: what the catalog keeps of an object, `spec` and `status`, as typed structures.

Each kind of object declares the structures of its two documents. The store encodes, checks and
decodes them here: a part that is unknown, missing or of the wrong type is refused by name, when it
is written and when it is read. An earlier home is changed by migrations, never by readers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from nunatak.errors import NunatakError

SPEC, STATUS = "spec", "status"


class DocumentUnreadable(NunatakError):
    """A document is not as its kind has it: a mistake of the server, or of another version."""


class DocumentPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A structure inside a document; what it does not declare is refused."""


class Document(DocumentPart, frozen=True, kw_only=True):
    """A document, or one of the structures that a kind has for it."""

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """The structure of what the catalog keeps; raises DocumentUnreadable."""
        try:
            return msgspec.convert(stored, cls)
        except msgspec.ValidationError as error:
            raise DocumentUnreadable(f"{cls.__name__}: {error}") from error

    def changed(self, parts: Mapping[str, Any]) -> Self:
        """With other parts, by the names under which the catalog keeps them; raises
        DocumentUnreadable."""
        return self.read({**self.document(), **parts})

    def document(self) -> dict[str, Any]:
        """As the catalog keeps it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


class EmptyDocument(Document, frozen=True, kw_only=True):
    """A document that is always empty."""


Choice = type[Document] | Callable[[Mapping[str, Any]], type[Document]]
"""The structure of a document, or what tells it from the object's spec."""


@dataclass(frozen=True)
class ObjectKind:
    """The structures of one kind of object."""

    spec: Choice = EmptyDocument
    status: Choice = EmptyDocument


_KINDS: dict[str, ObjectKind] = {}


def declare(kind: str, *, spec: Choice = EmptyDocument, status: Choice = EmptyDocument) -> None:
    """Declare the documents of a kind, once, where the module of the kind is imported."""
    if kind in _KINDS:
        raise ValueError(f"the documents of {kind} are declared twice")
    _KINDS[kind] = ObjectKind(spec, status)


def declared() -> Mapping[str, ObjectKind]:
    """The documents of every kind that has been declared."""
    return dict(_KINDS)


def encode(document: DocumentPart | Mapping[str, Any] | None) -> dict[str, Any]:
    """A document, or a part of one, in builtin types, as it is written; None is an empty one."""
    found: dict[str, Any] = msgspec.to_builtins(document or {})
    return found


def check(kind: str, title: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    """Raise DocumentUnreadable when a document of an object is not as its kind has it."""
    known = _KINDS.get(kind)
    if known is None:
        raise DocumentUnreadable(f"The kind {kind} of {title} has no declared documents.")
    for name, document, choice in ((SPEC, spec, known.spec), (STATUS, status, known.status)):
        structure = choice if isinstance(choice, type) else choice(spec)
        try:
            msgspec.convert(document, structure)
        except msgspec.ValidationError as error:
            raise DocumentUnreadable(
                f"The {name} of {kind.replace('_', ' ').lower()} {title} is not as this version "
                f"keeps it: {str(error).replace('`$', f'`{name}')}."
            ) from error
