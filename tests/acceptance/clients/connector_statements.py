"""What a person types around models, with the connector: definitions, files, sessions, listings.

    connector_statements.py <folder for files>

Prints a JSON object of what came back.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from snowflake import connector
from snowflake.connector.cursor import DictCursor

FOLDER = Path(sys.argv[1])
connection = connector.connect(connection_name="nunatak")
cursor = connection.cursor()


def rows(text: str, *parameters: Any) -> list[Any]:
    """All rows of a statement."""
    found: list[Any] = cursor.execute(text, parameters or None).fetchall()
    return found


def run(*statements: str) -> None:
    """Statements whose answers do not matter."""
    for text in statements:
        cursor.execute(text)


def named(text: str, *columns: str) -> list[list[Any]]:
    """Some columns of a listing."""
    found = connection.cursor(DictCursor).execute(text).fetchall()
    return [[row[column] for column in columns] for row in found]


def refused(*statements: str) -> list[list[Any]]:
    """Code and text of each statement's error."""
    found = []
    for text in statements:
        try:
            cursor.execute(text)
            found.append([0, text])
        except connector.errors.ProgrammingError as error:
            found.append([error.errno, str(error.raw_msg)])
    return found


def define() -> None:
    """Make tables, views and sequences, and change them."""
    run(
        "CREATE OR REPLACE DATABASE STATEMENTS COMMENT = 'all of them'",
        "CREATE SCHEMA S",
        "CREATE TABLE T (ID INT AUTOINCREMENT PRIMARY KEY, NAME VARCHAR(20) NOT NULL COMMENT 'n', "
        "AMOUNT NUMBER(10, 2) DEFAULT 1.5, V VARIANT)",
        """INSERT INTO T (NAME, V) SELECT 'a', PARSE_JSON('{"a": {"b": [1, 2, 3]}, "c": "x"}')""",
        "INSERT INTO T (NAME) VALUES ('b')",
        "CREATE TABLE COPIED AS SELECT ID, NAME FROM T",
        "CREATE TABLE ALIKE LIKE T",
        "CREATE TABLE CLONED CLONE T",
        "CREATE TEMP TABLE TEMPORARY_ONE (A INT)",
        "CREATE LOCAL TEMPORARY TABLE LOCAL_ONE (A INT)",
        "CREATE TRANSIENT TABLE TRANSIENT_ONE (A INT)",
        "CREATE SCOPED TEMPORARY VIEW SCOPED_VIEW AS SELECT 1 A",
        "ALTER TABLE COPIED ADD COLUMN X INT, Y VARCHAR",
        "ALTER TABLE COPIED DROP COLUMN Y",
        "ALTER TABLE COPIED RENAME COLUMN X TO Z",
        "ALTER TABLE COPIED CLUSTER BY (ID)",
        "ALTER TABLE COPIED RENAME TO RENAMED",
        "ALTER TABLE IF EXISTS NONE_THERE ADD COLUMN A INT",
        "TRUNCATE TABLE IF EXISTS NONE_THERE",
        "TRUNCATE TABLE CLONED",
        "COMMENT ON TABLE RENAMED IS 'renamed'",
        "COMMENT ON SCHEMA S IS 'a schema'",
        "COMMENT ON DATABASE STATEMENTS IS 'a database'",
        "CREATE OR REPLACE SECURE VIEW V (A, B) COMMENT = 'view' AS SELECT ID, NAME FROM T",
        "CREATE SEQUENCE SEQ START = 5 INCREMENT = 2",
        "COMMENT ON SEQUENCE SEQ IS 'odd'",
    )


def definitions() -> dict[str, Any]:
    """Tables, views, sequences, and what is told of them."""
    define()
    return {
        "path": rows("SELECT ID, V:a.b[1]::INT, V['c']::STRING FROM T ORDER BY ID"),
        "flatten": rows(
            "SELECT F.INDEX, F.VALUE::INT FROM T, LATERAL FLATTEN(T.V, 'a.b') F ORDER BY 1"
        ),
        "next": rows("SELECT SEQ.NEXTVAL"),
        "sequences": named("SHOW SEQUENCES", "name", "next_value", "interval", "comment"),
        "tables": named("SHOW TABLES IN SCHEMA S", "name", "kind", "owner"),
        "limited": named("SHOW TABLES STARTS WITH 'T' LIMIT 1 FROM 'T'", "name"),
        "terse": [c.name for c in cursor.execute("SHOW TERSE TABLES LIKE 't'").description],
        "views": named("SHOW VIEWS IN DATABASE STATEMENTS", "name", "comment"),
        "objects": len(rows("SHOW OBJECTS IN STATEMENTS.S")),
        "columns": named("SHOW COLUMNS IN T", "column_name", "null?", "comment"),
        "keys": named("SHOW PRIMARY KEYS IN TABLE T", "column_name", "key_sequence"),
        "foreign": [rows(f"SHOW {kind} KEYS IN T") for kind in ("UNIQUE", "IMPORTED", "EXPORTED")],
        "schemas": named("SHOW SCHEMAS LIKE 'S' IN DATABASE STATEMENTS", "name", "comment"),
        "database": named("SHOW DATABASES LIKE 'STATEMENTS'", "comment"),
        "described": [row[:4] for row in rows("DESCRIBE TABLE T")],
        "view": [row[:2] for row in rows("DESC VIEW V")],
        "in schema": [row[1:] for row in rows("DESCRIBE SCHEMA S") if row[1] in {"T", "V"}],
        "in database": [row[1:] for row in rows("DESCRIBE DATABASE STATEMENTS")],
        "region": rows("SHOW REGIONS") and rows("SELECT CURRENT_REGION()")[0],
        "information": rows(
            "SELECT TABLE_NAME, TABLE_TYPE FROM STATEMENTS.INFORMATION_SCHEMA.TABLES "
            "WHERE TABLE_SCHEMA = 'S' AND TABLE_NAME IN ('T', 'V', 'TEMPORARY_ONE') ORDER BY 1"
        ),
        "packages": len(
            rows(
                "SELECT PACKAGE_NAME, VERSION FROM information_schema.packages WHERE "
                "(package_name = 'snowflake-ml-python') AND language = 'python' AND "
                "(runtime_version = '3.11' OR runtime_version is null)"
            )[0]
        ),
    }


def make_stages() -> None:
    """Make files, a stage, file formats and tables to load into."""
    (FOLDER / "a.csv").write_text('A,B\n1,"x"\n2,y\n')
    (FOLDER / "b.csv").write_text('A,B\n3,"z"\n')
    (FOLDER / "c.json").write_text('[{"a": 1, "b": [2]}, {"a": 3}]')
    run(
        "CREATE STAGE ST COMMENT = 'c' DIRECTORY = (ENABLE = TRUE)",
        "ALTER STAGE ST SET COMMENT = 'd'",
        "CREATE FILE FORMAT FF TYPE = CSV SKIP_HEADER = 0 FIELD_OPTIONALLY_ENCLOSED_BY = '\"'",
        "ALTER FILE FORMAT FF SET SKIP_HEADER = 1",
        "CREATE FILE FORMAT FJ TYPE = JSON STRIP_OUTER_ARRAY = TRUE",
        "ALTER FILE FORMAT FJ RENAME TO JSON_ONE",
        "CREATE FILE FORMAT FP TYPE = PARQUET",
        "CREATE TABLE LOADED (A INT, B STRING)",
        "CREATE TABLE DOCUMENTS (V VARIANT)",
        f"PUT file://{FOLDER}/c.json @~/mine",
        f"PUT file://{FOLDER}/a.csv @%LOADED",
    )


def loaded() -> dict[str, Any]:
    """Files that go in."""
    return {
        "put": sorted(
            row[1] for row in rows(f"PUT file://{FOLDER}/*.csv @ST/in auto_compress=false")
        ),
        "list": [row[0] for row in rows("LIST @ST")],
        "pattern": [row[0] for row in rows("LS @ST PATTERN = '.*b.csv'")],
        "copied": [
            row[:4]
            for row in rows("COPY INTO LOADED FROM @ST/in FILE_FORMAT = (FORMAT_NAME = 'FF')")
        ],
        "again": rows("COPY INTO LOADED FROM @ST/in FILE_FORMAT = (FORMAT_NAME = FF)"),
        "table stage": rows("COPY INTO LOADED FROM @%LOADED FILE_FORMAT = (FORMAT_NAME = FF)")[0][
            :2
        ],
        "loaded": rows("SELECT A, B FROM LOADED ORDER BY A, B"),
        "staged": rows("SELECT $2, METADATA$FILENAME FROM @ST/in/b.csv (FILE_FORMAT => 'FF')"),
        "json": rows("COPY INTO DOCUMENTS FROM @~/mine FILE_FORMAT = (FORMAT_NAME = JSON_ONE)")[0][
            1
        ],
        "documents": rows("SELECT V:a::INT, V:b[0]::INT FROM DOCUMENTS ORDER BY 1"),
    }


def unloaded() -> dict[str, Any]:
    """Rows that go out, and what is read of their files."""
    return {
        "unloaded": rows(
            "COPY INTO @ST/out/ FROM LOADED FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE"
        )[0][0],
        "documents out": rows(
            "COPY INTO @ST/json/ FROM (SELECT OBJECT_CONSTRUCT('k', A) FROM LOADED) "
            "FILE_FORMAT = (TYPE = JSON)"
        )[0][0],
        "documents back": rows(
            "SELECT $1:k::INT FROM @ST/json/ (FILE_FORMAT => JSON_ONE) ORDER BY 1"
        ),
        "inferred": rows(
            "SELECT COLUMN_NAME, TYPE FROM TABLE(INFER_SCHEMA(LOCATION => '@ST/out/', "
            "FILE_FORMAT => 'FP'))"
        ),
    }


def files() -> dict[str, Any]:
    """Stages, file formats, and data that goes in and out."""
    make_stages()
    found = loaded() | unloaded()
    run(
        "CREATE TABLE TEMPLATED USING TEMPLATE (SELECT ARRAY_AGG(OBJECT_CONSTRUCT(*)) FROM "
        "TABLE(INFER_SCHEMA(LOCATION => '@ST/out/', FILE_FORMAT => 'FP')))"
    )
    found["templated"] = [row[:2] for row in rows("DESC TABLE TEMPLATED")]
    (FOLDER / "got").mkdir()
    rows(f"GET @ST/in file://{FOLDER}/got")
    found["got"] = sorted(file.name for file in (FOLDER / "got").iterdir())
    found["stages"] = named("SHOW STAGES LIKE 'ST' IN SCHEMA S", "name", "comment")
    found["formats"] = named("SHOW FILE FORMATS", "name", "type")
    found["removed"] = [row[0] for row in rows("REMOVE @ST/in/a.csv")]
    rows("RM @~/mine")
    return found


def sessions() -> dict[str, Any]:
    """Variables, parameters, flow, kept results, transactions, changes."""
    run(
        "SET (X, WHERE_TO) = (5, 'KEPT')",
        "CREATE TABLE IDENTIFIER($WHERE_TO) (A INT, B STRING)",
        "ALTER SESSION SET TIMEZONE = 'UTC', QUERY_TAG = 'tagged'",
    )
    cursor.executemany("INSERT INTO KEPT VALUES (%s, %s)", [(1, "x"), (2, "y"), (3, None)])
    found: dict[str, Any] = {
        "variables": rows("SELECT $X + 1, $WHERE_TO"),
        "identifier": rows("SELECT COUNT(*) FROM IDENTIFIER('STATEMENTS.S.KEPT')"),
        "parameter": named("SHOW PARAMETERS LIKE 'QUERY_TAG' IN SESSION", "value", "level"),
        "flow": rows('SHOW TABLES LIKE \'KEPT\' ->> SELECT "name", "rows" FROM $1'),
        "scan": rows('SELECT "rows" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))'),
        "merge": rows(
            "MERGE INTO KEPT USING (SELECT 3 A, 'z' B UNION ALL SELECT 4, 'w') S ON KEPT.A = S.A "
            "WHEN MATCHED THEN UPDATE SET B = S.B "
            "WHEN NOT MATCHED THEN INSERT (A, B) VALUES (S.A, S.B)"
        ),
    }
    run("BEGIN", "DELETE FROM KEPT", "ROLLBACK", "BEGIN TRANSACTION")
    run("INSERT INTO KEPT VALUES (5, 'v')", "COMMIT WORK")
    found["kept"] = rows("SELECT A, B FROM KEPT ORDER BY A")
    several = connection.execute_string("SELECT 1; SELECT 'a;b'; -- done\n SELECT 3")
    found["string"] = [one.fetchall() for one in several]
    found["now"] = len(rows("SELECT CURRENT_DATE, CURRENT_TIMESTAMP, CURRENT_TIME")[0])
    found["described"] = [
        [column.name, column.type_code] for column in cursor.describe("SELECT A, B FROM KEPT")
    ]
    return found


def once() -> list[int]:
    """A request that is sent twice under one id, as after a lost answer, runs once."""
    run("CREATE OR REPLACE TABLE ONCE (A INT)")
    path = f"/queries/v1/query-request?requestId={uuid.uuid4()}"
    body = {"sqlText": "INSERT INTO ONCE VALUES (1)", "asyncExec": False, "sequenceId": 900}
    assert connection.rest is not None
    answers = [connection.rest.request(path, body) for _ in range(2)]
    return [
        len({answer["data"]["queryId"] for answer in answers}),
        rows("SELECT COUNT(*) FROM ONCE")[0][0],
    ]


found = {
    "definitions": definitions(),
    "files": files(),
    "sessions": sessions(),
    "once": once(),
    "unsupported": refused(
        "CREATE TASK T1 SCHEDULE = '1 MINUTE' AS SELECT 1",
        "CREATE STREAM S1 ON TABLE T",
        "CREATE DYNAMIC TABLE D TARGET_LAG = '1 minute' WAREHOUSE = W AS SELECT 1 A",
        "CREATE EXTERNAL TABLE E (A INT) LOCATION = @ST FILE_FORMAT = (TYPE = CSV)",
        "CREATE PROCEDURE P() RETURNS INT LANGUAGE SQL AS 'BEGIN RETURN 1; END'",
        "SHOW PIPES",
        "UNDROP TABLE T",
    ),
    "wrong": refused(
        "SELECT * FROM NO_SUCH",
        "SELECT NO_SUCH FROM T",
        "SELEKT 1",
        "CREATE TABLE T (A INT)",
        "DROP SEQUENCE NO_SUCH",
        "USE WAREHOUSE NO_SUCH",
        "SHOW COLUMNS IN NO_SUCH",
    ),
}
run("DROP DATABASE STATEMENTS")
connection.close()
print(json.dumps(found, default=str))
