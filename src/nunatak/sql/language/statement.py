"""Statements, and the table of all those that the server knows by their words.

A family module parses its statements into frozen dataclasses and registers each grammar under
its leading words:

    @grammar("DROP COMPUTE POOL", needs=(Needs(OWNERSHIP, "COMPUTE_POOL"),))
    def drop_compute_pool(cursor: TokenCursor, _: Modifiers) -> Statement: ...

What a statement needs is declared there (`nunatak.access.privileges.declared`), and checked
before it runs; without it nothing registers. CREATE has a decorator of its own, in
`nunatak.sql.language.creation`: `CREATE OR REPLACE TEMPORARY X` is registered as "X"; the modifiers
are handed in. DESC is DESCRIBE.
Parsers start behind the words they are registered under.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import OnTargets, Rules, Target, declared
from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.access.privileges.roles import ROLE, USER
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument, ObjectNotFound, Unsupported
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.requirements import resolve
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.cancel import Cancellation
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field, Result, Transfer
from nunatak.warehouse.core.session import Session

STATUS_FIELDS = (Field("status"),)


@dataclass(frozen=True, kw_only=True)
class Context:
    """The context of one running statement: the request, and what it names."""

    request: StatementRequest

    @property
    def session(self) -> Session:
        """Whose statement it is."""
        return self.request.session

    @property
    def query_id(self) -> str:
        """The statement's id."""
        return self.request.query_id

    @property
    def cancelled(self) -> Cancellation:
        """Set when the statement shall stop."""
        return self.request.cancelled


def exists(key: Key, access: Access, objects: Objects) -> bool:
    """Whether there is such an object, whoever may see it."""
    if key.kind == USER:
        return access.users.find(key.name) is not None
    if key.kind == ROLE:
        return key.name in access.roles
    return objects.find(key) is not None


def require_seen(key: Key, context: Context, access: Access, objects: Objects) -> None:
    """Raise ObjectNotFound unless there is such an object and the current role may see it."""
    any_privilege = Requirement(ANY, key.kind, key.title)
    role = context.session.in_force
    is_seen = access.decide(any_privilege, role=role).is_seen
    if not is_seen and key.schema:  # its owner grants on what others own, where access is managed
        schema = Key("SCHEMA", key.schema, key.database)
        is_seen = access.allows(role, Requirement(OWNERSHIP, schema.kind, schema.title))
    if not is_seen or not exists(key, access, objects):
        raise ObjectNotFound(key.label, key.title)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The scope in which the requirements of a running statement are resolved."""

    context: Context
    injector: Injector

    @property
    def session(self) -> Session:
        """Whose statement it is."""
        return self.context.session

    def exists(self, key: Key) -> bool:
        """Whether there is such an object, whoever may see it."""
        return exists(key, self.injector.get(Access), self.injector.get(Objects))

    def targets(self, rule: OnTargets, subject: Any) -> Iterable[Target]:
        """The objects that a rule finds, with the services that it asks for."""
        return self.injector.call(rule.by, subject, self.context)


def requirements(
    needs: Rules, subject: Any, context: Context, injector: Injector
) -> Iterator[Requirement]:
    """The privileges that a declaration requires of a parsed statement, or of the arguments of a
    function; raises NoCurrentContext, InvalidArgument, and what the search for objects raises."""
    return resolve(needs, subject, _Scope(context, injector))


def authorise(needs: Rules, subject: Any, context: Context, injector: Injector) -> None:
    """Raise PrivilegeMissing unless the current role holds what a declaration requires, or
    ObjectNotFound for an object that it may not even see."""
    access = injector.get(Access)
    for requirement in requirements(needs, subject, context, injector):
        access.require(requirement, role=context.session.in_force)
        context.session.accessed.note(requirement)


class Statement(Protocol):
    """A parsed statement."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The result columns, known without running."""

    @property
    def run(self) -> Callable[..., Result | Transfer]:
        """`run(context, …)` does it, with the services that its signature asks for. Runs in a
        worker thread; a returned status has committed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A parsed statement with what it declares to need."""

    statement: Statement
    needs: Rules

    def run(self, context: Context, injector: Injector) -> Result | Transfer:
        """Check what it needs, then run it; raises PrivilegeMissing, ObjectNotFound for what may
        not even be seen, and what it raises."""
        try:
            authorise(self.needs, self.statement, context, injector)
        except ObjectNotFound as missing:
            answer = _answer_without(self.statement, missing, context)
            if answer is None:
                raise
            return answer
        return injector.call(self.statement.run, context)


@runtime_checkable
class Conditional(Protocol):
    """A statement that may have IF EXISTS."""

    if_exists: bool

    def without(self, context: Context) -> tuple[Key, Result]:
        """Object that it is about, and its answer where that is not there."""


def _answer_without(
    statement: Statement, missing: ObjectNotFound, context: Context
) -> Result | None:
    """The answer of IF EXISTS for an object that the role may not see: that it is not there. None
    where something else is missing, or it must be there."""
    if not isinstance(statement, Conditional) or not statement.if_exists:
        return None
    key, answer = statement.without(context)
    return answer if (missing.kind, missing.name) == (key.label, key.title) else None


@dataclass(frozen=True, slots=True)
class Modifiers:
    """Words between CREATE and the kind of object."""

    or_replace: bool = False
    words: frozenset[str] = frozenset()
    """Others, such as TEMPORARY or SECURE, in upper case."""

    @property
    def temporary(self) -> bool:
        """Whether the object is the session's own."""
        return TEMPORARY in self.words


Parser = Callable[[TokenCursor, Modifiers], Statement]


@dataclass(frozen=True, slots=True)
class Grammar:
    """A grammar: how a statement is read, and what it needs."""

    parser: Parser
    needs: Rules
    modifiers: frozenset[str] = frozenset()
    """Words that may stand between CREATE and the kind, beside OR REPLACE."""


_GRAMMARS: dict[tuple[str, ...], Grammar] = {}
_REFUSED: dict[tuple[str, ...], str] = {}
TEMPORARY = "TEMPORARY"
TRANSIENT = "TRANSIENT"
_MODIFIER_WORDS = frozenset({TRANSIENT, "SECURE", "LOCAL", "GLOBAL", "VOLATILE"})
_LONGEST_WORDS = 7


def grammar(*spellings: str, needs: Rules) -> Callable[[Parser], Parser]:
    """Register a parser under the leading words of its statement, in one or more spellings, with
    what the statement needs."""

    def decorate(parser: Parser) -> Parser:
        for spelling in spellings:
            assert not spelling.startswith("CREATE"), (
                f"{spelling}: see `nunatak.sql.language.creation`"
            )
            register(spelling, parser, needs)
        return parser

    return decorate


def register(
    spelling: str, parser: Parser, needs: Rules, *, modifiers: Collection[str] = ()
) -> None:
    """Make a statement known by its leading words."""
    words = tuple(spelling.split())
    assert words not in _GRAMMARS, f"{spelling} is registered twice"
    _GRAMMARS[words] = Grammar(parser, declared(spelling, needs), frozenset(modifiers))


def refuse(spelling: str, message: str) -> None:
    """Make a statement known that is not offered: whoever writes it is told so."""
    _REFUSED[tuple(spelling.split())] = message


def grammars() -> Mapping[str, Grammar]:
    """Every statement that is known, by its leading words."""
    return {" ".join(words): found for words, found in sorted(_GRAMMARS.items())}


def parse_registered(cursor: TokenCursor) -> Prepared | None:
    """Parse a statement that a family registered; None leaves the cursor where it was.

    Raises Unsupported for one that is known and not offered.
    """
    start = cursor.position
    verb = "DESCRIBE" if cursor.peek() == "DESC" else cursor.peek()
    cursor.position += 1
    modifiers = _modifiers(cursor) if verb == "CREATE" else Modifiers()
    words = (verb, *(cursor.peek(index) for index in range(_LONGEST_WORDS - 1)))
    for count in range(_LONGEST_WORDS, 0, -1):
        found = _GRAMMARS.get(words[:count])
        if found is not None:
            cursor.position += count - 1
            for word in sorted(modifiers.words - found.modifiers):
                cursor.fail(f"{word} does not go with {' '.join(words[:count])}")
            statement = found.parser(cursor, modifiers)
            cursor.expect_end()
            return Prepared(statement, found.needs)
        if (message := _REFUSED.get(words[:count])) is not None:
            raise Unsupported(message)
    cursor.position = start
    return None


def _modifiers(cursor: TokenCursor) -> Modifiers:
    or_replace = cursor.accept("OR", "REPLACE")
    words = set()
    while True:
        if cursor.accept("SCOPED") or cursor.accept_any(TEMPORARY, "TEMP"):
            words.add(TEMPORARY)
        elif (word := cursor.peek()) in _MODIFIER_WORDS:
            cursor.position += 1
            words.add(word)
        else:
            return Modifiers(or_replace, frozenset(words))


def accept_if_not_exists(cursor: TokenCursor, create: Modifiers | None = None) -> bool:
    """Read IF NOT EXISTS; it does not go together with OR REPLACE."""
    found = cursor.accept("IF", "NOT", "EXISTS")
    if found and create is not None and create.or_replace:
        raise InvalidArgument("OR REPLACE and IF NOT EXISTS exclude each other: use one of them.")
    return found


def properties(
    cursor: TokenCursor, readers: Mapping[str, Callable[[TokenCursor], Any]]
) -> dict[str, Any]:
    """`NAME = value` pairs in any order, each read by its reader, until another word comes.

    A reader takes the cursor, as in `{"MIN_NODES": integer}`. The `=`
    may be left out, as in the vendor's grammar. A name given twice is refused.
    """
    found: dict[str, Any] = {}
    while cursor.peek() in readers:
        name = cursor.peek()
        if name in found:
            cursor.fail(f"{name} is given twice")
        cursor.position += 1
        cursor.accept("=")
        found[name] = readers[name](cursor)
        cursor.accept(",")
    return found
