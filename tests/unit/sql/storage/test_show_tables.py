from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.errors import NoCurrentContext, ObjectNotFound
from nunatak.objects.places import Places
from nunatak.objects.table_guard import CatalogTableGuard
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, parse_registered, requirements
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.storage import show_tables
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.warehouse import Warehouse
from support.parts import Parts, injector_of

assert show_tables


@dataclass
class Shop:
    """A session, and what calls handlers."""

    session: Session
    injector: Injector


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    warehouse = Warehouse(Settings(home=tmp_path))
    warehouse.create_database("DB")
    warehouse.create_schema("DB", "S2")
    session = Session(id=1, user="ADA", role="R", database="DB", schema="PUBLIC")
    for text in (
        "create table t1(a number(10,2) not null comment 'c', b varchar(7)) comment = 'first'",
        "insert into t1 values (1, 'x'), (2, 'y')",
        "create transient table t2(d timestamp_ntz)",
        "create table s2.other(x int)",
        "create view v as select a from t1",
        "create temporary table tmp(i int)",
    ):
        warehouse.query(StatementRequest(session=session, statement=StatementText(text)))
    settings = Settings(home=tmp_path)
    catalog = Catalog(Database.open(settings.catalog_file))
    access = Access(catalog.database, settings)
    with catalog.write() as tx:
        for key in (
            Key("DATABASE", "DB"),
            Key("SCHEMA", "PUBLIC", "DB"),
            Key("SCHEMA", "S2", "DB"),
        ):
            tx.create(key, "R")
    guard = CatalogTableGuard(catalog, access, settings)
    guard.created(session, "TABLE", QualifiedName("DB", "PUBLIC", "T1"))
    objects = SimpleNamespace(plain=Objects(catalog), places=Places(catalog, access))
    parts = cast("Parts", SimpleNamespace(warehouse=warehouse, access=access, objects=objects))
    yield Shop(session, injector_of(parts))
    warehouse.close()
    catalog.close()


def shown(shop: Shop, text: str) -> list[dict[str, Any]]:
    prepared = parse_registered(TokenCursor(StatementText(text)))
    assert prepared is not None
    request = StatementRequest(session=shop.session, statement=StatementText(""), query_id="q")
    context = Context(request=request)
    assert not list(requirements(prepared.needs, prepared.statement, context, shop.injector))
    result = prepared.run(context, shop.injector)
    assert isinstance(result, Result)
    assert result.fields == prepared.statement.fields
    return [row for batch in result.batches for row in batch.to_pylist()]


def test_tables_of_the_current_schema(shop: Shop) -> None:
    rows = shown(shop, "SHOW TABLES")
    assert [(row["name"], row["kind"], row["rows"], row["comment"]) for row in rows] == [
        ("T1", "TABLE", 2, "first"),
        ("T2", "TRANSIENT", 0, ""),
        ("TMP", "TEMPORARY", 0, ""),
    ]
    assert rows[0]["created_on"].year >= 2020


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SHOW TERSE TABLES LIKE 't1'", ["T1"]),
        ("SHOW TABLES IN SCHEMA db.s2", ["OTHER"]),
        ("SHOW TABLES IN DATABASE db STARTS WITH 'T'", ["T1", "T2", "TMP"]),
        ("SHOW TABLES IN ACCOUNT LIMIT 1", ["T1"]),
        ("SHOW VIEWS", ["V"]),
        ("SHOW OBJECTS LIKE '%1'", ["T1"]),
    ],
)
def test_clauses(shop: Shop, text: str, names: list[str]) -> None:
    assert [row["name"] for row in shown(shop, text)] == names


OBJECT_COLUMNS = [
    *("created_on", "name", "database_name", "schema_name", "kind", "comment", "cluster_by"),
    *("rows", "bytes", "owner", "retention_time", "owner_role_type", "budget", "is_hybrid"),
    *("is_dynamic", "is_iceberg", "is_interactive"),
]
TABLE_COLUMNS = [
    *(*OBJECT_COLUMNS[:11], "automatic_clustering", "change_tracking", "search_optimization"),
    *("search_optimization_progress", "search_optimization_bytes", "is_external"),
    *("enable_schema_evolution", "owner_role_type", "is_event", "budget", "is_hybrid"),
    *("is_iceberg", "is_dynamic", "is_immutable"),
]


@pytest.mark.parametrize(
    ("text", "columns"), [("SHOW OBJECTS", OBJECT_COLUMNS), ("SHOW TABLES", TABLE_COLUMNS)]
)
def test_the_columns_are_the_vendors(shop: Shop, text: str, columns: list[str]) -> None:
    rows = shown(shop, text)

    assert all(list(row) == columns for row in rows)
    assert {row["name"] for row in rows} >= {"T1", "T2", "TMP"}
    assert {(row["is_dynamic"], row["is_iceberg"], row["is_hybrid"]) for row in rows} == {
        ("N", "N", "N")
    }


def test_objects_are_tables_or_views(shop: Shop) -> None:
    kinds = {row["name"]: row["kind"] for row in shown(shop, "SHOW OBJECTS")}

    assert kinds == {"T1": "TABLE", "T2": "TABLE", "TMP": "TABLE", "V": "VIEW"}


def test_views_show_their_text(shop: Shop) -> None:
    assert shown(shop, "SHOW VIEWS")[0]["text"] == "create view v as select a from t1"


def test_columns(shop: Shop) -> None:
    rows = shown(shop, "SHOW COLUMNS IN TABLE t1")
    assert [(row["column_name"], row["null?"], row["comment"]) for row in rows] == [
        ("A", "NOT_NULL", "c"),
        ("B", "true", ""),
    ]
    assert json.loads(rows[0]["data_type"]) == {
        "type": "FIXED",
        "precision": 10,
        "scale": 2,
        "nullable": False,
    }
    assert [row["column_name"] for row in shown(shop, "SHOW COLUMNS LIKE 'd'")] == ["D"]


def test_a_scope_is_needed(shop: Shop) -> None:
    shop.session.database = shop.session.schema = None
    with pytest.raises(NoCurrentContext):
        shown(shop, "SHOW TABLES IN SCHEMA s")


def test_owners_are_shown(shop: Shop) -> None:
    rows = shown(shop, "SHOW TABLES")
    assert [(row["name"], row["owner"]) for row in rows] == [("T1", "R"), ("T2", "R"), ("TMP", "R")]


def test_terse_forms_have_five_columns(shop: Shop) -> None:
    [row] = shown(shop, "SHOW TERSE VIEWS")
    assert list(row) == ["created_on", "name", "kind", "database_name", "schema_name"]
    assert (row["name"], row["kind"]) == ("V", "VIEW")


def test_columns_of_a_bare_name_are_those_of_a_table(shop: Shop) -> None:
    assert [row["column_name"] for row in shown(shop, "SHOW COLUMNS IN T1")] == ["A", "B"]
    with pytest.raises(ObjectNotFound):
        shown(shop, "SHOW COLUMNS IN NONE_THERE")
