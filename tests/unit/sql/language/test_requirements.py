"""Resolving declarations: from rules and parsed statements to privileges on objects."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from nunatak.access.privileges.declared import (
    KINDS_OF_ACCOUNT,
    AppliesTags,
    ByAction,
    Case,
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
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key
from nunatak.catalog.temporary import TemporaryObject
from nunatak.errors import InvalidArgument, NoCurrentContext
from nunatak.sql import frontend
from nunatak.sql.language.requirements import key_of, resolve
from nunatak.sql.language.statement import Grammar, grammars
from nunatak.warehouse.core.session import Session

assert frontend, "all families are registered"


@dataclass
class Place:
    """A session, and the objects that there are."""

    session: Session = field(
        default_factory=lambda: Session(id=1, user="ADA", role="R", database="DB", schema="S")
    )
    keys: tuple[Key, ...] = ()

    def exists(self, key: Key) -> bool:
        """Whether it is one of those."""
        return key in self.keys

    def targets(self, rule: OnTargets, subject: Any) -> Iterable[Target]:
        """What its finder finds without any service."""
        return rule.by(subject, self)


@dataclass
class Gadget:
    """A statement that has everything that rules ask for."""

    name: Any = ("G",)
    to: Any = None
    names: Any = ()
    user: Any = None
    tags: Any = ()
    or_replace: bool = False
    temporary: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    part: Any = None


def needed(rule: Rule, subject: Any, place: Place | None = None) -> list[tuple[str, str, str]]:
    found = resolve((rule,), subject, place or Place())
    return [(item.privilege, item.kind, item.object_name) for item in found]


MOVES = NeedsInHolder("CREATE TAG", "TAG", of="to", when=Given("to", "to move it"))


@pytest.mark.parametrize(
    ("rule", "subject", "expected"),
    [
        (Nothing(why="it is a test"), Gadget(), []),
        (CheckedInside(why="it is a test", privileges=("READ",)), Gadget(), []),
        (Needs("READ", "MODEL"), Gadget(), [("READ", "MODEL", "DB.S.G")]),
        (Needs("READ", "MODEL"), Gadget(name=("D2", "x", "g")), [("READ", "MODEL", 'D2."x"."g"')]),
        (
            Needs("READ", "MODEL"),
            Gadget(name=QualifiedName("A", "B", "C")),
            [("READ", "MODEL", "A.B.C")],
        ),
        (Needs("USAGE", "COMPUTE_POOL"), Gadget(name="P"), [("USAGE", "COMPUTE_POOL", "P")]),
        (Needs("MODIFY", "SCHEMA"), Gadget(), [("MODIFY", "SCHEMA", "DB.G")]),
        (Needs("MODIFY", "SCHEMA"), Gadget(name=("D2", "G")), [("MODIFY", "SCHEMA", "D2.G")]),
        (
            Needs("USAGE", "INTEGRATION", of="values.USED", each=True),
            Gadget(values={"USED": ["A", "b"]}),
            [("USAGE", "INTEGRATION", "A"), ("USAGE", "INTEGRATION", '"b"')],
        ),
        (Needs("USAGE", "INTEGRATION", of="values.USED", each=True), Gadget(), []),
        (Needs("READ", "TAG", when=Given("to", "so")), Gadget(), []),
        (Needs("READ", "TAG", when=Given("to", "so")), Gadget(to=1), [("READ", "TAG", "DB.S.G")]),
        (
            Needs("READ", "TAG", when=Given("to", "so", is_given=False)),
            Gadget(),
            [("READ", "TAG", "DB.S.G")],
        ),
        (Needs("READ", "TAG", when=Given("to", "so", is_given=False)), Gadget(to=1), []),
        (Needs(OWNERSHIP, "USER", of="user", unless_self=True), Gadget(), []),
        (Needs(OWNERSHIP, "USER", of="user", unless_self=True), Gadget(user="ADA"), []),
        (Needs(OWNERSHIP, "USER", of="user", unless_self=True), Gadget(user=("ADA",)), []),
        (
            Needs(OWNERSHIP, "USER", of="user", unless_self=True),
            Gadget(user="EVE"),
            [(OWNERSHIP, "USER", "EVE")],
        ),
        (Needs(OWNERSHIP, "STAGE", unless_own="name"), Gadget(name=("OWN",)), []),
        (
            Needs(OWNERSHIP, "STAGE", unless_own="name"),
            Gadget(),
            [(OWNERSHIP, "STAGE", "DB.S.G")],
        ),
        (MOVES, Gadget(), []),
        (MOVES, Gadget(to=("X", "T")), [("CREATE TAG", "SCHEMA", "DB.X")]),
        (
            NeedsInHolder("CREATE STAGE", "STAGE", of="to", unless_own="name"),
            Gadget(name=("OWN",), to=("T",)),
            [],
        ),
        (NeedsOnAccount("BIND"), Gadget(), [("BIND", "ACCOUNT", "NUNATAK")]),
        (NeedsOnAccount("BIND", when=Given("to", "so")), Gadget(), []),
        (Creates("TAG"), Gadget(), [("CREATE TAG", "SCHEMA", "DB.S")]),
        (Creates("SCHEMA"), Gadget(), [("CREATE SCHEMA", "DATABASE", "DB")]),
        (Creates("ROLE"), Gadget(name="G"), [("CREATE ROLE", "ACCOUNT", "NUNATAK")]),
        (
            Creates("TAG", privilege="CREATE LABEL"),
            Gadget(or_replace=True),
            [("CREATE LABEL", "SCHEMA", "DB.S")],
        ),
        (
            Creates("TAG"),
            Gadget(name=("THERE",), or_replace=True),
            [("CREATE TAG", "SCHEMA", "DB.S"), (OWNERSHIP, "TAG", "DB.S.THERE")],
        ),
        (Creates("TAG"), Gadget(name=("THERE",)), [("CREATE TAG", "SCHEMA", "DB.S")]),
        (
            Creates("TAG", unless_temporary="temporary"),
            Gadget(temporary=True),
            [("ANY", "SCHEMA", "DB.S")],
        ),
        (
            AppliesTags(),
            Gadget(tags=((("A",), "1"), (("X", "B"), None))),
            [("APPLY", "TAG", "DB.S.A"), ("APPLY", "TAG", "DB.X.B")],
        ),
        (
            OnTargets(
                "READ",
                lambda gadget, _: [Target("STAGE", gadget.user), Target("TABLE", "T")],
                "the stage",
                (("TABLE", OWNERSHIP),),
            ),
            Gadget(user="X"),
            [("READ", "STAGE", "X"), (OWNERSHIP, "TABLE", "T")],
        ),
        (
            OneOf(
                (Case(int, "", (Nothing(why="no"),)), Case(Gadget, "", (Creates("TAG"),))), "part"
            ),
            Gadget(part=Gadget(name=("X", "G"))),
            [("CREATE TAG", "SCHEMA", "DB.X")],
        ),
        (
            ByAction(
                (("A", "", (Nothing(why="no"),)), ("A B", "", (Needs("OPERATE", "TAG"),))), "part"
            ),
            Gadget(name=("X", "G"), part="A B"),
            [("OPERATE", "TAG", "DB.X.G")],
        ),
        (Needs("MONITOR", "SERVICE", of=0), ["svc", 1], [("MONITOR", "SERVICE", "DB.S.SVC")]),
        (
            Needs("MONITOR", "SERVICE", of=1, each=True),
            [7, "a", "x.b"],
            [("MONITOR", "SERVICE", "DB.S.A"), ("MONITOR", "SERVICE", "DB.X.B")],
        ),
        (Needs("MONITOR", "SERVICE", of=0), [("a", "b")], [("MONITOR", "SERVICE", 'DB."a"."b"')]),
    ],
)
def test_rules(rule: Rule, subject: Any, expected: list[tuple[str, str, str]]) -> None:
    place = Place(keys=(Key("TAG", "THERE", "DB", "S"),))
    place.session.add_temporary(TemporaryObject("STAGE", QualifiedName("DB", "S", "OWN"), {}))

    assert needed(rule, subject, place) == expected


def test_all_rules_of_a_declaration_are_asked_in_their_order() -> None:
    needs = (Needs("READ", "TAG"), Nothing(why="it is a test"), Creates("MODEL"))
    assert list(resolve(needs, Gadget(), Place())) == [
        Requirement("READ", "TAG", "DB.S.G"),
        Requirement("CREATE MODEL", "SCHEMA", "DB.S"),
    ]


def test_a_form_that_is_not_listed_does_not_run() -> None:
    rule = OneOf((Case(int, "a number", (Nothing(why="it is a test"),)),), of="part")
    assert needed(rule, Gadget(part=1)) == []
    for part in (True, "1", None):  # no subclass is meant either
        with pytest.raises(AssertionError, match="declares nothing"):
            needed(rule, Gadget(part=part))


@pytest.mark.parametrize("path", ["absent", "name.absent", "values.absent"])
def test_an_attribute_that_is_missing_grants_nothing(path: str) -> None:
    with pytest.raises((AttributeError, TypeError)):
        needed(Needs("READ", "MODEL", of=path), Gadget())


@pytest.mark.parametrize("value", [None, 1, ["SVC"], True])
def test_an_argument_names_its_object_with_a_text(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="Name the service with a text"):
        needed(Needs("MONITOR", "SERVICE", of=0), [value])


def test_names_without_a_place_are_told_so() -> None:
    session = Session(id=1, user="ADA", role="R")
    for kind in ("MODEL", "SCHEMA"):
        with pytest.raises(NoCurrentContext, match="no current database"):
            key_of(kind, ("X",), session)


@pytest.mark.parametrize(
    ("kind", "most"),
    [*((kind, 1) for kind in sorted(KINDS_OF_ACCOUNT)), ("SCHEMA", 2), ("MODEL", 3)],
)
def test_a_name_of_too_many_parts_names_nothing(kind: str, most: int) -> None:
    parts = ("A", "b", "C", "D")
    assert key_of(kind, parts[:most], Place().session).name == parts[most - 1]
    with pytest.raises(InvalidArgument, match=rf"'A\.\"b\".*' has too many parts.* at most {most}"):
        key_of(kind, parts[: most + 1], Place().session)


def forms(grammar: Grammar) -> list[type[Any]]:
    """The classes that a parser says it answers."""
    answer = typing.get_type_hints(grammar.parser)["return"]
    union = isinstance(answer, types.UnionType) or typing.get_origin(answer) is typing.Union
    return list(typing.get_args(answer)) if union else [answer]


def paths(needs: Rules) -> Iterator[str]:
    """The attributes that rules read of the statement itself."""
    for rule in needs:
        if isinstance(rule, Needs | NeedsInHolder | Creates | AppliesTags | OneOf | ByAction):
            yield str(rule.of)
        if isinstance(rule, Needs | NeedsInHolder):
            yield rule.unless_own
        if isinstance(rule, Needs | NeedsInHolder | NeedsOnAccount) and rule.when:
            yield rule.when.attribute
        if isinstance(rule, Creates):
            yield from (rule.unless_temporary, "or_replace")
        if isinstance(rule, ByAction):
            for _, _, needs in rule.actions:
                yield from paths(needs)


def lacking(form: type[Any], needs: Rules) -> set[str]:
    """Attributes that a declaration reads and the statement has not."""
    known = {item.name for item in dataclasses.fields(form)}
    found = {path.partition(".")[0] for path in paths(needs)} - known - {""}
    for rule in needs:
        for case in rule.cases if isinstance(rule, OneOf) else ():
            if dataclasses.is_dataclass(case.form):
                found |= lacking(case.form, case.needs)
    return found


@pytest.mark.parametrize("words", grammars())
def test_every_declaration_fits_its_statement(words: str) -> None:
    grammar = grammars()[words]
    answers = forms(grammar)
    cases = [rule for rule in grammar.needs if isinstance(rule, OneOf) and not rule.of]
    listed = {case.form for rule in cases for case in rule.cases}
    concrete = [form for form in answers if dataclasses.is_dataclass(form)]
    if listed:
        assert set(concrete) <= listed
        concrete = sorted(listed, key=str)
    for form in concrete:
        assert lacking(form, grammar.needs) == set()
    has_names = any(not isinstance(rule, Nothing | CheckedInside) for rule in grammar.needs)
    assert concrete or not has_names, f"{words} does not say what it answers"
