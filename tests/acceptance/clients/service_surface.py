"""Pools and services as their owner and an operator see them: every statement around one service.

    service_surface.py <database>

Prints a JSON object of what was seen. Annotations are evaluated here: the registry looks at those
of the model.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import pandas as pd
from snowflake import connector
from snowflake.connector.connection import SnowflakeConnection
from snowflake.ml.model import custom_model
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

DATABASE = sys.argv[1]
POOL = f"{DATABASE}_POOL"
PASSWORD = "a-long-Password-1"
REQUEST_ID = "surface-request-1"
ROWS = "nunatak_inference_rows_total"
GIVEN_ROWS = 4
"""That the calls before `observed` gave the model and were answered."""
METRICS_S = 30.0


class Talking(custom_model.CustomModel):
    """Adds two numbers, prints that it does, and fails for a negative one."""

    @custom_model.inference_api
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The sums."""
        print("adding", len(frame), "rows")
        if (frame["A"] < 0).any():
            raise ValueError("negative")
        return pd.DataFrame({"TOTAL": frame["A"] + frame["B"]})


def rows(connection: SnowflakeConnection, statement: str) -> list[dict[str, Any]]:
    """The rows of a statement by column name."""
    cursor = connection.cursor(connector.DictCursor)
    return [dict(row) for row in cursor.execute(statement).fetchall()]


def refusal(connection: SnowflakeConnection, statement: str) -> str:
    """The text of a statement's error; empty for one that succeeds."""
    try:
        connection.cursor().execute(statement)
    except connector.errors.ProgrammingError as error:
        return str(error.msg)
    return ""


def fetch(path: str, token: str | None) -> tuple[int, str]:
    """GET from the server; answers the status and the text."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(os.environ["NUNATAK_ADDRESS"] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def post(url: str, token: str, body: Any, *, request_id: str) -> str:
    """Call an endpoint; answers the request id that came back."""
    request = urllib.request.Request(
        f"http://{url}/predict",
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f'Snowflake Token="{token}"',
            "X-Request-Id": request_id,
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
        return str(answer.headers["X-Request-Id"])


def pools(admin: SnowflakeConnection) -> dict[str, Any]:
    """Pools: all properties, tags, refusals."""
    tag = f"{DATABASE}.ML.TEAM"
    admin.cursor().execute(f"CREATE TAG {tag}")
    spare = f"{DATABASE}_SPARE"
    admin.cursor().execute(
        f"CREATE COMPUTE POOL {spare} MIN_NODES = 1 MAX_NODES = 2 INSTANCE_FAMILY = CPU_X64_XS "
        f"INITIALLY_SUSPENDED = TRUE AUTO_SUSPEND_SECS = 60 WITH TAG ({tag} = 'a') COMMENT = 'c' "
        "PLACEMENT_GROUP = 'DISTRIBUTED' BACKUP_INSTANCE_FAMILIES = ('CPU_X64_S')"
    )
    found: dict[str, Any] = {"created": rows(admin, f"DESC COMPUTE POOL {spare}")[0]}
    get_tag = f"SELECT SYSTEM$GET_TAG('{tag}', '{spare}', 'COMPUTE POOL') AS T"
    found["tag"] = rows(admin, get_tag)[0]["T"]
    admin.cursor().execute(f"ALTER COMPUTE POOL {spare} UNSET TAG {tag}")
    found["no tag"] = rows(admin, get_tag)[0]["T"]
    admin.cursor().execute(
        f"ALTER COMPUTE POOL {spare} SET MAX_NODES = 3 AUTO_RESUME = FALSE COMMENT = 'd' "
        "INSTANCE_FAMILY = CPU_X64_S BACKUP_INSTANCE_FAMILIES = ('CPU_X64_M')"
    )
    admin.cursor().execute(f"ALTER COMPUTE POOL {spare} UNSET AUTO_SUSPEND_SECS, PLACEMENT_GROUP")
    found["altered"] = rows(admin, f"SHOW COMPUTE POOLS LIKE '{spare}'")[0]
    found["quoted"] = refusal(
        admin,
        'CREATE COMPUTE POOL "no such" MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S',
    )
    found["family"] = rows(admin, "SHOW COMPUTE POOL INSTANCE FAMILIES LIKE 'GPU_NV_S'")[0]
    admin.cursor().execute(f"DROP COMPUTE POOL {spare}")
    return found


def shown(admin: SnowflakeConnection) -> dict[str, Any]:
    """What SHOW and DESCRIBE say of the service, its pool, and what uses them."""
    found: dict[str, Any] = {
        "roles": [row["name"] for row in rows(admin, "SHOW ROLES IN SERVICE SVC")],
        "nodes": [row["state"] for row in rows(admin, f"SHOW NODES IN COMPUTE POOL {POOL}")],
        "pool": rows(admin, f"DESC COMPUTE POOL {POOL}")[0],
        "service": rows(admin, "DESC SERVICE SVC")[0],
        "containers": rows(admin, "SHOW SERVICE CONTAINERS IN SERVICE SVC"),
        "images": rows(
            admin,
            f"SELECT SYSTEM$REGISTRY_LIST_IMAGES('/{DATABASE.lower()}/ml/repo') AS I",
        )[0]["I"],
        "jobs": len(rows(admin, f"SHOW JOB SERVICES IN COMPUTE POOL {POOL}")),
        "serving": [row["name"] for row in rows(admin, "SHOW SERVICES OF TYPE MODEL_SERVING")],
        "without jobs": [row["name"] for row in rows(admin, "SHOW SERVICES EXCLUDE JOBS")],
    }
    status = rows(admin, "SELECT SYSTEM$GET_SERVICE_STATUS('SVC') AS S")[0]["S"]
    found["status"] = [item["status"] for item in json.loads(status)]
    found["refused"] = [
        refusal(admin, statement)
        for statement in (
            f"DROP COMPUTE POOL {POOL}",
            "DROP MODEL M",
            "ALTER SERVICE SVC FROM SPECIFICATION $$spec: {}$$",
            "ALTER SERVICE SVC RESTORE VOLUME v INSTANCES 0 FROM SNAPSHOT s",
            "GRANT OWNERSHIP ON SERVICE SVC TO ROLE SYSADMIN",
            "SELECT SYSTEM$GET_SERVICE_LOGS('SVC', 0, 'model-inference', 100000)",
            "SELECT SYSTEM$CANCEL_JOB('SVC')",
            "GRANT SERVICE ROLE SVC!NO_SUCH_ROLE TO ROLE PUBLIC",
            "GRANT SERVICE ROLE NOPE!ALL_ENDPOINTS_USAGE TO ROLE PUBLIC",
            "DESCRIBE PROCEDURE P (FLOAT)",
            f"EXECUTE JOB SERVICE IN COMPUTE POOL {POOL} FROM SPECIFICATION $$spec: {{}}$$",
        )
    ]
    return found


def functions(admin: SnowflakeConnection) -> dict[str, Any]:
    """Functions of one's own: NULL arguments, failed batches, what DESCRIBE says."""
    for name, clauses in (("PLAIN", ""), ("CAREFUL", "STRICT IMMUTABLE")):
        admin.cursor().execute(
            f"CREATE FUNCTION {name} (a FLOAT, b FLOAT) RETURNS OBJECT {clauses} SERVICE = SVC "
            "ENDPOINT = inference CONTEXT_HEADERS = (current_user) MAX_BATCH_ROWS = 10 "
            "MAX_BATCH_RETRIES = 1 ON_BATCH_FAILURE = RETURN_NULL BATCH_TIMEOUT_SECS = 60 "
            "AS '/predict'"
        )
    cursor = admin.cursor().execute(
        "SELECT PLAIN(1, 2), CAREFUL(COLUMN1, 2) IS NULL FROM VALUES (1), (NULL)"
    )
    found: dict[str, Any] = {
        "columns": [column.name for column in cursor.description],
        "nulls": sorted(bool(row[1]) for row in cursor.fetchall()),
    }
    found["failed"] = rows(admin, "SELECT PLAIN(-1, 2) AS F")[0]["F"]
    found["failed alone"] = refusal(admin, "SELECT SVC!PREDICT(-1, 2)")
    described = rows(admin, "DESCRIBE FUNCTION CAREFUL (FLOAT, FLOAT)")
    found["described"] = {row["property"]: row["value"] for row in described}
    return found


def observed(admin: SnowflakeConnection, token: str) -> dict[str, Any]:
    """Logs, events and metrics, in SQL and as Prometheus text."""
    url = rows(admin, "SHOW ENDPOINTS IN SERVICE SVC")[0]["ingress_url"]
    found: dict[str, Any] = {
        "request id": post(url, token, {"data": [[0, 1, 2]]}, request_id=REQUEST_ID)
    }
    found["log"] = [
        row["LOG"]
        for row in rows(
            admin,
            "SELECT LOG FROM TABLE(SVC!SPCS_GET_LOGS()) "
            f"WHERE CONTAINER_NAME = 'model-inference' AND LOG LIKE '%{REQUEST_ID}%'",
        )
    ]
    found["events"] = rows(
        admin,
        "SELECT EVENT_NAME AS N, EVENT_DETAILS:status::STRING AS S, INSTANCE_ID AS I "
        "FROM TABLE(SVC!SPCS_GET_EVENTS(START_TIME => DATEADD('hour', -1, CURRENT_TIMESTAMP()))) "
        "ORDER BY TIMESTAMP",
    )
    found["earlier events"] = rows(
        admin,
        "SELECT COUNT(*) AS N FROM TABLE(SVC!SPCS_GET_EVENTS("
        "END_TIME => DATEADD('hour', -1, CURRENT_TIMESTAMP())))",
    )[0]["N"]
    found["metrics"] = metrics(admin)
    found["page"] = fetch("/metrics", token)
    found["no token"] = fetch("/metrics", None)[0]
    return found


def metrics(admin: SnowflakeConnection) -> list[dict[str, Any]]:
    """What the instance counts, once all rows that it was given are counted: the values may be a
    second old."""
    deadline = time.monotonic() + METRICS_S
    while True:
        found = rows(
            admin,
            "SELECT METRIC_NAME AS N, VALUE::FLOAT AS V, UNIT AS U, INSTANCE_ID AS I "
            "FROM TABLE(SVC!SPCS_GET_METRICS()) WHERE METRIC_NAME LIKE 'container.%' "
            f"OR METRIC_NAME = '{ROWS}' ORDER BY N, I",
        )
        counted = {item["I"]: item["V"] for item in found if item["N"] == ROWS}
        if counted.get(None) == GIVEN_ROWS or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def watcher(admin: SnowflakeConnection) -> dict[str, Any]:
    """What a role that may only watch the service, or nothing, can see and do."""
    user, role = f"{DATABASE}_EVE", f"{DATABASE}_WATCHER"
    for statement in (
        f"CREATE ROLE {role}",
        f"CREATE USER {user} PASSWORD = '{PASSWORD}' DEFAULT_ROLE = {role}",
        f"GRANT ROLE {role} TO USER {user}",
        f"GRANT USAGE ON DATABASE {DATABASE} TO ROLE {role}",
        f"GRANT USAGE ON SCHEMA {DATABASE}.ML TO ROLE {role}",
    ):
        admin.cursor().execute(statement)
    eve = connector.connect(
        connection_name="nunatak",
        user=user,
        password=PASSWORD,
        role=role,
        database=DATABASE,
        schema="ML",
        client_session_keep_alive=False,
    )
    watching = (
        "SELECT COUNT(*) FROM TABLE(SVC!SPCS_GET_LOGS())",
        "SHOW SERVICE INSTANCES IN SERVICE SVC",
        f"SHOW NODES IN COMPUTE POOL {POOL}",
    )
    changing = (
        "ALTER SERVICE SVC SUSPEND",
        "ALTER SERVICE SVC SET MAX_INSTANCES = 2",
        f"ALTER COMPUTE POOL {POOL} SUSPEND",
        f"ALTER COMPUTE POOL {POOL} SET MAX_NODES = 2",
        "DROP SERVICE SVC",
    )
    token = str(eve.rest.token)
    found: dict[str, Any] = {"before": [refusal(eve, statement) for statement in watching]}
    found["page before"] = fetch("/metrics", token)[1]
    admin.cursor().execute(f"GRANT MONITOR ON ALL SERVICES IN SCHEMA {DATABASE}.ML TO ROLE {role}")
    admin.cursor().execute(f"GRANT MONITOR ON COMPUTE POOL {POOL} TO ROLE {role}")
    found["after"] = [refusal(eve, statement) for statement in watching]
    found["page after"] = ROWS in fetch("/metrics", token)[1]
    found["changes"] = [refusal(eve, statement) for statement in changing]
    eve.close()
    return found


def suspended(admin: SnowflakeConnection) -> dict[str, Any]:
    """Asleep: who did it is told, and what was counted is not forgotten."""
    admin.cursor().execute("ALTER SERVICE SVC SUSPEND")
    found: dict[str, Any] = {
        "status": rows(admin, "CALL SVC!SPCS_WAIT_FOR('SUSPENDED', 60)")[0]["SPCS_WAIT_FOR"],
        "message": rows(admin, "DESC SERVICE SVC")[0]["message"],
    }
    found["total"] = rows(
        admin,
        "SELECT VALUE::FLOAT AS V FROM TABLE(SVC!SPCS_GET_METRICS()) "
        f"WHERE METRIC_NAME = '{ROWS}' AND INSTANCE_ID IS NULL",
    )[0]["V"]
    return found


def main() -> None:
    """Deploy one model, look at it from all sides, and remove everything."""
    session = Session.builder.config("connection_name", "nunatak").create()
    admin = session.connection
    for statement in (
        f"CREATE OR REPLACE DATABASE {DATABASE}",
        f"CREATE SCHEMA {DATABASE}.ML",
        f"USE SCHEMA {DATABASE}.ML",
        f"CREATE COMPUTE POOL {POOL} MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S",
        f"CREATE IMAGE REPOSITORY {DATABASE}.ML.REPO",
    ):
        admin.cursor().execute(statement)
    registry = Registry(session, database_name=DATABASE, schema_name="ML")
    version = registry.log_model(
        Talking(custom_model.ModelContext()),
        model_name="M",
        version_name="V1",
        sample_input_data=pd.DataFrame({"A": [1.0], "B": [2.0]}),
        target_platforms=["SNOWPARK_CONTAINER_SERVICES"],
    )
    version.create_service(
        service_name="SVC",
        service_compute_pool=POOL,
        image_repo=f"{DATABASE}.ML.REPO",
        ingress_enabled=True,
        min_instances=1,
        max_instances=1,
        num_workers=1,
    )
    found: dict[str, Any] = {"pools": pools(admin), "shown": shown(admin)}
    found["functions"] = functions(admin)
    found["observed"] = observed(admin, str(admin.rest.token))
    found["watcher"] = watcher(admin)
    found["suspended"] = suspended(admin)
    admin.cursor().execute(f"ALTER COMPUTE POOL {POOL} STOP ALL OF TYPE MODEL_SERVING")
    found["stopped"] = rows(admin, "SHOW SERVICES EXCLUDE JOBS")
    admin.cursor().execute(f"DROP DATABASE {DATABASE}")
    session.close()
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
