"""LOGIN_HISTORY, QUERY_HISTORY and ACCOUNT_USAGE: what is recorded, shown to whom it may be."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from nunatak.audit.events import Login, StatementEnded
from nunatak.errors import InvalidArgument, NunatakError, ObjectNotFound, PrivilegeMissing
from nunatak.sql.frontend import FrontEnd
from support.front_end import ANALYST, Front

LOGINS = "SELECT USER_NAME, IS_SUCCESS FROM TABLE(INFORMATION_SCHEMA.LOGIN_HISTORY({}))"
QUERIES = "SELECT QUERY_ID, USER_NAME FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY{})"
VIEWS = ("LOGIN_HISTORY", "QUERY_HISTORY", "ACCESS_HISTORY", "GRANTS_TO_ROLES", "GRANTS_TO_USERS")
_IDS = itertools.count()


def login(front: Front, user: str, *, ago_s: float = 0.0, error: Any = None) -> None:
    parts = front.parts
    parts.audit.record(
        Login(
            time=parts.access.clock() - ago_s,
            user=user,
            address="10.0.0.1",
            factor="PASSWORD",
            client={"CLIENT_APP_ID": "PythonConnector", "CLIENT_APP_VERSION": "4.0"},
            error=error,
        )
    )


def statement(front: Front, user: str, **fields: Any) -> str:
    parts, query_id = front.parts, f"q{next(_IDS)}"
    now = parts.access.clock()
    given = {
        "session_id": 7,
        "role": "R",
        "warehouse": None,
        "database": "DB",
        "schema": "S",
        "text": "SELECT 1",
        "started_on": now - 2.0,
        "ended_on": now,
        "status": "SUCCESS",
        **fields,
    }
    parts.audit.record(StatementEnded(id=query_id, user=user, **given))
    return query_id


@pytest.fixture
def used(front: Front) -> Front:
    """A front whose session has a database, and acts with a role that holds nothing."""
    front.session.database = "DB"
    front.parts.access.roles.grant(ANALYST, grantee_kind="USER", grantee="ADA", by="")
    front.session.role = ANALYST
    return front


def ids(front: Front, call: str = "()") -> set[str]:
    return {row["QUERY_ID"] for row in front.rows(QUERIES.format(call))}


def grant(front: Front, text: str) -> None:
    front.session.role = "ACCOUNTADMIN"
    front.rows(text)
    front.session.role = ANALYST


def test_logins_of_others_are_for_those_who_monitor_security(used: Front) -> None:
    login(used, "ADA")
    login(used, "BOB", error=("390100", "Incorrect username or password was specified."))
    assert [row["USER_NAME"] for row in used.rows(LOGINS.format(""))] == ["ADA"]
    assert (
        used.rows(LOGINS.format("").replace("HISTORY(", "HISTORY_BY_USER(USER_NAME => 'BOB'")) == []
    )
    grant(used, f"GRANT MONITOR SECURITY ON ACCOUNT TO ROLE {ANALYST}")
    assert used.rows(LOGINS.format("")) == [
        {"USER_NAME": "BOB", "IS_SUCCESS": "NO"},
        {"USER_NAME": "ADA", "IS_SUCCESS": "YES"},
    ]
    (row,) = used.rows(
        "SELECT * FROM TABLE(DB.INFORMATION_SCHEMA.LOGIN_HISTORY_BY_USER(USER_NAME => 'bob'))"
    )
    assert (row["CLIENT_IP"], row["ERROR_CODE"]) == ("10.0.0.1", 390100)
    assert row["ERROR_MESSAGE"] == "INCORRECT_USERNAME_PASSWORD"


@pytest.mark.parametrize("privilege", ["MONITOR", "OPERATE"])
def test_statements_of_others_are_for_those_who_watch_their_warehouse(
    used: Front, privilege: str
) -> None:
    own = statement(used, "ADA", warehouse="ELSEWHERE")
    theirs = statement(used, "BOB", warehouse="WH")
    statement(used, "BOB", warehouse="ELSEWHERE")
    statement(used, "BOB")
    assert ids(used) == {own}
    grant(used, f"GRANT {privilege} ON WAREHOUSE WH TO ROLE {ANALYST}")
    assert ids(used) == {own, theirs}


def test_who_monitors_usage_sees_all_statements(used: Front) -> None:
    made = {statement(used, user) for user in ("ADA", "BOB")}
    grant(used, f"GRANT MONITOR USAGE ON ACCOUNT TO ROLE {ANALYST}")
    assert ids(used) == made


def test_statements_of_an_earlier_user_of_that_name_are_not_ones_own(used: Front) -> None:
    statement(used, "ADA")
    used.session.user_since = used.parts.access.clock() + 60
    assert ids(used) == set()


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        ("_BY_SESSION()", {0, 1, 3}),
        ("_BY_SESSION(SESSION_ID => 8)", {2}),
        ("_BY_USER(USER_NAME => 'BOB')", {1}),
        ("_BY_USER(USER_NAME => CURRENT_USER())", {0, 2, 3}),
        ("_BY_WAREHOUSE(WAREHOUSE_NAME => 'WH')", {3}),
        ("(RESULT_LIMIT => 2)", {2, 3}),
        ("(END_TIME_RANGE_START => DATEADD('minute', -1, CURRENT_TIMESTAMP()))", {0, 1, 2, 3}),
        ("(END_TIME_RANGE_END => DATEADD('minute', -1, CURRENT_TIMESTAMP()))", set()),
        ("(END_TIME_RANGE_START => DATEADD('minute', 1, CURRENT_TIMESTAMP()))", set()),
    ],
)
def test_each_function_answers_its_dimension(front: Front, call: str, seen: set[int]) -> None:
    front.session.database = "DB"
    made = [
        statement(front, "ADA"),
        statement(front, "BOB"),
        statement(front, "ADA", session_id=8),
        statement(front, "ADA", warehouse="WH"),
    ]
    assert ids(front, call) == {made[number] for number in seen}


@pytest.mark.parametrize(
    "call",
    [
        "(RESULT_LIMIT => 0)",
        "(RESULT_LIMIT => 10001)",
        "(RESULT_LIMIT => 'x')",
        "(NOSUCH => 1)",
        "(1)",
        "(END_TIME_RANGE_START => DATEADD('day', -8, CURRENT_TIMESTAMP()))",
        "_BY_USER(WAREHOUSE_NAME => 'WH')",
    ],
)
def test_wrong_arguments_are_refused(used: Front, call: str) -> None:
    with pytest.raises(InvalidArgument):
        ids(used, call)


def test_what_is_older_than_a_week_is_not_shown_by_functions(front: Front) -> None:
    front.session.database = "DB"
    login(front, "ADA", ago_s=8 * 86_400)
    assert front.rows(LOGINS.format("")) == []
    assert len(front.rows("SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY")) == 1


def test_a_row_tells_when_and_how_it_ended(front: Front) -> None:
    front.session.database = "DB"
    error = ("002003", "Object 'X' does not exist")
    statement(
        front, "ADA", text="-- a\nWITH A AS (SELECT 1) X", status="FAILED_WITH_ERROR", error=error
    )
    (row,) = front.rows("SELECT * FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY())")
    assert row["QUERY_TYPE"] == "SELECT"
    assert (row["EXECUTION_STATUS"], row["ERROR_CODE"]) == ("FAILED_WITH_ERROR", "002003")
    assert row["END_TIME"] - row["START_TIME"] == dt.timedelta(seconds=2)
    assert row["TOTAL_ELAPSED_TIME"] == 2000
    (row,) = front.rows("SELECT EXECUTION_STATUS E FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY")
    assert row["E"] == "FAIL"


@pytest.mark.parametrize("view", VIEWS)
def test_views_of_the_account_are_for_those_who_monitor_it(used: Front, view: str) -> None:
    text = f"SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.{view}"
    with pytest.raises(PrivilegeMissing, match="MONITOR"):
        used.rows(text)
    for privilege in ("MONITOR SECURITY", "MONITOR USAGE"):
        grant(used, f"GRANT {privilege} ON ACCOUNT TO ROLE {ANALYST}")
    used.rows(text)


def test_there_are_no_other_views(front: Front) -> None:
    with pytest.raises(ObjectNotFound):
        front.rows("SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.NOSUCH")
    with pytest.raises(NunatakError):
        front.rows("SELECT * FROM SNOWFLAKE.OTHER.LOGIN_HISTORY")


def test_access_history_tells_what_was_read_and_what_was_changed(front: Front) -> None:
    used = (("SELECT", "TABLE", "DB.S.A"), ("INSERT", "TABLE", "DB.S.B"), ("USAGE", "ROLE", "R"))
    statement(front, "ADA", accessed=used)
    statement(front, "ADA", accessed=used, status="FAILED_WITH_ERROR")
    statement(front, "ADA")
    (row,) = front.rows(
        "SELECT DIRECT_OBJECTS_ACCESSED[0]:objectName::TEXT R, OBJECTS_MODIFIED[0]:objectName::TEXT"
        " W, ARRAY_SIZE(DIRECT_OBJECTS_ACCESSED) N FROM SNOWFLAKE.ACCOUNT_USAGE.ACCESS_HISTORY"
    )
    assert row == {"R": "DB.S.A", "W": "DB.S.B", "N": 1}


def test_grants_are_listed(front: Front) -> None:
    front.rows(f"GRANT USAGE ON WAREHOUSE WH TO ROLE {ANALYST}")
    rows = front.rows(
        "SELECT PRIVILEGE, GRANTED_ON, NAME FROM SNOWFLAKE.ACCOUNT_USAGE.GRANTS_TO_ROLES"
        f" WHERE GRANTEE_NAME = '{ANALYST}'"
    )
    assert rows == [{"PRIVILEGE": "USAGE", "GRANTED_ON": "WAREHOUSE", "NAME": "WH"}]
    rows = front.rows("SELECT ROLE, GRANTEE_NAME FROM SNOWFLAKE.ACCOUNT_USAGE.GRANTS_TO_USERS")
    assert {"ROLE": "ACCOUNTADMIN", "GRANTEE_NAME": "ADA"} in rows


def test_a_statement_notes_what_it_used(front: Front) -> None:
    request = front.request("DROP WAREHOUSE WH")
    FrontEnd(front.injector).execute(request)
    assert request.accessed.entries() == (("OWNERSHIP", "WAREHOUSE", "WH"),)
