"""CREATE of every kind over an object that is there: nobody but its owner changes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nunatak.access.privileges.declared import Nothing
from nunatak.access.privileges.roles import ROLE, USER
from nunatak.catalog.names import quoted
from nunatak.catalog.store import Key
from nunatak.errors import (
    NunatakError,
    ObjectExists,
    ObjectNotFound,
    PrivilegeMissing,
    SyntaxInvalid,
    Unsupported,
)
from nunatak.sql.language.creation import creation
from nunatak.sql.language.statement import grammar, grammars, parse_registered
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.privileges import MADE
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

CREATIONS = {
    "COMPUTE POOL": "CREATE {replace} COMPUTE POOL {absent} {name} MIN_NODES = 1 MAX_NODES = 1 "
    "INSTANCE_FAMILY = CPU_X64_XS COMMENT = '{text}'",
    "DATABASE": "CREATE {replace} DATABASE {absent} {name} COMMENT = '{text}'",
    "EXTERNAL ACCESS INTEGRATION": "CREATE {replace} EXTERNAL ACCESS INTEGRATION {absent} {name} "
    "ALLOWED_NETWORK_RULES = (DB.S.HOSTS) ENABLED = TRUE COMMENT = '{text}'",
    "FILE FORMAT": "CREATE {replace} FILE FORMAT {absent} {name} TYPE = CSV COMMENT = '{text}'",
    "FUNCTION": "CREATE {replace} FUNCTION {absent} {name} (x FLOAT) RETURNS OBJECT SERVICE = SVC "
    "ENDPOINT = inference COMMENT = '{text}' AS '/predict'",
    "IMAGE REPOSITORY": "CREATE {replace} IMAGE REPOSITORY {absent} {name} COMMENT = '{text}'",
    "MODEL": "CREATE {replace} MODEL {absent} {name} WITH LIVE VERSION V1 COMMENT = '{text}'",
    "NETWORK RULE": "CREATE {replace} NETWORK RULE {absent} {name} TYPE = HOST_PORT MODE = EGRESS "
    "VALUE_LIST = ('example.com') COMMENT = '{text}'",
    "ROLE": "CREATE {replace} ROLE {absent} {name} COMMENT = '{text}'",
    "SCHEMA": "CREATE {replace} SCHEMA {absent} DB.{name} COMMENT = '{text}'",
    "SECRET": "CREATE {replace} SECRET {absent} {name} TYPE = GENERIC_STRING "
    "SECRET_STRING = '{text}' COMMENT = '{text}'",
    "SEQUENCE": "CREATE {replace} SEQUENCE {absent} {name} START 5",
    "SERVICE": "CREATE {replace} SERVICE {absent} {name} IN COMPUTE POOL POOL "
    "FROM SPECIFICATION $${spec}$$ COMMENT = '{text}'",
    "STAGE": "CREATE {replace} STAGE {absent} {name} COMMENT = '{text}'",
    "TABLE": "CREATE {replace} TABLE {absent} {name} AS SELECT '{text}' AS A",
    "TAG": "CREATE {replace} TAG {absent} {name} COMMENT = '{text}'",
    "USER": "CREATE {replace} USER {absent} {name} PASSWORD = '{text}-{text}' COMMENT = '{text}'",
    "VIEW": "CREATE {replace} VIEW {absent} {name} AS SELECT '{text}' AS A",
    "WAREHOUSE": "CREATE {replace} WAREHOUSE {absent} {name} COMMENT = '{text}'",
}
"""One statement for every kind that can be created."""
INTEGRATION = "EXTERNAL ACCESS INTEGRATION"
ON_ACCOUNT = {"COMPUTE POOL", "DATABASE", INTEGRATION, "ROLE", "USER", "WAREHOUSE"}
IRREPLACEABLE = {"COMPUTE POOL", "SERVICE"}
"""The vendor has no OR REPLACE for them."""
KINDS = {INTEGRATION: "INTEGRATION"}
KEPT = "Kept Name"
"""The victim has a name that needs quotes, where the kind allows one."""
BARE = {"COMPUTE POOL", "SERVICE"}


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """OWNER and OTHER may create everything; OTHER owns nothing."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_realm(tmp_path) as opened:
        opened.rows(ADMIN, CREATIONS["NETWORK RULE"].format(**blanks("HOSTS")))
        for role in (OWNER, OTHER):
            opened.grant("USAGE", "NETWORK_RULE", "DB.S.HOSTS", to=role)
            for words in CREATIONS:
                opened.grant(*privilege(words), to=role)
        yield opened


def privilege(words: str) -> tuple[str, str, str]:
    """The privilege to create a kind, and where."""
    if words in ON_ACCOUNT:
        return f"CREATE {KINDS.get(words, words)}", "ACCOUNT", "NUNATAK"
    place = ("DATABASE", "DB") if words == "SCHEMA" else ("SCHEMA", "DB.S")
    return f"CREATE {words}", *place


def blanks(name: str, **given: str) -> dict[str, str]:
    return {"replace": "", "absent": "", "text": "theirs", "spec": "", "name": name, **given}


def prepare(realm: Realm, words: str) -> str:
    """What a kind needs around it; the specification of a service."""
    if words not in ("FUNCTION", "SERVICE"):
        return ""
    world = realm.world
    world.pool()
    world.deploy()
    world.settle()
    for role in (OWNER, OTHER):
        realm.grant("USAGE", "SERVICE_ROLE", "DB.S.SVC!ALL_ENDPOINTS_USAGE", to=role)
        realm.grant("USAGE", "COMPUTE_POOL", "POOL", to=role)
        realm.grant("READ", "MODEL", "DB.S.M", to=role)
    return str(realm.rows(ADMIN, "DESCRIBE SERVICE DB.S.SVC")[0]["spec"])


def create(realm: Realm, role: str, words: str, **given: str) -> None:
    name = "KEPT" if words in BARE else quoted(KEPT)
    realm.rows(role, CREATIONS[words].format(**blanks(name, **given)))
    realm.session(role).database, realm.session(role).schema = "DB", "S"


def key_of(words: str) -> Key:
    name = "KEPT" if words in BARE else KEPT
    kind = KINDS.get(words, words.replace(" ", "_"))
    if words in ON_ACCOUNT:
        return Key(kind, name)
    return Key(kind, name, "DB", "" if words == "SCHEMA" else "S")


def state(realm: Realm, words: str) -> list[Any]:
    """Everything that is known of the victim: itself, its owner, its content, the grants on it."""
    parts, key = realm.parts, key_of(words)
    found: list[Any] = [parts.access.grants.on(key.kind, key.title)]
    found.append(parts.access.grants.owner_of(key.kind, key.title))
    if key.kind == USER:
        return [*found, parts.access.users.get(key.name), password(realm)]
    if key.kind == ROLE:
        roles = [role for role in parts.access.roles.list_all() if role.name == key.name]
        return [*found, roles, parts.access.roles.grants_of(key.name)]
    with parts.catalog.read() as tx:
        record = tx.get(key)
        found += [record] if words != "SERVICE" else [record.id, record.owner, record.comment]
        found.append([item.key for item in tx.list_kind("TABLE", database=key.name)])
    if words in ("TABLE", "VIEW"):
        found.append(realm.rows(ADMIN, f"SELECT * FROM {key.title}"))
    return found


def password(realm: Realm) -> bool:
    users = realm.parts.access.users
    return users.password_matches(users.get(KEPT), "ours-ours")


def victim(realm: Realm, words: str) -> tuple[str, list[Any]]:
    """An object of OWNER that PUBLIC has a grant on; the specification of a service, its state."""
    spec = prepare(realm, words)
    create(realm, OWNER, words, text="ours", spec=spec)
    if words == "DATABASE":
        realm.rows(OWNER, f"CREATE TABLE {key_of(words).title}.PUBLIC.T (A INT)")
    if words == "ROLE":
        realm.parts.access.roles.grant(KEPT, grantee_kind=ROLE, grantee=OWNER, by="")
    realm.grant("MONITOR", key_of(words).kind, key_of(words).title, to=PUBLIC)
    before = state(realm, words)
    assert before[1] == OWNER
    return spec, before


def test_every_kind_that_can_be_created_is_tried_here() -> None:
    words = {text.removeprefix("CREATE ") for text in grammars() if text.startswith("CREATE ")}
    assert words | MADE == set(CREATIONS)


def test_no_creation_is_registered_past_the_place_that_asks_for_ownership() -> None:
    with pytest.raises(AssertionError, match="creation"):
        grammar("CREATE GADGET", needs=(Nothing(why="never called"),))(
            lambda cursor, _: cursor.fail("never called")
        )
    with pytest.raises(AssertionError, match="what it creates"):
        creation("GADGET", needs=(Nothing(why="never called"),))


@pytest.mark.parametrize("words", ["FILE FORMAT", "STAGE", "TABLE", "VIEW"])
def test_temporary_objects_shadow_and_replace_nothing(realm: Realm, words: str) -> None:
    _, before = victim(realm, words)
    for replace in ("TEMPORARY", "OR REPLACE TEMPORARY"):
        create(realm, OTHER, words, replace=replace)
        assert state(realm, words) == before
    realm.rows(OTHER, f"DROP {words} {key_of(words).title}")
    assert state(realm, words) == before
    with pytest.raises((PrivilegeMissing, ObjectNotFound)):
        realm.rows(OTHER, f"DROP {words} {key_of(words).title}")
    assert state(realm, words) == before


@pytest.mark.parametrize("words", sorted(CREATIONS))
@pytest.mark.parametrize("role", [OTHER, PUBLIC])
def test_only_its_owner_replaces_an_object(realm: Realm, words: str, role: str) -> None:
    spec, before = victim(realm, words)
    refusals = (PrivilegeMissing, ObjectNotFound)
    with pytest.raises(SyntaxInvalid if words in IRREPLACEABLE else refusals):
        create(realm, role, words, replace="OR REPLACE", spec=spec)
    assert state(realm, words) == before


@pytest.mark.parametrize("words", sorted(CREATIONS))
@pytest.mark.parametrize("role", [OWNER, OTHER])
def test_creating_it_where_it_is_absent_changes_nothing(
    realm: Realm, words: str, role: str
) -> None:
    spec, before = victim(realm, words)
    create(realm, role, words, absent="IF NOT EXISTS", spec=spec)
    assert state(realm, words) == before
    with pytest.raises(ObjectExists):
        create(realm, role, words, spec=spec)
    assert state(realm, words) == before


CHANGES = (
    "DROP {words} {name}{types}",
    "DROP {words} IF EXISTS {name}{types}",
    "ALTER {words} {name} SET COMMENT = 'theirs'",
    "ALTER {words} IF EXISTS {name} SET COMMENT = 'theirs'",
    "ALTER {words} {name} UNSET COMMENT",
    "ALTER {words} {name} RENAME TO TAKEN",
    "ALTER {words} {name} SET TAG LABEL = 'x'",
    "COMMENT ON {words} {name} IS 'theirs'",
    "COMMENT IF EXISTS ON {words} {name} IS 'theirs'",
    "GRANT ALL ON {words} {name} TO ROLE OTHER",
    "GRANT OWNERSHIP ON {words} {name} TO ROLE OTHER",
    "REVOKE ALL ON {words} {name} FROM ROLE PUBLIC",
)
"""Statements that a kind knows are refused for want of a privilege; others are no statements."""


@pytest.mark.parametrize("words", sorted(CREATIONS))
def test_only_its_owner_changes_drops_or_grants_on_an_object(realm: Realm, words: str) -> None:
    _, before = victim(realm, words)
    realm.rows(OTHER, "CREATE TAG LABEL")
    types = " (FLOAT)" if words == "FUNCTION" else ""
    for text in CHANGES:
        written = text.format(words=words, name=key_of(words).title, types=types)
        for role in (OTHER, PUBLIC):
            with pytest.raises(NunatakError) as refusal:
                realm.rows(role, written)
            if text.startswith(("DROP", "GRANT", "REVOKE")) or "{name} SET COMMENT" in text:
                unknown = (SyntaxInvalid, Unsupported)
                known = (PrivilegeMissing, ObjectNotFound)
                alterable = words not in ("FUNCTION", "MODEL", "ROLE")
                assert isinstance(refusal.value, known if alterable else (*known, *unknown)), text
            assert state(realm, words) == before, text


@pytest.mark.parametrize("words", sorted(CREATIONS))
def test_creating_needs_its_privilege(realm: Realm, words: str) -> None:
    spec, before = victim(realm, words)
    for absent in ("", "IF NOT EXISTS"):
        with pytest.raises(PrivilegeMissing, match="CREATE"):
            create(realm, PUBLIC, words, absent=absent, spec=spec)
    assert state(realm, words) == before


@pytest.mark.parametrize("words", sorted(set(CREATIONS) - IRREPLACEABLE))
def test_the_owner_replaces_an_object_and_the_grants_on_it_end(realm: Realm, words: str) -> None:
    _, before = victim(realm, words)
    create(realm, OWNER, words, replace="OR REPLACE")
    after = state(realm, words)
    assert after[:2] == [[], OWNER]
    assert after != before


@pytest.mark.parametrize("words", sorted(CREATIONS))
def test_one_that_is_dropped_and_made_again_has_nothing_of_the_old_one(
    realm: Realm, words: str
) -> None:
    spec, _ = victim(realm, words)
    name = key_of(words).title
    if words == "SERVICE":
        realm.grant("USAGE", "SERVICE_ROLE", f"{name}!ALL_ENDPOINTS_USAGE", to=PUBLIC)
    realm.rows(OWNER, f"DROP {words} {name}" + (" (FLOAT)" if words == "FUNCTION" else ""))
    realm.session(OWNER).database, realm.session(OWNER).schema = "DB", "S"
    for granted in (f"GRANT ALL ON {words} {name}", f"GRANT OWNERSHIP ON {words} {name}"):
        with pytest.raises(ObjectNotFound):
            realm.rows(ADMIN, f"{granted} TO ROLE PUBLIC")

    create(realm, OTHER, words, spec=spec)

    assert state(realm, words)[:2] == [[], OTHER]
    assert realm.parts.access.grants.on("SERVICE_ROLE", f"{name}!ALL_ENDPOINTS_USAGE") == []
    with pytest.raises((PrivilegeMissing, ObjectNotFound)):
        realm.rows(OWNER, f"GRANT OWNERSHIP ON {words} {name} TO ROLE OWNER")


@pytest.mark.parametrize("words", sorted(set(CREATIONS) - IRREPLACEABLE))
def test_a_new_object_may_be_created_with_or_replace(realm: Realm, words: str) -> None:
    spec = prepare(realm, words)
    create(realm, OTHER, words, replace="OR REPLACE", spec=spec)
    assert state(realm, words)[1] == OTHER


@pytest.mark.parametrize("needs", [None, (), [], (Nothing(why=""),), ("OWNERSHIP",)])
def test_no_statement_registers_without_what_it_needs(needs: Any) -> None:
    before = grammars()
    with pytest.raises(AssertionError, match="GADGET"):
        grammar("SHOW GADGETS", needs=needs)(lambda cursor, _: cursor.fail("never called"))
    with pytest.raises(AssertionError, match="GADGET"):
        creation("GADGET", needs=needs)
    with pytest.raises(TypeError, match="needs"):
        grammar("SHOW GADGETS")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="needs"):
        creation("GADGET")  # type: ignore[call-arg]
    assert grammars() == before


MODIFIERS = {
    "TEMPORARY": {"STAGE", "FILE FORMAT"},
    "TEMP": {"STAGE", "FILE FORMAT"},
    "SCOPED TEMPORARY": {"STAGE", "FILE FORMAT"},
    "TRANSIENT": {"DATABASE", "SCHEMA"},
    "SECURE": set[str](),
    "LOCAL": set[str](),
    "GLOBAL": set[str](),
    "VOLATILE": set[str](),
}
"""Kinds that go with each word before the kind, of those that families create."""


@pytest.mark.parametrize("modifier", MODIFIERS)
@pytest.mark.parametrize("spelling", [text for text in grammars() if text.startswith("CREATE ")])
def test_no_word_before_the_kind_is_passed_over(spelling: str, modifier: str) -> None:
    words = spelling.removeprefix("CREATE ")
    cursor = TokenCursor(StatementText(f"CREATE {modifier} {words}"))
    refused = words not in MODIFIERS[modifier]

    with pytest.raises(SyntaxInvalid) as failure:
        parse_registered(cursor)
    assert (f"does not go with CREATE {words}" in str(failure.value)) is refused
