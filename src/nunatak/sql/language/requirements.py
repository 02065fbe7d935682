"""Requirements: from what an operation declares to the privileges that its session must hold.

`resolve` is pure but for names that OR REPLACE and locations lead to, which its scope looks up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import (
    ACCOUNT,
    DATABASE,
    KINDS_OF_ACCOUNT,
    SCHEMA,
    AppliesTags,
    ByAction,
    CheckedInside,
    Creates,
    Given,
    Needs,
    NeedsInHolder,
    NeedsOnAccount,
    Nothing,
    OneOf,
    OnTargets,
    Rule,
    Rules,
    Target,
)
from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.catalog.names import QualifiedName, quoted, split_name
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument, NoCurrentContext
from nunatak.warehouse.core.session import Session

Name = str | tuple[str, ...] | QualifiedName
"""A name as a statement holds it: of an object of the account, in parts, or complete."""


class Scope(Protocol):
    """The scope in which an operation runs."""

    @property
    def session(self) -> Session:
        """The session that completes its names, and whose user it acts for."""

    def exists(self, key: Key) -> bool:
        """Whether there is such an object, whoever may see it."""

    def targets(self, rule: OnTargets, subject: Any) -> Iterable[Target]:
        """The objects that a rule finds."""


def resolve(needs: Rules, subject: Any, scope: Scope) -> Iterator[Requirement]:
    """The privileges that a parsed statement, or the arguments of a function, require.

    Raises NoCurrentContext and InvalidArgument for names that name nothing.
    """
    for rule in needs:
        yield from _resolved(rule, subject, scope)


def _resolved(rule: Rule, subject: Any, scope: Scope) -> Iterable[Requirement]:
    match rule:
        case Nothing() | CheckedInside():
            return ()
        case Needs():
            return _on_objects(rule, subject, scope)
        case NeedsInHolder():
            return _in_holder(rule, subject, scope)
        case NeedsOnAccount():
            on_account = Requirement(rule.privilege, ACCOUNT, scope.session.account)
            return [on_account] if _is_met(rule.when, subject) else ()
        case Creates():
            return _creating(rule, subject, scope)
        case AppliesTags():
            names = (name for name, _ in _value(subject, rule.of))
            return [_on("APPLY", key_of(rule.kind, name, scope.session)) for name in names]
        case OnTargets():
            targets = scope.targets(rule, subject)
            return [Requirement(rule.asked(kind), kind, name) for kind, name in targets]
        case OneOf():
            part = _value(subject, rule.of) if rule.of else subject
            found = [case for case in rule.cases if type(part) is case.form]
            assert len(found) == 1, f"{type(part).__name__} declares nothing"
            return resolve(found[0].needs, part, scope)
        case ByAction():
            asked = _value(subject, rule.of)
            return resolve(
                next(needs for words, _, needs in rule.actions if words == asked), subject, scope
            )


def _on_objects(rule: Needs, subject: Any, scope: Scope) -> Iterator[Requirement]:
    if not _is_met(rule.when, subject) or _is_own(rule.kind, rule.unless_own, subject, scope):
        return
    if rule.each:
        names = subject[rule.of :] if isinstance(rule.of, int) else _value(subject, rule.of) or ()
    else:
        names = [_value(subject, rule.of)]
    for name in names:
        if rule.unless_self and name is None:
            continue
        key = key_of(rule.kind, _as_name(name, rule), scope.session)
        if not (rule.unless_self and key.name == scope.session.user):
            yield _on(rule.privilege, key)


def _in_holder(rule: NeedsInHolder, subject: Any, scope: Scope) -> Iterator[Requirement]:
    if _is_met(rule.when, subject) and not _is_own(rule.kind, rule.unless_own, subject, scope):
        key = key_of(rule.kind, _value(subject, rule.of), scope.session)
        yield _on_holder(rule.privilege, key, scope.session)


def _creating(rule: Creates, subject: Any, scope: Scope) -> Iterator[Requirement]:
    key = key_of(rule.kind, _value(subject, rule.of), scope.session)
    if rule.unless_temporary and _value(subject, rule.unless_temporary):
        yield _on_holder(ANY, key, scope.session)
        return
    yield _on_holder(rule.asked, key, scope.session)
    if subject.or_replace and scope.exists(key):
        yield _on(OWNERSHIP, key)


def _on(privilege: str, key: Key) -> Requirement:
    return Requirement(privilege, key.kind, key.title)


def _on_holder(privilege: str, key: Key, session: Session) -> Requirement:
    if key.schema:
        return _on(privilege, Key(SCHEMA, key.schema, key.database))
    if key.database:
        return _on(privilege, Key(DATABASE, key.database))
    return Requirement(privilege, ACCOUNT, session.account)


def key_of(kind: str, name: Name, session: Session) -> Key:
    """Key of the object of a name, completed from the session; that of no name is its user.

    Raises NoCurrentContext, and InvalidArgument for a name of too many parts.
    """
    if isinstance(name, QualifiedName):
        return Key.of(kind, name)
    parts = (name,) if isinstance(name, str) else name
    most = 1 if kind in KINDS_OF_ACCOUNT else 2 if kind == SCHEMA else 3
    if len(parts) > most:
        written, what = ".".join(map(quoted, parts)), kind.replace("_", " ").lower()
        raise InvalidArgument(
            f"'{written}' has too many parts: a name of kind {what} has at most {most}."
        )
    if kind in KINDS_OF_ACCOUNT:
        return Key(kind, parts[0] if parts else session.user)  # only users may have no name
    if kind == SCHEMA:
        return _schema(parts, session)
    return Key.of(kind, session.qualify(parts))


def _schema(parts: tuple[str, ...], session: Session) -> Key:
    database = parts[0] if len(parts) > 1 else session.database
    if database is None:
        raise NoCurrentContext(
            f"Cannot find schema '{parts[-1]}': the session has no current database. "
            "Call USE DATABASE, or write database.schema."
        )
    return Key(SCHEMA, parts[-1], database)


def _as_name(value: Any, rule: Needs) -> Name:
    """An argument of a function holds a name as it is written in SQL."""
    if not isinstance(rule.of, int) or isinstance(value, tuple):
        name: Name = value
        return name
    if not isinstance(value, str):
        what = rule.kind.replace("_", " ").lower()
        raise InvalidArgument(f"Name the {what} with a text such as 'DB.SCHEMA.{what.upper()}'.")
    return split_name(value)


def _is_met(given: Given | None, subject: Any) -> bool:
    return given is None or bool(_value(subject, given.attribute)) is given.is_given


def _is_own(kind: str, attribute: str, subject: Any, scope: Scope) -> bool:
    if not attribute:
        return False
    name = scope.session.qualify(_value(subject, attribute))
    return scope.session.temporary(kind, name) is not None


def _value(subject: Any, path: str | int) -> Any:
    """An argument by its number, or an attribute: `values.SERVICE` is a key of a mapping."""
    if isinstance(path, int):
        return subject[path]
    for part in path.split("."):
        subject = subject.get(part) if isinstance(subject, Mapping) else getattr(subject, part)
    return subject
