"""CREATE of every kind of object, and what it needs of the object that has the name already.

OR REPLACE takes an object away from its owner, so it needs OWNERSHIP of it beside the privilege to
create. That is asked here, once for all kinds: a parser of CREATE is registered with `creation`
only, and its statement says which object it makes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.objects import Created, Existing
from nunatak.catalog.store import Key
from nunatak.sql.language.objects import exists, ownership
from nunatak.sql.language.statement import STATUS_FIELDS, Context, Modifiers, register
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result, status_result

CREATE = "CREATE"


@dataclass(frozen=True, kw_only=True)
class Creation(ABC):
    """CREATE [OR REPLACE] … [IF NOT EXISTS] …"""

    or_replace: bool = False
    if_not_exists: bool = False
    fields: tuple[Field, ...] = STATUS_FIELDS

    @property
    def existing(self) -> Existing:
        """What becomes of an object of the same name."""
        if self.if_not_exists:
            return Existing.KEEP
        return Existing.REPLACE if self.or_replace else Existing.REFUSE

    @abstractmethod
    def made(self, context: Context) -> Key | None:
        """The object that is made; None for one that only the session sees."""

    @abstractmethod
    def needs(self, context: Context) -> Iterable[Requirement]:
        """The privilege to create, and those on what the new object uses."""

    @abstractmethod
    def run(self, context: Context) -> Result:
        """Make the object; one that is there stays as it is with IF NOT EXISTS."""

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """What creating needs, and OWNERSHIP of what is replaced."""
        yield from self.needs(context)
        key = self.made(context) if self.or_replace else None
        if key is not None and exists(context, key):
            yield ownership(key)


def created(made: Created, title: str, name: str) -> Result:
    """The vendor's status of CREATE; `title` begins it, as in "Stage area"."""
    if made.is_kept:
        return status_result(f"{name} already exists, statement succeeded.")
    return status_result(f"{title} {name} successfully created.")


Parser = TypeVar("Parser", bound=Callable[[TokenCursor, Modifiers], Creation])


def creation(words: str) -> Callable[[Parser], Parser]:
    """Register the parser of `CREATE <words>`."""

    def decorate(parser: Parser) -> Parser:
        register(f"{CREATE} {words}", parser)
        return parser

    return decorate
