"""A second user with a lesser role: what is refused, and what grants and ownership allow."""

from __future__ import annotations

import json
from typing import Any

from snowflake import connector
from snowflake.connector.connection import SnowflakeConnection

PASSWORD = "a-long-Password-1"


def refusal(connection: SnowflakeConnection, *statements: str) -> list[Any]:
    """Code and text of the error of each statement; None for one that succeeds."""
    found: list[Any] = []
    for statement in statements:
        try:
            connection.cursor().execute(statement)
            found.append(None)
        except connector.errors.ProgrammingError as error:
            found.append([error.errno, error.msg])
    return found


def prepare(admin: SnowflakeConnection) -> None:
    """A database that the role READER may enter and nothing more."""
    for statement in f"""
        CREATE OR REPLACE DATABASE SHARED;
        CREATE SCHEMA SHARED.S;
        CREATE TABLE SHARED.S.T (A INT, B STRING);
        INSERT INTO SHARED.S.T VALUES (1, 'x'), (2, 'y');
        CREATE TABLE SHARED.S.HIDDEN (A INT);
        CREATE VIEW SHARED.S.V AS SELECT A FROM SHARED.S.T;
        CREATE ROLE READER;
        CREATE ROLE WRITER;
        GRANT ROLE READER TO ROLE WRITER;
        CREATE USER EVE PASSWORD = '{PASSWORD}' DEFAULT_ROLE = READER;
        GRANT ROLE READER TO USER EVE;
        GRANT ROLE WRITER TO USER EVE;
        GRANT USAGE ON DATABASE SHARED TO ROLE READER;
        GRANT USAGE ON SCHEMA SHARED.S TO ROLE READER;
        GRANT USAGE ON WAREHOUSE COMPUTE_WH TO ROLE READER
    """.split(";"):
        admin.cursor().execute(statement)


def reading(admin: SnowflakeConnection, eve: SnowflakeConnection) -> dict[str, Any]:
    """SELECT before and after the grant; a view reads with its owner's rights."""
    select = "SELECT * FROM SHARED.S.T ORDER BY A"
    found: dict[str, Any] = {"role": eve.cursor().execute("SELECT CURRENT_ROLE()").fetchone()}
    found["unseen"] = refusal(
        eve,
        select,
        "WITH Q AS (SELECT * FROM SHARED.S.T) SELECT COUNT(*) FROM Q",
        "SELECT (SELECT MAX(A) FROM SHARED.S.T)",
        "DESCRIBE TABLE SHARED.S.T",
        "CREATE TEMP TABLE MINE AS SELECT * FROM SHARED.S.T",
        "SELECT * FROM SHARED.S.V",
    )
    admin.cursor().execute("GRANT SELECT ON TABLE SHARED.S.T TO ROLE READER")
    found["rows"] = eve.cursor().execute(select).fetchall()
    found["described"] = refusal(eve, "DESCRIBE TABLE SHARED.S.T")
    admin.cursor().execute("REVOKE SELECT ON TABLE SHARED.S.T FROM ROLE READER")
    admin.cursor().execute("GRANT SELECT ON VIEW SHARED.S.V TO ROLE READER")
    found["view"] = eve.cursor().execute("SELECT * FROM SHARED.S.V ORDER BY A").fetchall()
    found["revoked"] = refusal(eve, select)
    admin.cursor().execute("GRANT SELECT ON TABLE SHARED.S.T TO ROLE READER")
    return found


def writing(admin: SnowflakeConnection, eve: SnowflakeConnection) -> dict[str, Any]:
    """Each change needs its own privilege; definitions need ownership."""
    changes = (
        "INSERT INTO SHARED.S.T VALUES (3, 'z')",
        "UPDATE SHARED.S.T SET B = 'w' WHERE A = 1",
        "DELETE FROM SHARED.S.T WHERE A = 2",
        (
            "MERGE INTO SHARED.S.T USING (SELECT 9 A) S ON T.A = S.A "
            "WHEN NOT MATCHED THEN INSERT (A) VALUES (S.A)"
        ),
    )
    definitions = (
        "TRUNCATE TABLE SHARED.S.T",
        "ALTER TABLE SHARED.S.T ADD COLUMN C INT",
        "COMMENT ON TABLE SHARED.S.T IS 'mine'",
        "DROP TABLE SHARED.S.T",
        "CREATE OR REPLACE TABLE SHARED.S.T (A INT)",
        "CREATE TABLE SHARED.S.NEW (A INT)",
        "CREATE VIEW SHARED.S.W AS SELECT 1 A",
        "DROP SCHEMA SHARED.S",
        "DROP DATABASE SHARED",
        "CREATE DATABASE OTHERS",
        "CREATE USER MALLORY",
        "GRANT SELECT ON TABLE SHARED.S.HIDDEN TO ROLE READER",
        "GRANT ROLE ACCOUNTADMIN TO USER EVE",
        "USE ROLE ACCOUNTADMIN",
        "DROP TABLE SHARED.S.HIDDEN",
    )
    found: dict[str, Any] = {"changes": refusal(eve, *changes)}
    found["definitions"] = refusal(eve, *definitions)
    for privilege in ("INSERT", "UPDATE", "DELETE"):
        admin.cursor().execute(f"GRANT {privilege} ON TABLE SHARED.S.T TO ROLE WRITER")
    eve.cursor().execute("USE ROLE WRITER")
    found["granted"] = refusal(eve, *changes)
    rows = eve.cursor().execute("SELECT A, B FROM SHARED.S.T ORDER BY A")
    found["changed"] = rows.fetchall()
    return found


def owning(admin: SnowflakeConnection, eve: SnowflakeConnection) -> dict[str, Any]:
    """The role that makes a table owns it; ownership can be given away."""
    admin.cursor().execute("GRANT CREATE TABLE, CREATE VIEW ON SCHEMA SHARED.S TO ROLE WRITER")
    found: dict[str, Any] = {
        "made": refusal(
            eve,
            "CREATE TABLE SHARED.S.MINE (A INT)",
            "ALTER TABLE SHARED.S.MINE RENAME TO SHARED.S.OWN",
            "INSERT INTO SHARED.S.OWN VALUES (1)",
            "CREATE VIEW SHARED.S.OWN_VIEW AS SELECT * FROM SHARED.S.OWN",
            "GRANT SELECT ON TABLE SHARED.S.OWN TO ROLE READER",
        )
    }
    shown = eve.cursor().execute("SHOW TABLES LIKE 'OWN' IN SCHEMA SHARED.S").fetchone()
    found["owner"] = dict(zip(["created_on", "name"], shown[:2], strict=True))["name"], shown[9]
    eve.cursor().execute("USE ROLE READER")
    found["lesser"] = refusal(eve, "SELECT * FROM SHARED.S.OWN", "DROP TABLE SHARED.S.OWN")
    given = "GRANT OWNERSHIP ON TABLE SHARED.S.OWN TO ROLE READER REVOKE CURRENT GRANTS"
    admin.cursor().execute(given)
    found["given"] = refusal(
        eve,
        "ALTER TABLE SHARED.S.OWN ADD COLUMN B INT",
        "CREATE OR REPLACE TABLE SHARED.S.OWN (A INT)",
        "DROP TABLE SHARED.S.OWN",
    )
    eve.cursor().execute("USE ROLE WRITER")
    eve.cursor().execute("CREATE TABLE SHARED.S.OWN (A INT)")
    eve.cursor().execute("USE ROLE READER")
    admin.cursor().execute("GRANT SELECT ON ALL TABLES IN SCHEMA SHARED.S TO ROLE READER")
    found["all"] = eve.cursor().execute("SELECT COUNT(*) FROM SHARED.S.OWN").fetchone()
    admin.cursor().execute("REVOKE SELECT ON ALL TABLES IN DATABASE SHARED FROM ROLE READER")
    found["none"] = refusal(admin, "GRANT SELECT ON TABLE SHARED.S.NO_SUCH TO ROLE READER")
    found["made again"] = refusal(eve, "SELECT * FROM SHARED.S.OWN")
    return found


def changing(admin: SnowflakeConnection, eve: SnowflakeConnection) -> dict[str, Any]:
    """What a role that may only create does to objects of others, in every way around them."""
    for statement in (
        "CREATE TABLE SHARED.S.SEC AS SELECT 'first' AS A",
        "CREATE STAGE SHARED.S.ST",
        "CREATE SEQUENCE SHARED.S.SEQ START 5",
        "COPY INTO @SHARED.S.%SEC/x FROM SHARED.S.SEC",
        "GRANT CREATE STAGE ON SCHEMA SHARED.S TO ROLE WRITER",
        "GRANT CREATE SEQUENCE ON SCHEMA SHARED.S TO ROLE WRITER",
        "GRANT SELECT ON TABLE SHARED.S.SEC TO ROLE WRITER",
    ):
        admin.cursor().execute(statement)
    eve.cursor().execute("USE ROLE WRITER")
    for statement in (
        "CREATE TABLE SHARED.S.BAIT (A STRING)",
        "CREATE VIEW SHARED.S.PEEP AS SELECT A FROM SHARED.S.SEC",
        "CREATE SEQUENCE IF NOT EXISTS SHARED.S.SEQ",
    ):
        eve.cursor().execute(statement)
    refused = refusal(
        eve,
        "CREATE OR REPLACE STAGE SHARED.S.ST",
        "CREATE OR REPLACE SEQUENCE SHARED.S.SEQ",
        "ALTER TABLE SHARED.S.BAIT SWAP WITH SHARED.S.SEC",
        "LIST @SHARED.S.%SEC",
        "SELECT $1 FROM @SHARED.S.%SEC",
        "REMOVE @SHARED.S.%SEC",
        "COPY INTO @SHARED.S.%SEC/y FROM SHARED.S.BAIT",
    )
    peeped = [eve.cursor().execute("SELECT A FROM SHARED.S.PEEP").fetchone()]
    admin.cursor().execute("CREATE OR REPLACE TABLE SHARED.S.SEC AS SELECT 'second' AS A")
    peeped += refusal(eve, "SELECT A FROM SHARED.S.PEEP")
    owner = admin.cursor().execute("SHOW SEQUENCES IN SCHEMA SHARED.S").fetchone()[6]
    left = admin.cursor().execute("LIST @SHARED.S.%SEC").fetchall()
    return {"others": refused, "peeped": peeped, "sequence of": owner, "left": len(left)}


with connector.connect(connection_name="nunatak") as admin:
    prepare(admin)
    login = {"user": "EVE", "password": PASSWORD, "role": None}
    with connector.connect(
        connection_name="nunatak", **login, database="SHARED", schema="S"
    ) as eve:
        found = {**reading(admin, eve), **writing(admin, eve), **owning(admin, eve)}
        found |= changing(admin, eve)
    for statement in ("DROP DATABASE SHARED", "DROP USER EVE", "DROP ROLE READER"):
        admin.cursor().execute(statement)
    admin.cursor().execute("DROP ROLE WRITER")
print(json.dumps(found))
