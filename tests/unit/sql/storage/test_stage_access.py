"""Stages of tables and users, and named ones: who reaches their files, in every way there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.errors import InvalidArgument, NunatakError, ObjectNotFound, PrivilegeMissing
from nunatak.sql.frontend import FrontEnd
from nunatak.stages.folders import tidy
from nunatak.stages.sources import StageFileSource
from nunatak.warehouse.core.results import Transfer
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

READS = (
    "LIST {at}",
    "LS {at} PATTERN = '.*'",
    "GET {at} file:///tmp/",
    "SELECT $1 FROM {at}",
    "SELECT A FROM (SELECT $1 AS A FROM {at}) s",
    "COPY INTO MINE FROM {at}",
    "COPY INTO MINE FROM (SELECT $1 FROM {at})",
    "INSERT INTO MINE SELECT $1 FROM {at}",
    "CREATE TABLE NEW AS SELECT $1 AS A FROM {at}",
    "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '{at}', FILE_FORMAT => 'FF'))",
    "CREATE MODEL M2 FROM {at}/model",
)
WRITES = (
    "PUT file:///tmp/a.csv {at}",
    "REMOVE {at}",
    "RM {at} PATTERN = '.*'",
    "COPY INTO {at}/new FROM MINE OVERWRITE = TRUE",
    "COPY INTO {at}/new FROM (SELECT * FROM MINE) OVERWRITE = TRUE",
    "COPY INTO MINE FROM {at} PURGE = TRUE",
)


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """OWNER owns the table SEC and the stage ST, which hold a file each; OTHER owns MINE."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_realm(tmp_path) as opened:
        for role in (OWNER, OTHER):
            for kind in ("TABLE", "STAGE", "MODEL", "FILE FORMAT", "VIEW"):
                opened.grant(f"CREATE {kind}", "SCHEMA", "DB.S", to=role)
        opened.rows(ADMIN, "CREATE FILE FORMAT FF TYPE = CSV")
        opened.grant("USAGE", "FILE_FORMAT", "DB.S.FF", to=PUBLIC)
        opened.rows(OWNER, "CREATE TABLE SEC (A TEXT)")
        opened.rows(OWNER, "CREATE STAGE ST")
        opened.rows(OTHER, "CREATE TABLE MINE (A TEXT)")
        for at in ("@%SEC", "@ST"):
            put(opened, OWNER, at)
        yield opened


def put(realm: Realm, role: str, at: str, text: str = "secret\n") -> str:
    """Upload a file, as clients do; where it went."""
    transfer = realm.run(role, f"PUT file:///tmp/a.csv {at}")
    assert isinstance(transfer, Transfer)
    key = transfer.keys[0].removeprefix("stages/").rstrip("/") + "/a.csv"
    place = StageFileSource(realm.parts.settings).place(key)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return key


def files(realm: Realm, role: str, at: str) -> list[str]:
    return [row["name"] for row in realm.rows(role, f"LIST {at}")]


@pytest.mark.parametrize("at", ["@%SEC", "@DB.S.%SEC", '@S.%"SEC"', "@ST", "@DB.S.ST"])
def test_without_privileges_no_way_leads_to_the_files(realm: Realm, at: str) -> None:
    for privilege in ("SELECT", "INSERT", "ALL"):
        realm.grant(privilege, "TABLE", "DB.S.SEC")
    kept = files(realm, OWNER, at)
    for verb in READS + WRITES:
        with pytest.raises(PrivilegeMissing if "%" in at else ObjectNotFound):
            realm.run(OTHER, verb.format(at=at))
        assert files(realm, OWNER, at) == kept != [], verb


@pytest.mark.parametrize("at", ["@%NOWHERE", "@DB.S.%NOWHERE", "@DB.NOWHERE.%SEC", "@%V", "@NO"])
def test_what_is_not_there_has_no_stage(realm: Realm, at: str) -> None:
    realm.rows(ADMIN, "CREATE VIEW V AS SELECT 1 AS A")
    for role in (ADMIN, OTHER):
        for verb in READS + WRITES:
            with pytest.raises(ObjectNotFound):
                realm.run(role, verb.format(at=at))


@pytest.mark.parametrize(("privilege", "allowed"), [("READ", READS[:-1]), ("WRITE", WRITES[:-1])])
def test_each_privilege_on_a_named_stage_opens_its_ways_only(
    realm: Realm, privilege: str, allowed: tuple[str, ...]
) -> None:
    realm.grant(privilege, "STAGE", "DB.S.ST")
    for verb in READS + WRITES:
        if verb not in allowed and verb != READS[-1]:
            with pytest.raises(PrivilegeMissing):
                realm.run(OTHER, verb.format(at="@ST"))
    for verb in allowed:
        put(realm, OWNER, "@ST")
        realm.run(OTHER, verb.format(at="@ST"))


def test_the_owner_of_the_table_uses_its_stage(realm: Realm) -> None:
    realm.rows(ADMIN, "GRANT OWNERSHIP ON TABLE MINE TO ROLE OWNER")
    for verb in READS[:-1] + WRITES:
        put(realm, OWNER, "@%SEC")
        realm.run(OWNER, verb.format(at="@%SEC"))


@pytest.mark.parametrize("at", ["@%a%b", "@%", "@DB.S.%", "@%SEC.X", "@A.B.C.%SEC", '@%"SEC'])
def test_what_is_no_location_is_refused(realm: Realm, at: str) -> None:
    with pytest.raises(NunatakError):
        realm.run(ADMIN, f"LIST '{at}'")


def test_a_quoted_name_with_a_percent_sign_is_a_named_stage(realm: Realm) -> None:
    realm.rows(OWNER, 'CREATE STAGE "%SEC"')
    assert files(realm, OWNER, '@"%SEC"') == []
    realm.rows(OWNER, 'CREATE TABLE "a.%b" (A TEXT)')
    put(realm, OWNER, '@DB.S.%"a.%b"')
    assert len(files(realm, OWNER, '@%"a.%b"')) == 1


def test_the_stage_goes_with_its_table(realm: Realm) -> None:
    realm.rows(OWNER, "ALTER TABLE SEC RENAME TO FOLLOWED")
    assert len(files(realm, OWNER, "@%FOLLOWED")) == 1
    realm.rows(OTHER, "CREATE TABLE SEC (A TEXT)")
    assert files(realm, OTHER, "@%SEC") == []
    realm.rows(ADMIN, "ALTER TABLE SEC SWAP WITH FOLLOWED")
    assert (len(files(realm, OWNER, "@%SEC")), files(realm, OTHER, "@%FOLLOWED")) == (1, [])
    with pytest.raises(ObjectNotFound):
        files(realm, OTHER, "@%SEC")


@pytest.mark.parametrize(
    "end",
    [
        "DROP TABLE DB.T.GONE",
        "CREATE OR REPLACE TABLE DB.T.GONE (A TEXT)",
        "DROP SCHEMA DB.T",
        "CREATE OR REPLACE SCHEMA DB.T",
        "DROP DATABASE DB",
        "CREATE OR REPLACE DATABASE DB",
        "DROP STAGE DB.T.GONE",
        "CREATE OR REPLACE STAGE DB.T.GONE",
    ],
)
def test_the_files_end_with_what_they_belong_to(realm: Realm, end: str) -> None:
    realm.rows(ADMIN, "CREATE SCHEMA DB.T")
    realm.rows(ADMIN, "CREATE TABLE DB.T.GONE (A TEXT)")
    realm.rows(ADMIN, "CREATE STAGE DB.T.GONE")
    at = "@DB.T.GONE" if "STAGE" in end else "@DB.T.%GONE"
    key = put(realm, ADMIN, at)
    source = StageFileSource(realm.parts.settings)
    assert source.open_path(key).is_file()

    realm.rows(ADMIN, end)

    with pytest.raises(ObjectNotFound):
        source.open_path(key)
    for text in ("DATABASE DB", "SCHEMA DB.T", "TABLE DB.T.GONE (A TEXT)", "STAGE DB.T.GONE"):
        realm.rows(ADMIN, f"CREATE {text.replace(' ', ' IF NOT EXISTS ', 1)}")
    assert files(realm, ADMIN, at) == []


def test_temporary_tables_have_stages_of_their_own(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE TEMPORARY TABLE SEC (A TEXT)")
    assert files(realm, OTHER, "@%SEC") == []
    put(realm, OTHER, "@%SEC")
    assert len(files(realm, OTHER, "@%SEC")) == 1
    realm.rows(OTHER, "CREATE OR REPLACE TEMPORARY TABLE SEC (A TEXT)")
    assert files(realm, OTHER, "@%SEC") == []
    key = put(realm, OTHER, "@%SEC")
    FrontEnd(realm.injector).end_session(realm.session(OTHER))
    with pytest.raises(ObjectNotFound):
        StageFileSource(realm.parts.settings).open_path(key)


def test_a_new_user_of_an_old_name_finds_an_empty_stage(realm: Realm) -> None:
    for change in ("DROP USER OTHER_USER", "CREATE OR REPLACE USER OTHER_USER"):
        realm.session(OTHER)
        put(realm, OTHER, "@~")
        assert len(files(realm, OTHER, "@~")) == 1
        assert files(realm, OWNER, "@~") == []
        realm.rows(ADMIN, change)
        realm.rows(ADMIN, "CREATE USER IF NOT EXISTS OTHER_USER")
        realm.rows(ADMIN, "GRANT ROLE OTHER TO USER OTHER_USER")
        assert files(realm, OTHER, "@~") == []


@pytest.mark.parametrize(
    ("at", "kind", "put", "got"),
    [("@ST", "STAGE", "WRITE", "READ"), ("@%SEC", "TABLE", OWNERSHIP, OWNERSHIP)],
)
def test_files_that_move_later_need_what_their_statement_needed(
    realm: Realm, at: str, kind: str, put: str, got: str
) -> None:
    grants, name = realm.parts.access.grants, at.strip("@%")
    made = [realm.run(OWNER, f"PUT file:///a {at}"), realm.run(OWNER, f"GET {at} file:///tmp/")]
    needs = [transfer.needs for transfer in made if isinstance(transfer, Transfer)]

    def asked() -> list[Requirement]:
        return [grants.named(found) for found in needs if found is not None]

    assert asked() == [Requirement(what, kind, f"DB.S.{name}") for what in (put, got)]
    realm.rows(OWNER, f"ALTER {kind} {name} RENAME TO RENAMED")
    assert asked() == [Requirement(what, kind, "DB.S.RENAMED") for what in (put, got)]
    columns = "(A TEXT)" if kind == "TABLE" else ""
    realm.rows(OWNER, f"CREATE OR REPLACE {kind} RENAMED {columns}")
    with pytest.raises(ObjectNotFound):
        asked()


def test_files_of_users_and_sessions_need_nothing_of_their_role(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE TEMPORARY TABLE TT (A TEXT)")
    realm.rows(OTHER, "CREATE TEMPORARY STAGE TS")
    for at in ("@~", "@%TT", "@TS"):
        for text in (f"PUT file:///a {at}", f"GET {at} file:///tmp/"):
            transfer = realm.run(OTHER, text)
            assert isinstance(transfer, Transfer)
            assert transfer.needs is None


@pytest.mark.parametrize("at", ["@~/../x", "@~OTHER_USER", "@~OTHER_USER/a", "@%SEC/../x"])
def test_nothing_leads_out_of_a_stage(realm: Realm, at: str) -> None:
    with pytest.raises(InvalidArgument):
        realm.run(OWNER, f"LIST '{at}'")


def test_a_start_keeps_the_files_of_what_is_there(realm: Realm) -> None:
    settings, stages = realm.parts.settings, realm.parts.settings.folder("stages")
    put(realm, OTHER, "@~")
    (stages / "table-999").mkdir()
    (stages / "temporary-1-2").mkdir()
    with realm.parts.catalog.write() as tx:
        tidy(settings, tx)
    assert len(files(realm, OWNER, "@%SEC")) == len(files(realm, OWNER, "@ST")) == 1
    assert len(files(realm, OTHER, "@~")) == 1
    assert not (stages / "table-999").exists()
    assert not (stages / "temporary-1-2").exists()


def test_files_that_lie_under_the_name_of_their_table_are_taken_over(realm: Realm) -> None:
    stages = realm.parts.settings.folder("stages")
    (there,) = stages.glob("table-*")
    there.rename(stages / "table-133482d50f4d1b2a2a5a3c7809436b9d")
    with realm.parts.catalog.write() as tx:
        tidy(realm.parts.settings, tx)
    assert len(files(realm, OWNER, "@%SEC")) == 1


@pytest.mark.parametrize(
    ("kind", "made", "privilege"),
    [("STAGE", "CREATE STAGE D DIRECTORY = (ENABLE = TRUE)", "READ"),
     ("FILE_FORMAT", "CREATE FILE FORMAT D TYPE = CSV SKIP_HEADER = 1", "USAGE")],
)  # fmt: skip
def test_describing_needs_any_privilege(realm: Realm, kind: str, made: str, privilege: str) -> None:
    describe = f"DESCRIBE {kind.replace('_', ' ')} DB.S.D"
    realm.rows(OWNER, made)
    with pytest.raises(ObjectNotFound):
        realm.rows(OTHER, describe)
    realm.rows(OTHER, made.replace("CREATE", "CREATE TEMPORARY"))
    assert realm.rows(OTHER, describe)
    realm.rows(OTHER, f"DROP {kind.replace('_', ' ')} DB.S.D")
    realm.grant(privilege, kind, "DB.S.D")
    assert realm.rows(OTHER, describe) == realm.rows(OWNER, describe) != []
