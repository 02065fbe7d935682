"""What each statement needs: the privileges on its objects, and a way to them. With exactly those
it runs, with each one missing it is refused, whoever else may; the owner needs the way, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nunatak.errors import NunatakError, ObjectNotFound, PrivilegeMissing
from support.granting import take
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

Held = tuple[str, str, str]
"""A privilege on an object: its name, the kind, the title."""
ON_DATABASE: Held = ("USAGE", "DATABASE", "P")
ON_SCHEMA: Held = ("USAGE", "SCHEMA", "P.S")


@dataclass(frozen=True)
class Row:
    """A row of the matrix: a statement, and what it needs beside the way."""

    text: str
    needs: tuple[Held, ...]
    owner_runs: bool = True
    """Whether the owner of the objects needs no more than the way."""


def on(kind: str, title: str, *privileges: str) -> tuple[Held, ...]:
    return tuple((privilege, kind, title) for privilege in privileges)


TABLE = ("TABLE", "P.S.T")
ROWS = [
    Row("SELECT A FROM P.S.T", on(*TABLE, "SELECT")),
    Row("SELECT * FROM (SELECT A FROM P.S.T) q WHERE q.A > 0", on(*TABLE, "SELECT")),
    Row("INSERT INTO P.S.T VALUES (1)", on(*TABLE, "INSERT")),
    Row("INSERT OVERWRITE INTO P.S.T VALUES (1)", on(*TABLE, "INSERT", "DELETE")),
    Row("UPDATE P.S.T SET A = 2", on(*TABLE, "UPDATE")),
    Row("DELETE FROM P.S.T", on(*TABLE, "DELETE")),
    Row("TRUNCATE TABLE P.S.T", on(*TABLE, "TRUNCATE")),
    Row(
        "MERGE INTO P.S.T t USING (SELECT 1 B) s ON t.A = s.B WHEN MATCHED THEN UPDATE SET A = 5 "
        "WHEN NOT MATCHED THEN INSERT VALUES (1)",
        on(*TABLE, "INSERT", "UPDATE"),
    ),
    Row("DESCRIBE TABLE P.S.T", on(*TABLE, "REFERENCES")),
    Row("SHOW COLUMNS IN TABLE P.S.T", on(*TABLE, "INSERT")),
    Row("SELECT A FROM P.S.V", on("VIEW", "P.S.V", "SELECT")),
    Row("SELECT P.S.SQ.NEXTVAL", on("SEQUENCE", "P.S.SQ", "USAGE")),
    Row("LIST @P.S.ST", on("STAGE", "P.S.ST", "READ")),
    Row("REMOVE @P.S.ST", on("STAGE", "P.S.ST", "WRITE")),
    Row("DESCRIBE STAGE P.S.ST", on("STAGE", "P.S.ST", "USAGE")),
    Row("DESCRIBE FILE FORMAT P.S.F", on("FILE_FORMAT", "P.S.F", "USAGE")),
    Row(
        "COPY INTO P.S.T FROM @P.S.ST FILE_FORMAT = (FORMAT_NAME = 'P.S.F')",
        (*on(*TABLE, "INSERT"), ("READ", "STAGE", "P.S.ST"), ("USAGE", "FILE_FORMAT", "P.S.F")),
    ),
    Row(
        "COPY INTO @P.S.ST/x FROM P.S.T OVERWRITE = TRUE",
        (*on(*TABLE, "SELECT"), ("WRITE", "STAGE", "P.S.ST")),
    ),
    Row("CREATE TABLE P.S.FRESH (A INT)", on("SCHEMA", "P.S", "CREATE TABLE"), owner_runs=False),
    Row(
        "CREATE TABLE P.S.FRESH (A INT REFERENCES P.S.T (A))",
        (*on("SCHEMA", "P.S", "CREATE TABLE"), *on(*TABLE, "REFERENCES")),
        owner_runs=False,
    ),
    Row(
        "CREATE TABLE P.S.FRESH AS SELECT A FROM P.S.T",
        (*on("SCHEMA", "P.S", "CREATE TABLE"), *on(*TABLE, "SELECT")),
        owner_runs=False,
    ),
    Row(
        "CREATE VIEW P.S.FRESH AS SELECT A FROM P.S.T",
        (*on("SCHEMA", "P.S", "CREATE VIEW"), *on(*TABLE, "SELECT")),
        owner_runs=False,
    ),
    Row("CREATE STAGE P.S.FRESH", on("SCHEMA", "P.S", "CREATE STAGE"), owner_runs=False),
    Row("CREATE SEQUENCE P.S.FRESH", on("SCHEMA", "P.S", "CREATE SEQUENCE"), owner_runs=False),
    Row("CREATE TAG P.S.FRESH", on("SCHEMA", "P.S", "CREATE TAG"), owner_runs=False),
    Row("CREATE SCHEMA P.FRESH", on("DATABASE", "P", "CREATE SCHEMA"), owner_runs=False),
    Row("CREATE TEMPORARY TABLE P.S.FRESH (A INT)", ()),
    Row("CREATE TEMPORARY STAGE P.S.FRESH", ()),
    Row("CREATE TEMPORARY FILE FORMAT P.S.FRESH TYPE = CSV", ()),
    Row("USE SCHEMA P.S", ()),
    Row("SHOW TABLES IN SCHEMA P.S", ()),
    Row("DESCRIBE SCHEMA P.S", ()),
    Row("CALL SYSTEM$GET_SERVICE_DNS_DOMAIN('P.S')", ()),
]
OWNED = (
    "ALTER TABLE P.S.T SET COMMENT = 'x'",
    "COMMENT ON TABLE P.S.T IS 'x'",
    "ALTER STAGE P.S.ST SET COMMENT = 'x'",
    "ALTER FILE FORMAT P.S.F SET COMMENT = 'x'",
    "ALTER SEQUENCE P.S.SQ SET COMMENT = 'x'",
    "GRANT SELECT ON TABLE P.S.T TO ROLE OTHER",
    "LIST @P.S.%T",
)
"""Statements that only the owner of the object may make."""


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """The database P with its schema S of the administrator, and in it objects of OWNER."""
    with open_realm(Path(tmp_path_factory.mktemp("realm"))) as opened:
        opened.run(ADMIN, "CREATE DATABASE P")
        opened.run(ADMIN, "CREATE SCHEMA P.S")
        for privilege, kind, title in (ON_DATABASE, ON_SCHEMA, ("ALL", "SCHEMA", "P.S")):
            opened.grant(privilege, kind, title, to=OWNER)
        for text in (
            "CREATE TABLE P.S.T (A INT)",
            "CREATE VIEW P.S.V AS SELECT A FROM P.S.T",
            "CREATE SEQUENCE P.S.SQ",
            "CREATE STAGE P.S.ST",
            "CREATE FILE FORMAT P.S.F TYPE = CSV",
        ):
            opened.run(OWNER, text)
        yield opened


def attempt(realm: Realm, role: str, text: str, held: tuple[Held, ...]) -> NunatakError | None:
    """How a statement ends for a role that holds exactly some privileges in P; what it made is
    taken away again."""
    grants = realm.parts.access.grants
    for given in grants.to(role):
        if given.object_name.split(".")[0] == "P":
            take(realm.parts.access, [given.privilege], given.kind, given.object_name, role)
    for privilege, kind, title in held:
        realm.grant(privilege, kind, title, to=role)
    session = realm.session(role)
    try:
        realm.run(role, text)
    except NunatakError as error:
        return error
    finally:
        session.database, session.schema = "DB", "S"
        for kind in ("TABLE", "VIEW", "STAGE", "SEQUENCE", "TAG", "FILE FORMAT"):
            if "FRESH" in text and f" {kind} " in text:
                realm.run(
                    role if "TEMPORARY" in text else ADMIN, f"DROP {kind} IF EXISTS P.S.FRESH"
                )
                break
        if "P.FRESH" in text:
            realm.run(ADMIN, "DROP SCHEMA IF EXISTS P.FRESH")
    return None


def refused(error: NunatakError | None) -> bool:
    return isinstance(error, PrivilegeMissing | ObjectNotFound)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.text)
def test_a_statement_runs_with_exactly_what_it_needs(realm: Realm, row: Row) -> None:
    needed = (ON_DATABASE, ON_SCHEMA, *row.needs)

    assert attempt(realm, OTHER, row.text, needed) is None
    for missing in needed:
        held = tuple(one for one in needed if one != missing)
        if any(one[1:] == missing[1:] for one in held) and missing[0] == "USAGE":
            continue  # another privilege on the place shows the way, too
        if missing == ON_SCHEMA and "P.FRESH" in row.text:
            continue
        assert refused(attempt(realm, OTHER, row.text, held)), missing
    assert refused(attempt(realm, PUBLIC, row.text, ()))


@pytest.mark.parametrize("row", [row for row in ROWS if row.owner_runs], ids=lambda row: row.text)
def test_the_owner_needs_the_way_alone(realm: Realm, row: Row) -> None:
    _owner_needs_the_way(realm, row.text)


@pytest.mark.parametrize("text", OWNED)
def test_what_only_the_owner_may(realm: Realm, text: str) -> None:
    everything = on(*TABLE, "ALL"), on("STAGE", "P.S.ST", "ALL"), on("FILE_FORMAT", "P.S.F", "ALL")
    held = [one for some in (*everything, on("SEQUENCE", "P.S.SQ", "ALL")) for one in some]

    _owner_needs_the_way(realm, text)
    assert isinstance(
        attempt(realm, OTHER, text, (ON_DATABASE, ON_SCHEMA, *held)), PrivilegeMissing
    )


def _owner_needs_the_way(realm: Realm, text: str) -> None:
    assert attempt(realm, OWNER, text, (ON_DATABASE, ON_SCHEMA)) is None
    assert refused(attempt(realm, OWNER, text, (ON_DATABASE,)))
    assert refused(attempt(realm, OWNER, text, (ON_SCHEMA,)))


def test_any_privilege_on_a_place_shows_the_way(realm: Realm) -> None:
    for places in (
        (("MONITOR", "DATABASE", "P"), ("CREATE TABLE", "SCHEMA", "P.S")),
        (("CREATE SCHEMA", "DATABASE", "P"), ("MODIFY", "SCHEMA", "P.S")),
    ):
        assert (
            attempt(realm, OTHER, "SELECT A FROM P.S.T", (*places, *on(*TABLE, "SELECT"))) is None
        )


def test_a_view_needs_the_way_of_its_owner_and_not_of_its_reader(realm: Realm) -> None:
    realm.run(ADMIN, "CREATE SCHEMA IF NOT EXISTS P.SHOWN")
    attempt(realm, OWNER, "SELECT 1", (ON_DATABASE, ON_SCHEMA, ("ALL", "SCHEMA", "P.SHOWN")))
    realm.run(OWNER, "CREATE OR REPLACE VIEW P.SHOWN.V AS SELECT A FROM P.S.T")
    reads = "SELECT A FROM P.SHOWN.V"
    reader = (ON_DATABASE, ("USAGE", "SCHEMA", "P.SHOWN"), ("SELECT", "VIEW", "P.SHOWN.V"))

    assert attempt(realm, OTHER, reads, reader) is None
    attempt(realm, OWNER, "SELECT 1", (ON_DATABASE,))
    error = attempt(realm, OTHER, reads, reader)
    assert isinstance(error, ObjectNotFound)
    assert "Failure during expansion of view" in error.message
