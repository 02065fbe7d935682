"""CREATE of every kind of object, and what it needs of the object that has the name already.

OR REPLACE takes an object away from its owner, so it needs OWNERSHIP of it beside the privilege to
create. Both are the rule `Creates`, once for all kinds: a parser of CREATE is registered with
`creation` only, which insists on it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from nunatak.access.privileges.declared import Creates, Rules, declared
from nunatak.catalog.objects import Created, Existing
from nunatak.sql.language.statement import STATUS_FIELDS, Modifiers, register
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
        """Fate of an object of the same name."""
        if self.if_not_exists:
            return Existing.KEEP
        return Existing.REPLACE if self.or_replace else Existing.REFUSE

    @property
    @abstractmethod
    def run(self) -> Callable[..., Result]:
        """`run(context, …)` makes the object; one that is there stays with IF NOT EXISTS."""


def created(made: Created, title: str, name: str) -> Result:
    """The vendor's status of CREATE; `title` begins it, as in "Stage area"."""
    if made.is_kept:
        return status_result(f"{name} already exists, statement succeeded.")
    return status_result(f"{title} {name} successfully created.")


Parser = TypeVar("Parser", bound=Callable[[TokenCursor, Modifiers], Creation])


def creation(
    words: str, *, needs: Rules, modifiers: Collection[str] = ()
) -> Callable[[Parser], Parser]:
    """Register the parser of `CREATE <words>`, which must declare what it creates, and which words
    may stand before the kind."""
    kinds = [rule for rule in declared(words, needs) if isinstance(rule, Creates)]
    assert len(kinds) == 1, f"CREATE {words} must declare what it creates"

    def decorate(parser: Parser) -> Parser:
        register(f"{CREATE} {words}", parser, needs, modifiers=modifiers)
        return parser

    return decorate
