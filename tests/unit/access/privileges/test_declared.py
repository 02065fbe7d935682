"""Declarations: what may be declared, and how it reads."""

from __future__ import annotations

from typing import Any

import pytest

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import (
    AppliesTags,
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
    declared,
    holder,
    in_words,
)
from nunatak.access.privileges.requirement import OWNERSHIP

OPEN = (Nothing(why="it is a test"),)


@pytest.mark.parametrize(
    "needs",
    [
        (),
        None,
        [],
        Needs("READ", "STAGE"),
        "READ",
        ("READ",),
        (None,),
        (Nothing(why=""),),
        (CheckedInside(why="", privileges=("READ",)),),
        (OneOf((Case(int, "a number", ()),)),),
        (OneOf((Case(int, "a number", OPEN), Case(str, "a text", (Nothing(why=""),)))),),
    ],
)
def test_whoever_declares_nothing_fails(needs: Any) -> None:
    with pytest.raises(AssertionError, match=r"GADGET"):
        declared("GADGET", needs)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Nothing(why="names are known"), "nothing: names are known"),
        (
            CheckedInside(why="the file tells", privileges=("READ on it", "USAGE on it")),
            "while it runs, as the file tells: READ on it, USAGE on it",
        ),
        (Needs("READ", "IMAGE_REPOSITORY"), "READ on the image repository"),
        (Needs(OWNERSHIP, "TAG"), "OWNERSHIP of the tag"),
        (Needs(ANY, "MODEL", each=True), "any privilege on each model"),
        (Needs("MODIFY", "TAG", when=Given("to", "to change")), "MODIFY on the tag to change"),
        (
            Needs(OWNERSHIP, "STAGE", unless_own="parts"),
            "OWNERSHIP of the stage, unless it is the session's own temporary one",
        ),
        (
            Needs(OWNERSHIP, "USER", unless_self=True),
            "OWNERSHIP of the user, unless it is oneself",
        ),
        (NeedsInHolder("CREATE TAG", "TAG"), "CREATE TAG on the schema"),
        (NeedsOnAccount("MANAGE GRANTS"), "MANAGE GRANTS on the account"),
        (
            Creates("NETWORK_RULE"),
            "CREATE NETWORK RULE on the schema; OWNERSHIP of what OR REPLACE replaces",
        ),
        (
            Creates("INTEGRATION", privilege="CREATE INTEGRATION"),
            "CREATE INTEGRATION on the account; OWNERSHIP of what OR REPLACE replaces",
        ),
        (AppliesTags(), "APPLY on each tag"),
        (
            OnTargets("READ", lambda _, __: [], "the stage", (("TABLE", OWNERSHIP),)),
            "READ on the stage, OWNERSHIP where it is a table",
        ),
        (
            OneOf((Case(int, "a number", OPEN), Case(str, "a text", (AppliesTags(),)))),
            "a number (nothing: it is a test), a text (APPLY on each tag)",
        ),
    ],
)
def test_rules_in_words(rule: Rule, words: str) -> None:
    assert declared("GADGET", (rule,)) == (rule,)
    assert in_words((rule,)) == words
    assert in_words((rule, rule, *OPEN)) == f"{words}; nothing: it is a test"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("WAREHOUSE", "ACCOUNT"),
        ("ROLE", "ACCOUNT"),
        ("DATABASE", "ACCOUNT"),
        ("SCHEMA", "DATABASE"),
        ("MODEL", "SCHEMA"),
    ],
)
def test_what_holds_objects_of_a_kind(kind: str, expected: str) -> None:
    assert holder(kind) == expected
