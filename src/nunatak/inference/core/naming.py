"""Names of fields: a caller's name means the field exactly so written, or the same identifier in
SQL.

A name in a signature stands for an SQL identifier: `a` and `A` for A, `"a"` for a. A caller may
write the field's own name, or any spelling of its identifier. Where one field has a name exactly,
the name means no other field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.signature import SignatureField

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_QUOTED = re.compile(r'"((?:[^"]|"")+)"')


def identifier_of(name: str) -> str:
    """The SQL identifier that a name stands for, in stored form."""
    if _PLAIN.fullmatch(name):
        return name.upper()
    return _unquoted(name)


def _unquoted(name: str) -> str:
    match = _QUOTED.fullmatch(name)
    return match[1].replace('""', '"') if match else name


class Naming:
    """The names of some fields, looked up as callers may write them."""

    def __init__(self, fields: Sequence[SignatureField]) -> None:
        self.fields = tuple(fields)
        self._exact = {field.name: place for place, field in enumerate(self.fields)}
        self._identifiers: dict[str, int | None] = {}
        for place, field in enumerate(self.fields):
            identifier = identifier_of(field.name) if field.identifier is None else field.identifier
            self._identifiers[identifier] = None if identifier in self._identifiers else place

    def place(self, name: str) -> int | None:
        """The place of the field that a name means; None where it means none, or several."""
        for known in (name, _unquoted(name)):
            if known in self._exact:
                return self._exact[known]
        return self._identifiers.get(identifier_of(name))

    def pick(self, names: Iterable[str], where: str) -> list[str | None]:
        """For each field the name that means it, None where there is none; other names are left.

        Raises BadInput, which says ``where``, for a field that is named twice.
        """
        found: list[str | None] = [None] * len(self.fields)
        for name in names:
            place = self.place(name)
            if place is None:
                continue
            other = found[place]
            if other is not None:
                raise BadInput(
                    f"{where} names {self.fields[place].name!r} twice: as {shown(other)} and as "
                    f"{shown(name)}"
                )
            found[place] = name
        return found

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of the names that mean no field."""
        return [name for name in names if self.place(name) is None]


class Picker:
    """Takes the values of fields out of many objects, most of which have the same keys."""

    def __init__(
        self, fields: Sequence[SignatureField], *, required: int, only: bool = False
    ) -> None:
        """The first ``required`` fields must be there, the others have defaults; with ``only``
        there may be no other keys."""
        self._naming = Naming(fields)
        self._required = required
        self._only = only
        self._keys: tuple[str, ...] | None = None
        self._names: list[str | None] = []

    def values(self, given: Mapping[str, object], where: str) -> list[object]:
        """The fields' values, in order. Raises BadInput that names what is missing or doubled."""
        keys = tuple(given)
        if keys != self._keys:
            names = self._naming.pick(keys, where)
            if self._only:
                refuse_unknown(self._naming, keys, where)
            require(self._naming.fields[: self._required], names, where)
            self._keys, self._names = keys, names
        fields = self._naming.fields
        return [
            field.default if name is None else given[name]
            for field, name in zip(fields, self._names, strict=True)
        ]

    def was_given(self, place: int) -> bool:
        """Whether the object that was looked at last has the field at a place."""
        return self._names[place] is not None


def refuse_unknown(naming: Naming, names: Iterable[str], where: str) -> None:
    """Raise BadInput, which says ``where``, for names that mean no field."""
    unknown = naming.unknown(names)
    if unknown:
        listed = ", ".join(shown(name) for name in unknown[:20])
        raise BadInput(f"{where} names {listed}, which the method does not take")


def require(fields: Sequence[SignatureField], names: Sequence[str | None], where: str) -> None:
    """Raise BadInput, which says ``where``, for fields that have no name among the given."""
    missing = [field.name for field, name in zip(fields, names, strict=False) if name is None]
    if missing:
        listed = ", ".join(repr(name) for name in missing[:20])
        raise BadInput(f"{where} lacks the column{'s' * (len(missing) > 1)} {listed}")


def shown(name: str) -> str:
    """A caller's name in a message."""
    return repr(name if len(name) <= 80 else name[:77] + "...")
