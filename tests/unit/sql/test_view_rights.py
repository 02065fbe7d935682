"""Views read with the rights that their owners have when they are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.errors import LimitExceeded, ObjectNotFound, PrivilegeMissing, Unsupported
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.query.view_rights import EXPANSIONS_LIMIT
from support.realm import ADMIN, OTHER, OWNER, PUBLIC, Realm, open_realm

REFUSED = (PrivilegeMissing, ObjectNotFound)
READS = (
    "SELECT * FROM V",
    "SELECT COUNT(*) FROM DB.S.V",
    "WITH Q AS (SELECT * FROM V) SELECT 1 FROM Q",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM V)",
    "CREATE OR REPLACE TEMPORARY TABLE COPY AS SELECT * FROM V",
    "CREATE OR REPLACE TEMPORARY TABLE COPY CLONE V",
    "CREATE OR REPLACE TEMPORARY VIEW VV AS SELECT * FROM V",
    "COPY INTO @~/x FROM V",
    "COPY INTO @~/x FROM (SELECT * FROM V)",
    "INSERT INTO PUBLIC_T SELECT * FROM V",
    "MERGE INTO PUBLIC_T USING V ON FALSE WHEN NOT MATCHED THEN INSERT VALUES (V.A)",
    "DELETE FROM PUBLIC_T USING V",
    "UPDATE PUBLIC_T SET A = (SELECT MAX(A) FROM V)",
)


@pytest.fixture
def realm(tmp_path: Path) -> Iterator[Realm]:
    """OTHER may read OWNER's T, and has a view V over it that PUBLIC may read."""
    with open_realm(tmp_path) as opened:
        for role in (OWNER, OTHER):
            for kind in ("TABLE", "VIEW"):
                opened.grant(f"CREATE {kind}", "SCHEMA", "DB.S", to=role)
        opened.rows(OWNER, "CREATE TABLE T AS SELECT 'first' AS A")
        opened.rows(ADMIN, "CREATE TABLE PUBLIC_T (A TEXT)")
        opened.grant("ALL", "TABLE", "DB.S.PUBLIC_T", to=PUBLIC)
        opened.grant("SELECT", "TABLE", "DB.S.T")
        opened.rows(OTHER, "CREATE VIEW V AS SELECT A FROM T")
        opened.grant("SELECT", "VIEW", "DB.S.V", to=PUBLIC)
        yield opened


def value(realm: Realm, role: str, name: str = "V") -> Any:
    (row,) = realm.rows(role, f"SELECT A FROM {name}")
    return row["A"]


def refused(realm: Realm, role: str = PUBLIC, name: str = "V") -> None:
    expected = re.escape(f"expansion of view 'DB.S.{name}'")
    with pytest.raises(ObjectNotFound, match=f"not authorized.*{expected}"):
        value(realm, role, name)


def revoke(realm: Realm) -> None:
    realm.rows(OWNER, "REVOKE SELECT ON TABLE T FROM ROLE OTHER")


def squat(realm: Realm) -> None:
    realm.rows(OWNER, "DROP TABLE T")
    realm.rows(OWNER, "CREATE TABLE T AS SELECT 'second' AS A")


CHANGES: dict[str, Callable[[Realm], object]] = {
    "revoked": revoke,
    "dropped": lambda realm: realm.rows(OWNER, "DROP TABLE T"),
    "made again": squat,
    "replaced": lambda realm: realm.rows(OWNER, "CREATE OR REPLACE TABLE T AS SELECT 'b' AS A"),
    "renamed": lambda realm: realm.rows(OWNER, "ALTER TABLE T RENAME TO T2"),
    "made a view": lambda realm: [
        realm.rows(OWNER, text)
        for text in ("ALTER TABLE T RENAME TO T2", "CREATE VIEW T AS SELECT A FROM T2")
    ],
    "swapped": lambda realm: [
        realm.rows(OWNER, text)
        for text in ("CREATE TABLE T2 AS SELECT 'b' AS A", "ALTER TABLE T SWAP WITH T2")
    ],
    "role dropped and made again": lambda realm: [
        realm.rows(ADMIN, text)
        for text in (
            "CREATE ROLE HEIR",
            "GRANT OWNERSHIP ON ROLE OTHER TO ROLE HEIR",
            "DROP ROLE OTHER",
            "CREATE ROLE OTHER",
            "GRANT ROLE OTHER TO USER OTHER_USER",
            "GRANT OWNERSHIP ON VIEW V TO ROLE OTHER",
            "GRANT SELECT ON VIEW V TO ROLE PUBLIC",
        )
    ],
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_view_reads_nothing_that_its_owner_may_not_read_now(realm: Realm, change: str) -> None:
    assert value(realm, PUBLIC) == value(realm, OTHER) == "first"
    CHANGES[change](realm)
    refused(realm)
    refused(realm, OTHER)
    refused(realm, ADMIN)


def test_no_statement_reads_past_the_rights_of_the_owner(realm: Realm) -> None:
    for text in READS:
        realm.rows(PUBLIC, text)
        realm.rows(PUBLIC, "REMOVE @~")
    revoke(realm)
    for text in READS:
        with pytest.raises(ObjectNotFound, match="expansion"):
            realm.rows(PUBLIC, text)
        with pytest.raises(ObjectNotFound, match="expansion"):
            request = StatementRequest(
                session=realm.session(PUBLIC), statement=StatementText("SELECT * FROM V")
            )
            realm.parts.warehouse.describe(request)


def test_a_view_reads_again_when_its_owner_may(realm: Realm) -> None:
    squat(realm)
    refused(realm)
    realm.rows(OWNER, "GRANT SELECT ON TABLE T TO ROLE OTHER")
    assert value(realm, PUBLIC) == "second"


def test_an_owner_replaces_the_table_under_its_own_view(realm: Realm) -> None:
    realm.rows(OWNER, "CREATE VIEW W AS SELECT A FROM T")
    realm.grant("SELECT", "VIEW", "DB.S.W", to=PUBLIC)
    realm.rows(OWNER, "CREATE OR REPLACE TABLE T AS SELECT 'new' AS A")
    assert value(realm, PUBLIC, "W") == "new"


def test_what_a_view_is_needs_no_rights_on_what_it_reads(realm: Realm) -> None:
    revoke(realm)
    assert [row["name"] for row in realm.rows(OTHER, "DESCRIBE VIEW V")] == ["A"]
    realm.rows(OTHER, "COMMENT ON VIEW V IS 'kept'")
    refused(realm)
    realm.rows(OTHER, "ALTER VIEW V RENAME TO V2")
    refused(realm, OTHER, "V2")
    realm.rows(OWNER, "GRANT SELECT ON TABLE T TO ROLE OTHER")
    assert value(realm, OTHER, "V2") == "first"
    realm.rows(OTHER, "DROP VIEW V2")


def test_each_view_of_a_nest_reads_with_the_rights_of_its_own_owner(realm: Realm) -> None:
    realm.rows(ADMIN, "CREATE ROLE THIRD")
    realm.grant("CREATE VIEW", "SCHEMA", "DB.S", to="THIRD")
    realm.rows("THIRD", "CREATE VIEW W AS SELECT A FROM (SELECT * FROM V) UNION SELECT A FROM V")
    realm.grant("SELECT", "VIEW", "DB.S.W", to=OWNER)
    assert value(realm, OWNER, "W") == "first"
    realm.rows(OTHER, "REVOKE SELECT ON VIEW V FROM ROLE PUBLIC")
    refused(realm, OWNER, "W")
    realm.grant("SELECT", "VIEW", "DB.S.V", to="THIRD")
    assert value(realm, OWNER, "W") == "first"
    revoke(realm)
    with pytest.raises(ObjectNotFound, match=r"expansion of view 'DB\.S\.V'"):
        value(realm, OWNER, "W")


def test_another_owner_reads_with_other_rights(realm: Realm) -> None:
    realm.rows(ADMIN, "CREATE ROLE THIRD")
    realm.rows(ADMIN, "GRANT OWNERSHIP ON VIEW V TO ROLE THIRD COPY CURRENT GRANTS")
    refused(realm)
    realm.rows(ADMIN, "GRANT OWNERSHIP ON VIEW V TO ROLE OWNER COPY CURRENT GRANTS")
    assert value(realm, PUBLIC) == "first"


def test_the_heir_of_a_view_lends_nobody_its_rights(realm: Realm) -> None:
    revoke(realm)
    realm.rows(ADMIN, "DROP ROLE OTHER")
    with pytest.raises(REFUSED):
        value(realm, PUBLIC)
    assert value(realm, ADMIN) == "first"


def test_a_temporary_view_reads_with_the_rights_of_the_session(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE TEMPORARY TABLE TMP AS SELECT 'own' AS A")
    with pytest.raises(Unsupported, match="CREATE TEMPORARY VIEW"):
        realm.rows(OTHER, "CREATE VIEW X AS SELECT * FROM TMP")
    realm.rows(OTHER, "CREATE TEMPORARY VIEW X AS SELECT TMP.A FROM TMP, T")
    assert value(realm, OTHER, "X") == "own"
    revoke(realm)
    refused(realm, OTHER, "X")


def test_a_view_that_reads_no_table_needs_no_rights(realm: Realm) -> None:
    realm.rows(OTHER, "CREATE VIEW ONE AS SELECT 'x' AS A")
    assert value(realm, OTHER, "ONE") == "x"


EARLIER = {
    "a table": "SELECT A FROM T",
    "in another database": "SELECT A FROM D2.S.T",
    "both of them": "SELECT X.A FROM T X JOIN D2.S.T Y ON X.A = Y.A",
    "a view": "SELECT A FROM V",
    "a view and its table": "SELECT A FROM V UNION ALL SELECT A FROM T",
    "through a common table": "WITH T2 AS (SELECT A FROM T) SELECT A FROM T2",
    "under its own name": "WITH T AS (SELECT A FROM DB.S.T) SELECT A FROM T",
    "walking on": (
        "WITH RECURSIVE R AS (SELECT A, 1 N FROM T UNION ALL SELECT A, N + 1 FROM R WHERE N < 9) "
        "SELECT R.A FROM R, V"
    ),
    "in a subquery": "SELECT (SELECT MAX(A) FROM V) AS A FROM T WHERE EXISTS (SELECT 1 FROM W.T)",
    "in IN": "SELECT 'x' AS A WHERE 'first' IN (SELECT A FROM T)",
    "odd names": 'SELECT " AS ""T" AS A FROM "x.y"." AS ""T"',
    "flattened": "SELECT F.VALUE::TEXT AS A FROM T, LATERAL FLATTEN(ARRAY_CONSTRUCT(T.A)) F",
    "generated": "SELECT A FROM T, TABLE(GENERATOR(ROWCOUNT => 2))",
    "deep": "SELECT A FROM " + "(SELECT A FROM " * 20 + "T" + ")" * 20,
    "values": "SELECT COLUMN1 AS A FROM VALUES ('x')",
    "nothing": "SELECT 'FROM DB.S.T' AS A",
    "grouped": "SELECT A FROM T GROUP BY ALL HAVING COUNT(*) < (SELECT COUNT(*) + 2 FROM W.T)",
    "a text with AS": "SELECT A, ' AS SELECT 1 FROM X' AS \"B AS (C\" FROM T",
}


def forget_notes(realm: Realm, *names: str) -> None:
    """Leave of views what earlier versions noted."""
    with realm.parts.warehouse.engine.connect() as connection:
        for name in names:
            title = QualifiedName.parse(name)
            place = f'"{title.database}"."{title.schema}"."{title.name}"'
            [(comment,)] = connection.execute(
                f"SELECT comment FROM duckdb_views() WHERE view_name = '{title.name}'"
            )
            note = {key: kept for key, kept in json.loads(comment).items() if key != "reads"}
            connection.execute(f"COMMENT ON VIEW {place} IS $${json.dumps(note)}$$")
    realm.parts.warehouse.tables.forget()


def reads_of(realm: Realm, name: str) -> set[QualifiedName] | None:
    warehouse, full = realm.parts.warehouse, QualifiedName("DB", "S", name)
    with warehouse.engine.connect() as connection:
        table = warehouse.tables.permanent(full, connection=connection)
    assert table is not None
    return None if table.reads is None else set(table.reads)


@pytest.mark.parametrize("text", EARLIER.values(), ids=EARLIER)
def test_of_a_view_of_an_earlier_version_is_known_what_its_text_names(
    realm: Realm, text: str
) -> None:
    realm.rows(ADMIN, "CREATE DATABASE D2")
    for schema in ("D2.S", "DB.W", 'DB."x.y"'):
        realm.rows(ADMIN, f"CREATE SCHEMA {schema}")
        realm.rows(ADMIN, f"CREATE TABLE {schema}.T AS SELECT 'first' AS A")
    realm.rows(ADMIN, """CREATE TABLE DB."x.y"." AS ""T" AS SELECT 'x' AS " AS ""T" """)
    realm.rows(ADMIN, "USE SCHEMA DB.S")
    realm.rows(ADMIN, f"CREATE VIEW E AS {text}")
    noted, rows = reads_of(realm, "E"), realm.rows(ADMIN, "SELECT * FROM E")
    forget_notes(realm, "DB.S.E", "DB.S.V")
    assert reads_of(realm, "E") == noted
    assert realm.rows(ADMIN, "SELECT * FROM E") == rows


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_view_of_an_earlier_version_reads_with_the_rights_of_its_owner(
    realm: Realm, change: str
) -> None:
    forget_notes(realm, "DB.S.V")
    assert value(realm, PUBLIC) == value(realm, OTHER) == "first"
    CHANGES[change](realm)
    refused(realm)
    refused(realm, ADMIN)


def test_another_name_and_a_comment_leave_a_view_of_an_earlier_version_what_it_is(
    realm: Realm,
) -> None:
    forget_notes(realm, "DB.S.V")
    realm.rows(OTHER, "ALTER VIEW V RENAME TO V2")
    realm.rows(OTHER, "COMMENT ON VIEW V2 IS 'kept'")
    assert value(realm, PUBLIC, "V2") == "first"
    revoke(realm)
    refused(realm, PUBLIC, "V2")


def test_a_view_of_an_earlier_version_that_is_too_deep_is_refused_by_name(realm: Realm) -> None:
    with realm.parts.warehouse.engine.connect() as connection:
        query = "SELECT A FROM (" * 500 + "SELECT A FROM DB.S.T" + ")" * 500
        connection.execute(f"CREATE VIEW DB.S.OLD AS {query}")
    with pytest.raises(Unsupported, match=r"DB\.S\.OLD"):
        value(realm, ADMIN, "OLD")


@pytest.mark.parametrize("gone", ["__NUNATAK_ROWS_0", "other"])
def test_a_view_over_what_ended_with_its_statement_is_refused_by_name(
    realm: Realm, gone: str
) -> None:
    with realm.parts.warehouse.engine.connect() as connection:
        connection.execute(f'CREATE TEMPORARY VIEW "{gone}" AS SELECT 1 AS A')
        connection.execute(
            f'CREATE VIEW DB.S.OLD AS SELECT A FROM DB.S.T UNION ALL SELECT A FROM "{gone}"'
        )
    with pytest.raises(Unsupported, match=r"DB\.S\.OLD.*CREATE OR REPLACE"):
        value(realm, ADMIN, "OLD")


def test_views_that_double_are_refused_before_the_engine_writes_them_out(realm: Realm) -> None:
    realm.run(ADMIN, "CREATE VIEW V0 AS SELECT 1 A")

    with pytest.raises(LimitExceeded, match=f"at most {EXPANSIONS_LIMIT} tables and views"):
        for i in range(40):
            realm.run(ADMIN, f"CREATE VIEW V{i + 1} AS SELECT x.A FROM V{i} x, V{i} y")


def test_views_that_double_by_being_replaced_are_refused_where_they_are_read(realm: Realm) -> None:
    for i in range(41):
        realm.run(ADMIN, f"CREATE VIEW V{i} AS SELECT 1 A")
    for i in reversed(range(40)):
        realm.run(ADMIN, f"CREATE OR REPLACE VIEW V{i + 1} AS SELECT x.A FROM V{i} x, V{i} y")

    for text in ("SELECT * FROM V40", "CREATE TABLE KEPT AS SELECT A FROM V40"):
        with pytest.raises(LimitExceeded, match="views"):
            realm.run(ADMIN, text)


def test_views_named_many_times_count_as_often(realm: Realm) -> None:
    realm.run(ADMIN, "CREATE VIEW MANY AS " + " UNION ALL ".join(["SELECT A FROM T"] * 400))

    realm.rows(ADMIN, "SELECT A FROM MANY UNION ALL SELECT A FROM MANY")
    with pytest.raises(LimitExceeded, match="views"):
        realm.run(ADMIN, " UNION ALL ".join(["SELECT A FROM MANY"] * 3))
