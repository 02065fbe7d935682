"""Kinds of objects, each a table of parts that are generic where a kind has nothing of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from nunatak.access.privileges.declared import KINDS_OF_ACCOUNT, SCHEMA, ByAction, Needs, Rules
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.objects import Created
from nunatak.catalog.store import Key
from nunatak.objects.ruled import Kept, Listable, Ruled
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import SHOWN_WHERE_ALLOWED
from nunatak.sql.language.statement import STATUS_FIELDS, Context, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session

DONE = "Statement executed successfully."
COMMENT = "COMMENT"
SET = "SET"
T = TypeVar("T")
Readers = Mapping[str, Callable[[TokenCursor], Any]]
Name = tuple[str, ...]


Row = Callable[..., Sequence[Any]]
"""Row of an object, from it, the session and the services that the signature asks for."""
Rows = Callable[..., Sequence[Sequence[Any]]]
"""Rows, likewise."""


@dataclass(frozen=True)
class Altered:
    """An object that an action changes, with what the action read, or that DROP removes."""

    key: Key
    values: Any
    if_exists: bool


Drop = Callable[..., bool]
"""Removes an object; whether it was there. From the context, what is dropped, and the services that
the signature asks for."""


def _nothing(_: TokenCursor) -> None:
    """Actions that are complete with their words."""


class Commented(Protocol):
    """Service that gives objects of a kind comments."""

    def comment(self, key: Key, comment: str, *, if_exists: bool = False) -> None:
        """Give an object a comment; raises ObjectNotFound."""


def _comment(cursor: TokenCursor) -> dict[str, Any]:
    """`COMMENT = '…'`."""
    values = properties(cursor, {COMMENT: TokenCursor.string})
    if not values:
        cursor.fail("expected COMMENT")
    return values


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action of ALTER: the words that begin it, what it needs, how the rest is read."""

    words: str
    does: str
    """What it does, for the page of privileges, as in "to suspend it"."""
    needs: Rules
    """Rules about the statement, an AlterObject."""
    act: Callable[..., str | Result | None]
    """From the context, what is altered, and the services that the signature asks for. Answers a
    status of its own, else it is the usual one."""
    fields: tuple[Field, ...] = STATUS_FIELDS
    """Columns of the answer: with others than a status, `act` answers all of it."""
    reads: Callable[[TokenCursor], Any] = _nothing


def comment_actions(service: type[Commented], kind: str) -> tuple[Action, Action]:
    """SET and UNSET of a kind that has nothing but a comment to set, for who owns an object."""

    def put(_: Context, altered: Altered, injector: Injector) -> None:
        comment = altered.values[COMMENT]
        injector.get(service).comment(altered.key, comment, if_exists=altered.if_exists)

    needs, does = (Needs(OWNERSHIP, kind),), "to give it a comment"
    setting = Action(words=SET, does=does, needs=needs, act=put, reads=_comment)
    return setting, replace(setting, words="UNSET", reads=lambda cursor: unset_values(cursor, {}))


def _no_columns(_: Any, _session: Session) -> Sequence[Any]:
    """The row of a kind that has no SHOW of the family."""
    return ()


def _stay(_: Session, _key: Key, _made: Created) -> None:
    """A session is where it was after CREATE."""


def _keep(_: Session, _key: Key) -> None:
    """A session is where it was after DROP."""


@dataclass(frozen=True, kw_only=True)
class KindFamily(Generic[T]):
    """A kind of object with SHOW, DESCRIBE and the actions of ALTER; CREATE it registers itself.
    `service` is the type of what finds the objects."""

    kind: str
    words: str
    service: type[Listable[T]]
    plural: tuple[str, ...] = ()
    """The words of SHOW; a kind without them registers its own."""
    show_fields: tuple[Field, ...] = ()
    show_row: Row = _no_columns
    terse_fields: tuple[Field, ...] = ()
    terse_row: Row | None = None
    """Of SHOW TERSE, which there is where it has columns; by default a row of SHOW."""
    describe_fields: tuple[Field, ...] = ()
    """By default those of SHOW."""
    describe_rows: Rows | None = None
    """By default the one row of SHOW."""
    finds: Callable[..., Any] | None = None
    """Object that DESCRIBE tells of, from the session, its key and the services that the signature
    asks for; by default that of the service."""
    has_describe: bool = True
    """Whether there is DESCRIBE, by the family."""
    has_history: bool = False
    """Whether SHOW may say HISTORY."""
    aliases: tuple[str, ...] = ()
    """Other words for ALTER, DROP and DESCRIBE."""
    reads_name: Callable[[TokenCursor], Name] = TokenCursor.name
    """Of all statements but CREATE."""
    reads_altered: Callable[[TokenCursor], Name] | None = None
    """Of ALTER, where it may be left out."""
    drop_endings: tuple[str, ...] = ()
    """Words that may follow the name in DROP."""
    dropping: Rules = ()
    """What DROP needs; by default OWNERSHIP."""
    describing: Rules = ()
    """What DESCRIBE needs; by default any privilege."""
    showing: Rules = SHOWN_WHERE_ALLOWED
    """What SHOW needs, which shows all objects unless it is the default."""
    after_drop: Callable[[Session, Key], None] = _keep
    drops: Drop | None = None
    """What DROP does, which there is with it only."""
    actions: tuple[Action, ...] = ()
    """What ALTER does, which there is with some only. COMMENT ON is SET of a comment."""
    implied: str = ""
    """The action whose words ALTER may leave out."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Words of actions that are not offered, with what is said of them."""
    looks_first: bool = False
    """Whether IF EXISTS of ALTER looks for the object before its action is called, for actions
    that do not know of it."""

    def key(self, session: Session, parts: Name) -> Key:
        """Key of the object of that name."""
        return key_of(self.kind, parts, session)

    @property
    def dropper(self) -> Drop | None:
        """Handler of DROP, if it is here."""
        return self.drops

    @cached_property
    def alterations(self) -> Mapping[str, Action]:
        """All actions of ALTER by their words, longer ones first."""
        known = sorted(self._known, key=lambda each: -len(each.words))
        return {each.words: each for each in known}

    @property
    def alter_needs(self) -> Rules:
        """Requirements of ALTER: the same for all actions, or by the action."""
        known = self._known
        if len({action.needs for action in known}) == 1:
            return known[0].needs
        return (ByAction(tuple((each.words, each.does, each.needs) for each in known)),)

    @property
    def _known(self) -> tuple[Action, ...]:
        return self.actions

    @property
    def spellings(self) -> tuple[str, ...]:
        """The words that stand for the kind."""
        return (self.words, *self.aliases)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The words that may follow IN of SHOW."""
        if self.kind in KINDS_OF_ACCOUNT:
            return ("ACCOUNT",)
        return ("DATABASE", "ACCOUNT") if self.kind == SCHEMA else ("ACCOUNT", "DATABASE", "SCHEMA")


@dataclass(frozen=True, kw_only=True)
class ObjectFamily(KindFamily[T]):
    """A kind of object whose service drops, too."""

    service: type[Kept[T]]

    @property
    def dropper(self) -> Drop:
        """Handler of DROP; by default the service does it."""
        return self.drops or self._drop

    def _drop(self, _: Context, altered: Altered, injector: Injector) -> bool:
        return injector.get(self.service).drop(altered.key, if_exists=altered.if_exists)


def _as_given(_: Session, values: dict[str, Any]) -> dict[str, Any]:
    """Properties that mean the same in every session."""
    return values


@dataclass(frozen=True, kw_only=True)
class PropertyFamily(ObjectFamily[T]):
    """A kind of object that is made of properties. `readers` are those that CREATE and ALTER … SET
    know, `unset` their values after UNSET; `service` knows the rules about them. SET and UNSET are
    actions beside those that are given."""

    service: type[Ruled[T]]
    title: str
    """How the status of CREATE begins."""
    readers: Readers
    privilege: str = ""
    """To create one; by default CREATE and the kind."""
    reads_new: Callable[[TokenCursor], dict[str, Any]] | None = None
    """What follows the name in CREATE; by default properties."""
    replaceable: bool = True
    modifiers: Collection[str] = ()
    """Words that may stand between CREATE and the kind."""
    meant: Callable[[Session, dict[str, Any]], dict[str, Any]] = _as_given
    """The properties with names completed from the session."""
    unset: Mapping[str, Any] = field(default_factory=dict)
    altering: str = OWNERSHIP
    """What SET and UNSET need."""
    uses: Rules = ()
    """What CREATE and ALTER need on the objects that the properties name."""
    creating: Rules = ()
    """What only CREATE needs beside."""
    after_create: Callable[[Session, Key, Created], None] = _stay

    @property
    def setting(self) -> Action:
        """SET of properties, and COMMENT ON."""
        needs = (Needs(self.altering, self.kind), *self.uses)
        does = "to set and unset properties"
        return Action(words=SET, does=does, needs=needs, act=self._set, reads=self._given)

    @property
    def _known(self) -> tuple[Action, ...]:
        unsetting = replace(
            self.setting, words="UNSET", reads=lambda cursor: unset_values(cursor, self.unset)
        )
        return (*self.actions, self.setting, unsetting)

    def _set(self, context: Context, altered: Altered, injector: Injector) -> None:
        values = self.meant(context.session, dict(altered.values))
        comment = values.pop(COMMENT, None)
        service = injector.get(self.service)
        service.alter(altered.key, values, comment=comment, if_exists=altered.if_exists)

    def read_new(self, cursor: TokenCursor) -> dict[str, Any]:
        """Properties that follow the name in CREATE."""
        return (self.reads_new or self._properties)(cursor)

    def _properties(self, cursor: TokenCursor) -> dict[str, Any]:
        return properties(cursor, {**self.readers, COMMENT: TokenCursor.string})

    def _given(self, cursor: TokenCursor) -> dict[str, Any]:
        values = self._properties(cursor)
        if not values:
            cursor.fail("expected a property to set")
        return values


def unset_values(cursor: TokenCursor, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`UNSET A, B` as the values that the names have afterwards; COMMENT is always allowed."""
    known = {**defaults, COMMENT: ""}
    values: dict[str, Any] = {}
    while True:
        name = cursor.peek()
        if name not in known:
            cursor.fail(f"expected one of {', '.join(sorted(known))}")
        cursor.position += 1
        values[name] = known[name]
        if not cursor.accept(","):
            return values
