"""A catalog of an earlier schema is brought up in one transaction; a later one is refused."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from nunatak.catalog.documents import check
from nunatak.catalog.engine import Database
from nunatak.catalog.kinds import WarehouseSpec
from nunatak.catalog.migrations import FIRST_VERSION, SCHEMA_VERSION, STEPS
from nunatak.catalog.migrations.m0002_complete_tables import (
    without_former_parts,
    without_unset_words,
)
from nunatak.catalog.migrations.migrate import stored_version
from nunatak.catalog.migrations.step import Step, Stored
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import NunatakError
from support.homes import kept_homes, unpack


def ask(file: Path, statement: str) -> list[Any]:
    """The rows of a statement, read by other means than the server's."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
        return reader.execute(statement).fetchall()


def made(folder: Path) -> Path:
    """A catalog of today's schema with one service."""
    file = folder / "catalog.sqlite"
    database = Database.open(file)
    with Catalog(database).write() as tx:
        tx.create(Key("DATABASE", "D"), "R")
    database.close()
    return file


def step(number: int, statements: Any) -> Step:
    return Step(number=number, title="a step of a test", statements=statements)


NEXT = SCHEMA_VERSION + 1


def test_steps_have_numbers_without_a_gap() -> None:
    assert [step.number for step in STEPS] == list(range(FIRST_VERSION + 1, SCHEMA_VERSION + 1))


def test_a_new_catalog_has_todays_schema_and_no_backup(tmp_path: Path) -> None:
    file = made(tmp_path)
    assert stored_version(file) == SCHEMA_VERSION
    assert not list(tmp_path.glob("*.schema-*"))


def test_a_later_catalog_is_refused_by_name_and_not_touched(tmp_path: Path) -> None:
    file = made(tmp_path)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE facts SET value = '999' WHERE name = 'schema_version'")
    before = file.read_bytes()
    with pytest.raises(NunatakError, match=r"newer nunatak \(schema 999, this one knows"):
        Database.open(file)
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*.schema-*"))


def test_what_is_no_catalog_is_refused_by_name(tmp_path: Path) -> None:
    file, content = tmp_path / "catalog.sqlite", b"no database at all, but text" * 100
    file.write_bytes(content)
    with pytest.raises(NunatakError, match="cannot be read"):
        Database.open(file)
    assert file.read_bytes() == content


def test_a_schema_that_is_no_number_is_refused(tmp_path: Path) -> None:
    file = made(tmp_path)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE facts SET value = 'new' WHERE name = 'schema_version'")
    with pytest.raises(NunatakError, match="'new', which is no number"):
        Database.open(file)


def test_a_missing_step_is_run_once_and_noted_after_a_backup(tmp_path: Path) -> None:
    file = made(tmp_path)
    ran: list[int] = []

    def add(connection: Connection) -> None:
        ran.append(1)
        connection.execute(text("ALTER TABLE objects ADD COLUMN extra INTEGER"))

    for _ in range(2):
        Database.open(file, steps=[*STEPS, step(NEXT, add)]).close()
    assert ran == [1]
    assert ask(file, f"SELECT count(*) FROM facts WHERE name = 'migration_{NEXT:04}'") == [(1,)]
    assert stored_version(file) == NEXT
    copy = file.with_name(f"catalog.sqlite.schema-{SCHEMA_VERSION}")
    assert stored_version(copy) == SCHEMA_VERSION
    assert copy.stat().st_mode & 0o777 == 0o600
    assert "extra" not in [row[1] for row in ask(copy, "PRAGMA table_info(objects)")]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_step_that_fails_leaves_the_old_catalog(tmp_path: Path, failing: int) -> None:
    file = made(tmp_path)
    before = ask(file, "SELECT * FROM objects"), ask(file, "SELECT * FROM facts")

    def change(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE objects ADD COLUMN extra INTEGER"))
        connection.execute(text("UPDATE objects SET name = 'E'"))

    def fail(connection: Connection) -> None:
        change(connection)
        raise RuntimeError("in the middle")

    steps = [step(NEXT, fail)] if not failing else [step(NEXT, change), step(NEXT + 1, fail)]
    with pytest.raises((RuntimeError, Exception), match=r"in the middle|duplicate column"):
        Database.open(file, steps=[*STEPS, *steps])
    assert (ask(file, "SELECT * FROM objects"), ask(file, "SELECT * FROM facts")) == before
    Database.open(file).close()


def test_documents_are_changed_by_kind(tmp_path: Path) -> None:
    file = made(tmp_path)
    change = Step(
        number=NEXT,
        title="t",
        documents={
            "DATABASE": lambda it: it._replace(status={"seen": True}),
            "OTHER": lambda it: it._replace(status={"never": True}),
        },
    )
    Database.open(file, steps=[*STEPS, change]).close()
    assert ask(file, "SELECT status FROM objects") == [('{"seen": true}',)]


@given(
    kept=st.builds(WarehouseSpec, auto_suspend=st.none() | st.integers(0, 9)),
    unset=st.lists(st.text(min_size=1)),
)
def test_warehouses_keep_their_properties_and_lose_other_words(
    kept: WarehouseSpec, unset: list[str]
) -> None:
    properties = kept.document()
    stored = Stored({**dict.fromkeys(unset), **properties}, {"state": "STARTED"})
    after = without_unset_words(stored)
    assert after == Stored(properties, {"state": "STARTED"})
    check("WAREHOUSE", "W", after.spec, after.status)


def test_a_home_in_which_any_word_was_unset_of_a_warehouse_is_read(tmp_path: Path) -> None:
    file = made(tmp_path)
    with closing(sqlite3.connect(file)) as connection, connection:
        spec = '{"AUTO_SUSPEND": 5, "RESOURCE_MONITOR": null}'
        connection.execute("UPDATE objects SET kind = 'WAREHOUSE', spec = ?", (spec,))
        connection.execute("UPDATE facts SET value = '1' WHERE name = 'schema_version'")
    database = Database.open(file)
    with Catalog(database).read() as tx:
        assert tx.get(Key("WAREHOUSE", "D")).spec == {"AUTO_SUSPEND": 5}
    database.close()


def test_services_lose_what_means_nothing_any_more() -> None:
    before = Stored({"pool": "P", "autocapture": False}, {"state": "RUNNING"})
    assert without_former_parts(before) == Stored({"pool": "P"}, {"state": "RUNNING"})


@pytest.mark.parametrize("kept", kept_homes(), ids=lambda kept: kept.name)
def test_a_kept_catalog_comes_up_with_its_objects(kept: Path, tmp_path: Path) -> None:
    file = unpack(kept, tmp_path / "home") / "catalog.sqlite"
    columns = "SELECT id, kind, name, owner, comment, created_on FROM objects"
    before = ask(file, columns), ask(file, "SELECT * FROM tokens")
    Database.open(file).close()
    assert (ask(file, columns), ask(file, "SELECT * FROM tokens")) == before
    assert stored_version(file) == SCHEMA_VERSION


def test_the_tables_of_an_earlier_version_are_completed(tmp_path: Path) -> None:
    kept = unpack(kept_homes()[0], tmp_path / "home") / "catalog.sqlite"
    with closing(sqlite3.connect(kept)) as connection, connection:
        connection.execute("ALTER TABLE roles DROP COLUMN identity")
        connection.execute("ALTER TABLE sessions DROP COLUMN opened_by")
        spec = json.dumps({"type": "BUILD", "autocapture": True})
        connection.execute("UPDATE objects SET spec = ? WHERE kind = 'SERVICE'", [spec])
        connection.execute("UPDATE facts SET value = '1' WHERE name = 'schema_version'")
    Database.open(kept).close()
    identities = [row[0] for row in ask(kept, "SELECT identity FROM roles")]
    assert None not in identities
    assert len(set(identities)) == len(identities)
    assert "opened_by" in [row[1] for row in ask(kept, "PRAGMA table_info(sessions)")]
    services = ask(kept, "SELECT spec FROM objects WHERE kind = 'SERVICE'")
    assert {row[0] for row in services} == {'{"type": "BUILD"}'}


@pytest.mark.parametrize("kept", kept_homes(), ids=lambda kept: kept.name)
def test_grants_of_before_are_their_owners(kept: Path, tmp_path: Path) -> None:
    file = unpack(kept, tmp_path / "home") / "catalog.sqlite"
    query = "SELECT privilege, object_name, grantee, grant_option, created_on FROM grants"
    before = set(ask(file, query))
    Database.open(file).close()
    assert before <= set(ask(file, query))
    (owner,) = ask(file, "SELECT owner FROM objects WHERE kind = 'TABLE' AND name = 'EVERY'")
    given = "SELECT DISTINCT granted_by FROM grants WHERE object_name = 'KEPT.S.EVERY'"
    assert ask(file, given) == [owner]
    assert ask(file, "SELECT * FROM future_grants") == []
