"""COMMENT ON of every kind that a family describes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.errors import ObjectNotFound, PrivilegeMissing, SyntaxInvalid
from nunatak.sql.language.statement import grammars
from support.realm import ADMIN, OTHER, Realm, open_realm

INTEGRATION = "EXTERNAL ACCESS INTEGRATION"
MADE = {
    "COMPUTE POOL": "MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_XS",
    "DATABASE": "",
    "FILE FORMAT": "TYPE = CSV",
    INTEGRATION: "ALLOWED_NETWORK_RULES = (hosts) ENABLED = TRUE",
    "IMAGE REPOSITORY": "",
    "ROLE": "",
    "NETWORK RULE": "TYPE = HOST_PORT MODE = EGRESS VALUE_LIST = ('example.com')",
    "SCHEMA": "",
    "STAGE": "",
    "SECRET": "TYPE = GENERIC_STRING SECRET_STRING = 's'",
    "TAG": "",
    "USER": "",
    "WAREHOUSE": "",
}
"""Kinds, with what CREATE says after the name."""
PLURALS = {"IMAGE REPOSITORY": "IMAGE REPOSITORIES"}
ON = "COMMENT ON "
KINDS = [words.removeprefix(ON) for words in grammars() if words.startswith(ON)]


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """A whole front end with all services of the account."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_realm(tmp_path) as opened:
        yield opened


def make(realm: Realm, words: str) -> None:
    kind = INTEGRATION if words == "INTEGRATION" else words
    if kind == INTEGRATION:
        realm.rows(ADMIN, f"CREATE NETWORK RULE hosts {MADE['NETWORK RULE']}")
    realm.rows(ADMIN, f"CREATE {kind} made {MADE[kind]}")


def shown(realm: Realm, words: str) -> str:
    (row,) = realm.rows(ADMIN, f"SHOW {PLURALS.get(words, f'{words}S')} LIKE 'made'")
    return str(row["comment"])


@pytest.mark.parametrize("words", [*MADE, "INTEGRATION"])
def test_a_comment_is_put_on_an_object_and_shown(realm: Realm, words: str) -> None:
    make(realm, words)

    realm.rows(ADMIN, f"COMMENT ON {words} made IS 'of mine'")
    assert shown(realm, words) == "of mine"

    realm.rows(ADMIN, f"COMMENT IF EXISTS ON {words} made IS ''")
    assert shown(realm, words) == ""


@pytest.mark.parametrize("words", KINDS)
def test_only_if_exists_passes_over_what_is_not_there(realm: Realm, words: str) -> None:
    absent = "absent (FLOAT)" if words == "FUNCTION" else "absent"
    realm.rows(ADMIN, f"COMMENT IF EXISTS ON {words} {absent} IS 'c'")

    with pytest.raises(ObjectNotFound):
        realm.rows(ADMIN, f"COMMENT ON {words} {absent} IS 'c'")


@pytest.mark.parametrize("words", ["ROLE", "USER"])
def test_a_comment_is_altered_too(realm: Realm, words: str) -> None:
    make(realm, words)

    realm.rows(ADMIN, f"ALTER {words} made SET COMMENT = 'of mine'")
    assert shown(realm, words) == "of mine"

    realm.rows(ADMIN, f"ALTER {words} IF EXISTS made UNSET COMMENT")
    assert shown(realm, words) == ""
    realm.rows(ADMIN, f"ALTER {words} IF EXISTS absent SET COMMENT = 'c'")


@pytest.mark.parametrize("words", ["ROLE", "USER"])
def test_only_its_owner_comments_on_who_acts(realm: Realm, words: str) -> None:
    make(realm, words)
    with pytest.raises(PrivilegeMissing):
        realm.rows(OTHER, f"COMMENT ON {words} made IS 'c'")


def test_a_role_has_nothing_else_to_set(realm: Realm) -> None:
    make(realm, "ROLE")
    for text in ("SET", "SET OWNER = 'x'", "UNSET OWNER", ""):
        with pytest.raises(SyntaxInvalid):
            realm.rows(ADMIN, f"ALTER ROLE made {text}")
