from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.errors import ObjectNotFound, PrivilegeMissing
from nunatak.objects.table_guard import CatalogTableGuard
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.warehouse import Warehouse
from support.places import let_use

TABLE = QualifiedName("DB", "PUBLIC", "T")


class World:
    """A warehouse whose tables are guarded, an owner, and somebody else."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=home)
        self.catalog = Catalog(Database.open(settings.catalog_file))
        self.access = Access(self.catalog.database, settings)
        for role in ("OWNER", "OTHER"):
            self.access.roles.create(role, owner="ACCOUNTADMIN")
        self.guard = CatalogTableGuard(self.catalog, self.access, settings)
        self.warehouse = Warehouse(settings, hooks=Hooks(guard=self.guard))
        self.warehouse.create_database("DB")
        with self.catalog.write() as tx:
            tx.create(Key("DATABASE", "DB"), "OWNER")
            tx.create(Key("SCHEMA", "PUBLIC", "DB"), "OWNER")
        let_use(self.access, "DB", "DB.PUBLIC")
        self.owner = Session(id=1, user="A", role="OWNER", database="DB", schema="PUBLIC")
        self.other = Session(id=2, user="B", role="OTHER", database="DB", schema="PUBLIC")

    def run(self, session: Session, text: str) -> list[dict[str, object]]:
        result = self.warehouse.query(
            StatementRequest(session=session, statement=StatementText(text))
        )
        return [row for batch in result.batches for row in batch.to_pylist()]

    def grant(self, privilege: str, kind: str, name: str) -> None:
        self.access.grants.grant([privilege], kind, name, role="OTHER", by="OWNER")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.run(made.owner, "create table t as select 1 as a")
    yield made
    made.warehouse.close()
    made.catalog.close()


@pytest.mark.parametrize(
    "text",
    [
        "select * from t",
        "with q as (select * from db.public.t) select 1 from q",
        "select 1 where exists (select 1 from t)",
        "create temporary table mine as select * from t",
        "describe table t",
        "insert into t values (1)",
        "update t set a = 2",
        "delete from t",
        "drop table t",
    ],
)
def test_a_table_without_any_privilege_is_not_seen(world: World, text: str) -> None:
    with pytest.raises(ObjectNotFound, match="T' does not exist or not authorized"):
        world.run(world.other, text)


def test_describing_a_query_needs_what_running_it_needs(world: World) -> None:
    with pytest.raises(ObjectNotFound):
        world.warehouse.describe(
            StatementRequest(session=world.other, statement=StatementText("select * from t"))
        )


@pytest.mark.parametrize(
    ("privilege", "text"),
    [
        ("INSERT", "insert into t values (2)"),
        ("UPDATE", "update t set a = 2"),
        ("DELETE", "delete from t"),
        ("TRUNCATE", "truncate table t"),
        (
            "UPDATE",
            "merge into t using (select 1 b) s on t.a = s.b when matched then update set a = 5",
        ),
    ],
)
def test_each_change_needs_its_privilege(world: World, privilege: str, text: str) -> None:
    world.grant("SELECT", "TABLE", str(TABLE))
    with pytest.raises(PrivilegeMissing, match=privilege):
        world.run(world.other, text)
    world.grant(privilege, "TABLE", str(TABLE))
    world.run(world.other, text)


@pytest.mark.parametrize(
    "text",
    [
        "drop table t",
        "alter table t add column b int",
        "comment on table t is 'x'",
        "comment on column t.a is 'x'",
    ],
)
def test_definitions_need_ownership(world: World, text: str) -> None:
    world.grant("SELECT", "TABLE", str(TABLE))
    with pytest.raises(PrivilegeMissing, match="OWNERSHIP"):
        world.run(world.other, text)


def test_making_needs_a_privilege_on_the_schema_but_for_temporary_tables(world: World) -> None:
    world.run(world.other, "create temporary table private(a int)")
    world.run(world.other, "insert into private values (1)")
    for kind, text in (
        ("TABLE", "create table n(a int)"),
        ("VIEW", "create view n as select 1 a"),
        ("SEQUENCE", "create sequence n"),
    ):
        with pytest.raises(PrivilegeMissing, match=f"CREATE {kind}"):
            world.run(world.other, text)


def test_who_makes_a_table_owns_it_wherever_it_goes(world: World) -> None:
    world.grant("CREATE TABLE", "SCHEMA", "DB.PUBLIC")
    world.run(world.other, "create table n(a int)")
    world.run(world.other, "alter table n rename to m")
    name = "DB.PUBLIC.M"
    assert world.access.grants.owner_of("TABLE", name) == "OTHER"
    world.run(world.other, "drop table m")
    assert world.access.grants.owner_of("TABLE", name) == "OWNER"


def test_grants_end_with_the_table(world: World) -> None:
    world.grant("SELECT", "TABLE", str(TABLE))
    world.run(world.owner, "create or replace table t(a int)")
    with pytest.raises(ObjectNotFound):
        world.run(world.other, "select * from t")


def test_a_view_reads_with_the_rights_of_its_maker(world: World) -> None:
    world.run(world.owner, "create view v as select a from t")
    world.grant("SELECT", "VIEW", "DB.PUBLIC.V")
    assert world.run(world.other, "select * from v") == [{"A": 1}]


def test_a_sequence_that_is_named_like_one_of_a_column_stays(world: World) -> None:
    world.run(world.owner, "create sequence foo_identity start 5")
    world.grant("CREATE TABLE", "SCHEMA", "DB.PUBLIC")
    world.run(world.other, "create table foo(a int)")
    world.run(world.other, "create or replace table foo(a int autoincrement)")
    world.run(world.other, "drop table foo")
    world.run(world.owner, "create table foo(a int default foo_identity.nextval, b int)")
    world.run(world.owner, "insert into foo(b) values (0)")
    world.run(world.owner, "drop table foo")
    [row] = world.run(world.owner, "select foo_identity.nextval as n")
    assert row == {"N": 6}


def test_the_sequence_of_a_column_that_an_earlier_version_made_ends_with_its_table(
    world: World,
) -> None:
    with world.warehouse.engine.connect() as connection:
        sequence = '"DB"."PUBLIC"."OLD_IDENTITY"'
        connection.execute(f"CREATE SEQUENCE {sequence} START 3")
        connection.execute(
            f"""CREATE TABLE "DB"."PUBLIC"."OLD" ("A" BIGINT DEFAULT nextval('{sequence}'),
            "B" BIGINT)"""
        )
    world.guard.created(world.owner, "TABLE", TABLE.sibling("OLD"))
    world.run(world.owner, "insert into old(b) values (0)")
    assert world.run(world.owner, "select a from old") == [{"A": 3}]
    world.run(world.owner, "drop table old")
    with world.warehouse.engine.connect() as connection:
        assert connection.execute("SELECT sequence_name FROM duckdb_sequences()") == []
