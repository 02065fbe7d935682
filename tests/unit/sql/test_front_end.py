"""Statements from text to answer: contexts, databases, users, grants, stages, flows."""

from __future__ import annotations

import pytest

from nunatak.errors import (
    InvalidArgument,
    ObjectExists,
    ObjectNotFound,
    PrivilegeMissing,
    RoleNotHeld,
    SyntaxInvalid,
    Unsupported,
)
from nunatak.protocol.queries import QueryStatus
from nunatak.sql.language.family.table import DONE
from nunatak.warehouse.core.results import Transfer
from support.front_end import ANALYST, Front


def test_creating_a_database_moves_the_session_there(front: Front) -> None:
    assert front.value("CREATE DATABASE other") == "Database OTHER successfully created."
    assert (front.session.database, front.session.schema) == ("OTHER", "PUBLIC")
    assert front.names("SHOW DATABASES") == ["DB", "OTHER"]
    assert front.names("SHOW SCHEMAS IN DATABASE other") == ["INFORMATION_SCHEMA", "PUBLIC"]


def test_a_database_of_that_name_is_refused_kept_or_replaced(front: Front) -> None:
    front.rows("CREATE TABLE t (a INT)")
    with pytest.raises(ObjectExists):
        front.rows("CREATE DATABASE db")
    assert "already exists" in front.value("CREATE DATABASE IF NOT EXISTS db")
    assert front.rows("SELECT * FROM db.public.t") == []
    front.rows("CREATE OR REPLACE DATABASE db")
    with pytest.raises(ObjectNotFound):
        front.rows("SELECT * FROM db.public.t")


def test_dropping_a_schema_takes_its_tables_and_objects_along(front: Front) -> None:
    front.rows("CREATE SCHEMA s")
    front.rows("CREATE TABLE t AS SELECT 1 AS a")
    front.rows("CREATE STAGE stg")
    assert front.value("DROP SCHEMA s") == "S successfully dropped."
    assert front.session.schema is None
    front.rows("CREATE SCHEMA s")
    assert front.names("SHOW STAGES") == []
    with pytest.raises(ObjectNotFound):
        front.rows("SELECT * FROM t")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("USE DATABASE db", ("DB", "PUBLIC")),
        ("USE SCHEMA db.s", ("DB", "S")),
        ("USE s", ("DB", "S")),
        ("USE db.s", ("DB", "S")),
    ],
)
def test_use_points_the_session(front: Front, text: str, expected: tuple[str, str]) -> None:
    front.rows("CREATE SCHEMA db.s")
    front.session.schema = "PUBLIC"
    if text == "USE s":
        with pytest.raises(ObjectNotFound):
            front.rows(text)
        return
    front.rows(text)
    assert (front.session.database, front.session.schema) == expected


def test_a_role_that_the_user_does_not_hold_cannot_be_used(front: Front) -> None:
    with pytest.raises(ObjectNotFound, match="Role 'NOPE'"):
        front.rows("USE ROLE nope")
    with pytest.raises(RoleNotHeld, match="Requested role 'ANALYST' is not assigned"):
        front.rows("USE ROLE analyst")
    front.rows("GRANT ROLE analyst TO USER ada")
    front.rows("USE ROLE analyst")
    assert front.session.role == ANALYST


def test_a_refusal_names_the_privilege_and_a_grant_lifts_it(front: Front) -> None:
    front.rows("CREATE ROLE r")
    front.rows("GRANT ROLE analyst TO USER ada")
    front.session.role = ANALYST
    with pytest.raises(PrivilegeMissing, match="CREATE STAGE"):
        front.rows("CREATE STAGE stg")
    front.session.role = "ACCOUNTADMIN"
    front.rows("GRANT CREATE STAGE ON SCHEMA db.public TO ROLE analyst")
    assert ("CREATE STAGE", "ANALYST") in [
        (row["privilege"], row["grantee_name"])
        for row in front.rows("SHOW GRANTS ON SCHEMA db.public")
    ]
    front.session.role = ANALYST
    front.rows("CREATE STAGE stg")
    assert front.rows("SHOW STAGES")[0]["owner"] == ANALYST
    front.session.role = "ACCOUNTADMIN"
    front.rows("REVOKE CREATE STAGE ON SCHEMA db.public FROM ROLE analyst")
    front.session.role = ANALYST
    with pytest.raises(PrivilegeMissing):
        front.rows("CREATE STAGE stg2")


def test_users_are_made_changed_shown_and_dropped(front: Front) -> None:
    front.rows("CREATE USER bob PASSWORD = 'long enough 1' DEFAULT_ROLE = analyst")
    assert front.names("SHOW USERS LIKE 'b%'") == ["BOB"]
    front.rows("ALTER USER bob SET COMMENT = 'x', DISABLED = TRUE")
    shown = {row["property"]: row["value"] for row in front.rows("DESCRIBE USER bob")}
    assert (shown["COMMENT"], shown["DISABLED"], shown["PASSWORD"]) == ("x", "true", "********")
    front.rows("DROP USER bob")
    with pytest.raises(ObjectNotFound):
        front.rows("DESCRIBE USER bob")


def test_an_access_token_shows_its_secret_once(front: Front) -> None:
    made = front.rows("ALTER USER ada ADD PROGRAMMATIC ACCESS TOKEN t DAYS_TO_EXPIRY = 1")[0]
    listed = front.rows("SHOW USER PROGRAMMATIC ACCESS TOKENS FOR USER ada")
    assert [(row["name"], row["status"]) for row in listed] == [("T", "ACTIVE")]
    assert made["token_secret"] not in str(listed)
    assert front.parts.access.authenticator.bearer(made["token_secret"]).user == "ADA"
    front.rows("ALTER USER ada REMOVE PROGRAMMATIC ACCESS TOKEN t")
    assert front.rows("SHOW USER PROGRAMMATIC ACCESS TOKENS") == []


def test_tokens_of_whom_nobody_knows_are_passed_over_with_if_exists_only(front: Front) -> None:
    assert front.rows("ALTER USER IF EXISTS absent ADD PAT t") == []
    assert front.value("ALTER USER IF EXISTS absent REMOVE PAT t") == DONE
    for change in ("ADD PAT t", "REMOVE PAT t"):
        with pytest.raises(ObjectNotFound):
            front.rows(f"ALTER USER absent {change}")


@pytest.mark.parametrize("exists", ["", "IF EXISTS "])
def test_without_a_name_the_tokens_are_ones_own(front: Front, exists: str) -> None:
    (made,) = front.rows(f"ALTER USER {exists}ADD PAT t")
    assert front.parts.access.authenticator.bearer(made["token_secret"]).user == "ADA"
    told = front.value(f"ALTER USER {exists}REMOVE PROGRAMMATIC ACCESS TOKEN t")
    assert told == "Programmatic access token T successfully removed."


def test_session_parameters_are_set_together_or_not_at_all(front: Front) -> None:
    with pytest.raises(InvalidArgument):
        front.rows("ALTER SESSION SET TIMEZONE = 'UTC', NO_SUCH_PARAMETER = 1")
    assert "TIMEZONE" not in front.session.parameters
    front.rows("ALTER SESSION SET TIMEZONE = 'UTC'")
    row = front.rows("SHOW PARAMETERS LIKE 'TIMEZONE' IN SESSION")[0]
    assert (row["value"], row["level"]) == ("UTC", "SESSION")
    front.rows("ALTER SESSION UNSET TIMEZONE")
    assert front.rows("SHOW PARAMETERS LIKE 'TIMEZONE'")[0]["level"] == ""


def test_a_flow_hands_rows_to_the_next_statement(front: Front) -> None:
    named = 'SHOW DATABASES ->> SELECT "name" AS n FROM $1 WHERE "name" LIKE \'D%\''
    text = f"{named} ->> SELECT n FROM $1"
    assert front.rows(text) == [{"N": "DB"}]
    assert [field.name for field in front.describe(text)] == ["N"]


def test_a_temporary_stage_shadows_and_ends_with_its_session(front: Front) -> None:
    front.rows("CREATE STAGE stg")
    front.rows("CREATE TEMPORARY STAGE stg")
    transfer = front.run("PUT 'file:///tmp/x/a.csv' @stg/in AUTO_COMPRESS = FALSE")
    assert isinstance(transfer, Transfer)
    permanent = front.run("PUT 'file:///tmp/x/a.csv' @~/in")
    assert isinstance(permanent, Transfer)
    assert transfer.keys != permanent.keys
    front.rows("DROP STAGE stg")
    assert front.names("SHOW STAGES") == ["STG"]


def test_files_are_listed_fetched_and_removed(front: Front) -> None:
    front.rows("CREATE STAGE stg")
    put = front.run("PUT file:///tmp/a.csv @stg/in/ AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
    assert isinstance(put, Transfer)
    assert put.overwrite
    stage_id = put.keys[0].split("/")[1]
    folder = front.parts.settings.folder("stages") / stage_id / "in"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("1,2\n")
    (folder / "b.txt").write_text("x")
    listed = front.rows("LIST @stg PATTERN = '.*[.]csv'")
    assert [(row["name"], row["size"]) for row in listed] == [("stg/in/a.csv", 4)]
    got = front.run("GET @stg/in/a.csv file:///tmp/out/")
    assert isinstance(got, Transfer)
    assert got.keys == (f"stages/{stage_id}/in/a.csv",)
    assert front.rows("SELECT $1::INT AS A FROM @stg/in/a.csv") == [{"A": 1}]
    assert front.rows("REMOVE @stg/in/a.csv") == [{"name": "stg/in/a.csv", "result": "removed"}]
    assert [row["name"] for row in front.rows("LS @stg")] == ["stg/in/b.txt"]


@pytest.mark.parametrize("location", ["@stg/../x", "@stg/in/../../x", "@~/../../etc"])
def test_a_location_never_leads_out_of_its_stage(front: Front, location: str) -> None:
    front.rows("CREATE STAGE stg")
    with pytest.raises(InvalidArgument, match="leads out"):
        front.rows(f"LIST '{location}'")


def test_statements_are_cancelled_by_id_and_by_session(front: Front) -> None:
    first, second, other = (front.running(name) for name in ("first", "second", "other"))
    assert front.value("SELECT SYSTEM$CANCEL_QUERY('first')") == "query [first] terminated."
    assert (first.cancelled.is_set(), second.cancelled.is_set()) == (True, False)
    front.queries.end(second, QueryStatus.ABORTED, now=1.0)
    assert "not currently executing" in front.value("CALL SYSTEM$CANCEL_QUERY(?)", "second")
    assert front.value("select system$cancel_all_queries(7)") == "2 cancelled."
    assert other.cancelled.is_set()


def test_describing_runs_nothing(front: Front) -> None:
    assert [field.name for field in front.describe("CREATE STAGE stg")] == ["status"]
    assert [field.name for field in front.describe("SELECT 1 AS a, 'x' AS b")] == ["A", "B"]
    assert front.names("SHOW STAGES") == []


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", SyntaxInvalid, "Empty"),
        ("  ;  ", SyntaxInvalid, "Empty"),
        ("CREATE DATABASE", SyntaxInvalid, "expected a name"),
        ("DROP WAREHOUSE wh nonsense", SyntaxInvalid, "unexpected 'nonsense'"),
        ("ALTER WAREHOUSE wh UNSET nonsense", SyntaxInvalid, "expected one of"),
        ("CALL no_such_procedure()", Unsupported, "NO_SUCH_PROCEDURE"),
        ("SELECT SYSTEM$NO_SUCH()", Unsupported, "SYSTEM$NO_SUCH"),
        ("CREATE TASK t AS SELECT 1", Unsupported, "TASK"),
        ("CREATE PIPE p AS COPY INTO t FROM @s", Unsupported, "PIPE"),
    ],
)
def test_what_cannot_run_is_answered_at_once(
    front: Front, text: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as raised:
        front.rows(text)
    assert says in str(raised.value)


def test_privileges_are_granted_on_all_objects_that_are_there(front: Front) -> None:
    front.rows("CREATE STAGE one")
    front.rows("CREATE STAGE two")
    front.rows("GRANT READ ON ALL STAGES IN SCHEMA db.public TO ROLE analyst")
    granted = [row["name"] for row in front.rows("SHOW GRANTS TO ROLE analyst")]
    assert {"DB.PUBLIC.ONE", "DB.PUBLIC.TWO"} <= set(granted)
    front.rows("REVOKE READ ON ALL STAGES IN DATABASE db FROM ROLE analyst")
    granted = [row["name"] for row in front.rows("SHOW GRANTS TO ROLE analyst")]
    assert not {"DB.PUBLIC.ONE", "DB.PUBLIC.TWO"} & set(granted)
    with pytest.raises(ObjectNotFound):
        front.rows("GRANT READ ON STAGE three TO ROLE analyst")
    front.rows("GRANT READ ON FUTURE STAGES IN SCHEMA db.public TO ROLE analyst")
    front.rows("CREATE STAGE three")
    granted = [row["name"] for row in front.rows("SHOW GRANTS TO ROLE analyst")]
    assert "DB.PUBLIC.THREE" in granted
