"""Keys, sequences, containers, regions, and changes of stages and file formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.errors import ObjectNotFound, SyntaxInvalid, Unsupported
from nunatak.objects.databases import Databases, Schemas
from nunatak.objects.places import Places
from nunatak.objects.sequences import Sequences
from nunatak.objects.table_guard import CatalogTableGuard
from nunatak.sql.language.statement import Context, parse_registered
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.storage import (
    databases,
    regions,
    sequences,
    show_keys,
    stages,
)
from nunatak.stages.records import FileFormatRecords, StageRecords
from nunatak.stages.service import Stages
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.warehouse import Warehouse
from support.parts import Parts, injector_of

FAMILIES = (databases, regions, sequences, show_keys, stages)


class Bench:
    """A warehouse and a catalog with one database, and a session of its owner."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=home)
        self.catalog = Catalog(Database.open(settings.catalog_file))
        access = Access(self.catalog.database, settings)
        for role in ("ACCOUNTADMIN", "OTHER"):
            access.roles.create(role, owner="ACCOUNTADMIN")
        guard = CatalogTableGuard(self.catalog, access, settings)
        self.warehouse = Warehouse(settings, hooks=Hooks(guard=guard))
        self.warehouse.create_database("DB")
        with self.catalog.write() as tx:
            tx.create(Key("DATABASE", "DB"), "ACCOUNTADMIN")
            tx.create(Key("SCHEMA", "PUBLIC", "DB"), "ACCOUNTADMIN")
        self.session = Session(id=1, user="A", role="ACCOUNTADMIN", database="DB", schema="PUBLIC")
        models = SimpleNamespace(check_droppable_within=lambda *_, **__: None)
        parts = SimpleNamespace(
            warehouse=self.warehouse,
            catalog=self.catalog,
            access=access,
            stages=Stages(self.catalog, access, settings),
            objects=SimpleNamespace(
                plain=Objects(self.catalog),
                places=Places(self.catalog, access),
                databases=Databases(self.catalog, self.warehouse, models, settings),
                schemas=Schemas(self.catalog, self.warehouse, models, settings),
                sequences=Sequences(self.catalog, self.warehouse),
                stages=StageRecords(self.catalog),
                file_formats=FileFormatRecords(self.catalog),
            ),
            settings=settings,
        )
        request = StatementRequest(session=self.session, statement=StatementText(""), query_id="q")
        self.context = Context(request=request)
        self.injector = injector_of(cast("Parts", parts))

    def sql(self, text: str) -> None:
        """A statement of the warehouse."""
        self.warehouse.query(StatementRequest(session=self.session, statement=StatementText(text)))

    def rows(self, text: str) -> list[dict[str, Any]]:
        """A statement of a family, with its privileges checked."""
        prepared = parse_registered(TokenCursor(StatementText(text)))
        assert prepared is not None, text
        result = prepared.run(self.context, self.injector)
        assert isinstance(result, Result)
        assert result.fields == prepared.statement.fields
        return [row for batch in result.batches for row in batch.to_pylist()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.sql("create table t(a int, b int autoincrement, c int, primary key (c, a))")
    made.sql("create view v as select a from t")
    made.sql("create sequence s start 5 increment 2")
    yield made
    made.warehouse.close()
    made.catalog.close()


def test_primary_keys_by_table_and_schema(bench: Bench) -> None:
    for scope in ("IN TABLE t", "IN t", "IN SCHEMA PUBLIC", ""):
        rows = bench.rows(f"SHOW PRIMARY KEYS {scope}")
        assert [(row["column_name"], row["key_sequence"]) for row in rows] == [("C", 1), ("A", 2)]
    for kind in ("UNIQUE", "IMPORTED", "EXPORTED"):
        assert bench.rows(f"SHOW {kind} KEYS IN t") == []
    with pytest.raises(ObjectNotFound):
        bench.rows("SHOW PRIMARY KEYS IN none_there")


def test_sequences_are_shown_with_what_comes_next_but_not_those_of_columns(bench: Bench) -> None:
    [row] = bench.rows("SHOW SEQUENCES LIKE '%' IN DATABASE DB")
    assert (row["name"], row["next_value"], row["interval"]) == ("S", 5, 2)
    list(
        bench.warehouse.query(
            StatementRequest(session=bench.session, statement=StatementText("select s.nextval"))
        ).batches
    )
    bench.sql("create sequence noted comment = 'of mine'")
    [noted] = bench.rows("DESCRIBE SEQUENCE noted")
    assert noted["comment"] == "of mine"
    bench.sql("drop sequence noted")
    bench.rows("ALTER SEQUENCE s SET COMMENT = 'odd'")
    [row] = bench.rows("DESCRIBE SEQUENCE s")
    assert (row["next_value"], row["comment"], row["owner"]) == (7, "odd", "ACCOUNTADMIN")
    bench.rows("ALTER SEQUENCE s SET ORDER")
    assert bench.rows("DESCRIBE SEQUENCE s")[0]["comment"] == "odd"
    bench.rows("ALTER SEQUENCE s UNSET COMMENT")
    assert bench.rows("DESCRIBE SEQUENCE s")[0]["comment"] == ""
    bench.rows("ALTER SEQUENCE IF EXISTS none_there SET COMMENT = 'x'")
    with pytest.raises(ObjectNotFound):
        bench.rows("COMMENT ON SEQUENCE none_there IS 'x'")
    bench.sql("drop sequence s")
    assert bench.rows("SHOW SEQUENCES") == []
    bench.sql("drop sequence if exists s")
    with pytest.raises(ObjectNotFound, match="Sequence"):
        bench.sql("drop sequence s")


def test_containers_tell_what_they_hold(bench: Bench) -> None:
    held = [(row["name"], row["kind"]) for row in bench.rows("DESCRIBE SCHEMA DB.PUBLIC")]
    assert held == [("T", "TABLE"), ("V", "VIEW")]
    held = [(row["name"], row["kind"]) for row in bench.rows("DESC DATABASE DB")]
    assert held == [("PUBLIC", "SCHEMA")]
    bench.rows("COMMENT ON SCHEMA PUBLIC IS 'x'")
    bench.rows("COMMENT IF EXISTS ON DATABASE NONE_THERE IS 'x'")
    with bench.catalog.read() as tx:
        assert tx.get(Key("SCHEMA", "PUBLIC", "DB")).comment == "x"
    with pytest.raises(ObjectNotFound):
        bench.rows("DESC DATABASE NONE_THERE")


def test_there_is_one_region_with_a_cloud_that_clients_know(bench: Bench) -> None:
    [row] = bench.rows("SHOW REGIONS")
    assert (row["snowflake_region"], row["cloud"]) == ("LOCAL", "aws")


def test_stages_and_formats_change(bench: Bench) -> None:
    bench.rows("CREATE STAGE st COMMENT = 'a'")
    bench.rows("ALTER STAGE st SET COMMENT = 'b' FILE_FORMAT = (TYPE = JSON)")
    bench.rows("ALTER STAGE st REFRESH")
    bench.rows("ALTER STAGE st RENAME TO st2")
    assert [(row["name"], row["comment"]) for row in bench.rows("SHOW STAGES")] == [("ST2", "b")]
    bench.rows("CREATE FILE FORMAT f TYPE = CSV SKIP_HEADER = 0 FIELD_DELIMITER = ';'")
    bench.rows("ALTER FILE FORMAT f SET SKIP_HEADER = 1")
    options = {row["property"]: row["property_value"] for row in bench.rows("DESC FILE FORMAT f")}
    assert options == {"TYPE": "CSV", "SKIP_HEADER": "1", "FIELD_DELIMITER": ";"}
    bench.rows("ALTER STAGE IF EXISTS none_there SET COMMENT = 'x'")
    with pytest.raises(ObjectNotFound, match="File format"):
        bench.rows("ALTER FILE FORMAT none_there RENAME TO g")
    with pytest.raises(SyntaxInvalid):
        bench.rows("ALTER STAGE st2 UNSET")


def test_temporary_stages_are_made_anew(bench: Bench) -> None:
    bench.rows("CREATE TEMP STAGE mine")
    with pytest.raises(Unsupported, match="temporary"):
        bench.rows("ALTER STAGE mine SET COMMENT = 'x'")


def test_definitions_need_ownership(bench: Bench) -> None:
    bench.rows("CREATE STAGE st")
    bench.session.role = "OTHER"
    for text in (
        "ALTER STAGE st REFRESH",
        "ALTER SEQUENCE s SET COMMENT = 'x'",
        "COMMENT ON SCHEMA PUBLIC IS 'x'",
        "DESCRIBE SCHEMA PUBLIC",
        "DESCRIBE SEQUENCE s",
    ):
        with pytest.raises(ObjectNotFound):
            bench.rows(text)
