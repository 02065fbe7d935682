"""Declared requirements of operations: data that stands where an operation registers.

A declaration is one or several rules that must all be met. Nothing registers without one: what
everybody may do says so with `Nothing` and a reason, what only running it can tell is listed with
`CheckedInside`. Rules name attributes of the operation's parsed form (`of`), or the number of an
argument of a function; `nunatak.sql.language.requirements` resolves them for a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.privileges.roles import ROLE, USER

ACCOUNT = "ACCOUNT"
DATABASE = "DATABASE"
SCHEMA = "SCHEMA"
KINDS_OF_ACCOUNT = frozenset({DATABASE, "WAREHOUSE", "COMPUTE_POOL", "INTEGRATION", USER, ROLE})
"""Kinds whose objects lie in no database."""


class Target(NamedTuple):
    """An object that a privilege is needed on: its kind, and the catalog's title of it."""

    kind: str
    name: str


Targets = Callable[..., Iterable[Target]]
"""Finds the objects that an operation concerns, from its parsed form, its context and the services
that the signature asks for."""


@dataclass(frozen=True, slots=True)
class Given:
    """A condition: whether an attribute is given; `words` say what the operation then does."""

    attribute: str
    words: str
    is_given: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """No privilege: everybody with a session may."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedInside:
    """Privileges on what cannot be known before it runs; they are asked for then."""

    why: str
    privileges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """A privilege on the object that an attribute names."""

    privilege: str
    kind: str
    of: str | int = "name"
    each: bool = False
    """`of` holds several names; of arguments, it is the first of them."""
    when: Given | None = None
    unless_own: str = ""
    """The attribute with the name of a temporary object of the session that needs nothing."""
    unless_self: bool = False
    """Users need nothing on themselves, nor where no user is named."""


@dataclass(frozen=True, slots=True)
class NeedsInHolder:
    """A privilege on what holds, or shall hold, the object that an attribute names: its schema,
    the database of a schema, else the account."""

    privilege: str
    kind: str
    of: str = "name"
    when: Given | None = None
    unless_own: str = ""


@dataclass(frozen=True, slots=True)
class NeedsOnAccount:
    """A privilege on the account."""

    privilege: str
    when: Given | None = None


@dataclass(frozen=True, slots=True)
class Creates:
    """The privilege to create a kind where the name lies, and OWNERSHIP of the object that
    OR REPLACE takes the place of."""

    kind: str
    of: str = "name"
    privilege: str = ""
    """By default CREATE and the kind."""
    unless_temporary: str = ""
    """The attribute that is true for an object that only the session sees: it needs any privilege
    on what holds it."""

    @property
    def asked(self) -> str:
        """The privilege."""
        return self.privilege or f"CREATE {self.kind.replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class AppliesTags:
    """APPLY on each tag of an attribute that holds names of tags with their values."""

    of: str = "tags"
    kind: str = "TAG"


@dataclass(frozen=True, slots=True)
class OnTargets:
    """A privilege on objects that are computed, such as the stage that a location leads to."""

    privilege: str
    by: Targets
    words: str
    """The objects, as in "the stage"."""
    except_for: tuple[tuple[str, str], ...] = ()
    """Kinds that need another privilege, with it."""

    def asked(self, kind: str) -> str:
        """The privilege on an object of a kind."""
        return dict(self.except_for).get(kind, self.privilege)


@dataclass(frozen=True, slots=True)
class Case:
    """Form that an operation, or a part of it, can have."""

    form: type[Any]
    words: str
    needs: Rules


@dataclass(frozen=True, slots=True)
class OneOf:
    """The rules of the case whose form it has, or whose form the attribute `of` has. A form that
    is not listed does not run."""

    cases: tuple[Case, ...]
    of: str = ""


@dataclass(frozen=True, slots=True)
class ByAction:
    """The rules of an action, whose words the attribute `of` holds: words, what it does, rules."""

    actions: tuple[tuple[str, str, Rules], ...]
    of: str = "action"


Rule = (
    Nothing
    | CheckedInside
    | Needs
    | NeedsInHolder
    | NeedsOnAccount
    | Creates
    | AppliesTags
    | OnTargets
    | OneOf
    | ByAction
)
Rules = tuple[Rule, ...]


def declared(what: str, needs: Rules) -> Rules:
    """The declaration of an operation that registers; fails when it declares nothing."""
    assert isinstance(needs, tuple), f"{what} must declare what it needs: a tuple of rules"
    assert needs, f"{what} must declare what it needs"
    for rule in needs:
        assert isinstance(rule, Rule), f"{what} declares {rule!r}, which is no rule"
        assert not isinstance(rule, Nothing | CheckedInside) or rule.why, f"{what} must say why"
        if isinstance(rule, OneOf):
            for case in rule.cases:
                declared(f"{what} ({case.words})", case.needs)
        if isinstance(rule, ByAction):
            for words, _, rules in rule.actions:
                declared(f"{what} {words}", rules)
    return needs


def in_words(needs: Rules) -> str:
    """A declaration as a reader of documentation sees it."""
    return "; ".join(dict.fromkeys(_words(rule) for rule in needs))


def _words(rule: Rule) -> str:
    match rule:
        case Nothing():
            return f"nothing: {rule.why}"
        case CheckedInside():
            return f"while it runs, as {rule.why}: {', '.join(rule.privileges)}"
        case Needs():
            return _privilege(rule.privilege, _object(rule.kind, each=rule.each)) + _limits(rule)
        case NeedsInHolder():
            return f"{rule.privilege} on the {holder(rule.kind).lower()}{_limits(rule)}"
        case NeedsOnAccount():
            return f"{rule.privilege} on the account{_when(rule.when)}"
        case Creates():
            own = ", any privilege where it is temporary" if rule.unless_temporary else ""
            where = f"{rule.asked} on the {holder(rule.kind).lower()}"
            return f"{where}{own}; OWNERSHIP of what OR REPLACE replaces"
        case AppliesTags():
            return "APPLY on each tag"
        case OnTargets():
            others = (
                f"{privilege} where it is a {_plain(kind)}" for kind, privilege in rule.except_for
            )
            return ", ".join([_privilege(rule.privilege, rule.words), *others])
        case OneOf():
            return ", ".join(f"{case.words} ({in_words(case.needs)})" for case in rule.cases)
        case ByAction():
            done = dict.fromkeys(f"{does} ({in_words(rules)})" for _, does, rules in rule.actions)
            return ", ".join(done)


def holder(kind: str) -> str:
    """The kind of what holds objects of a kind."""
    if kind in KINDS_OF_ACCOUNT:
        return ACCOUNT
    return DATABASE if kind == SCHEMA else SCHEMA


def _privilege(privilege: str, where: str) -> str:
    if privilege == ANY:
        return f"any privilege on {where}"
    return f"{privilege} {'of' if privilege == OWNERSHIP else 'on'} {where}"


def _object(kind: str, *, each: bool) -> str:
    return f"{'each' if each else 'the'} {_plain(kind)}"


def _plain(kind: str) -> str:
    return kind.replace("_", " ").lower()


def _when(given: Given | None) -> str:
    return "" if given is None else f" {given.words}"


def _limits(rule: Needs | NeedsInHolder) -> str:
    own = ", unless it is the session's own temporary one" if rule.unless_own else ""
    oneself = ", unless it is oneself" if isinstance(rule, Needs) and rule.unless_self else ""
    return _when(rule.when) + own + oneself
