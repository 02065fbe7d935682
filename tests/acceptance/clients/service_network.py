"""What a running service reaches and holds: rules, integrations and secrets, seen by its model.

    service_network.py set-up <host:port allowed> <host:port not allowed>
    service_network.py go-on <host:port allowed> <host:port allowed now>

Prints a JSON object of what was seen. The model does what its input says, one word after the other.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import yaml
from snowflake.ml.model import custom_model
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

STAGE, FIRST, SECOND = sys.argv[1:]
SERVICE = "NET.S.MINE"
WAIT_S = 60.0
found: dict[str, Any] = {}
session = Session.builder.config("connection_name", "nunatak").create()


class Agent(custom_model.CustomModel):
    """Fetches, reads and tells, whatever its input says."""

    @custom_model.inference_api
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One answer for each input: `fetch <address>`, `variable <name>` or `file <path>`."""
        import os
        import urllib.request

        def act(text: str) -> str:
            verb, _, rest = text.partition(" ")
            try:
                if verb == "variable":
                    return os.environ.get(rest, "unset")
                if verb == "file":
                    with open(rest) as file:
                        return file.read()
                for name in ("NO_PROXY", "no_proxy"):  # the page of the test is on loopback
                    os.environ.pop(name, None)
                with urllib.request.urlopen(f"http://{rest}/", timeout=10) as answer:
                    return str(answer.read().decode())
            except OSError as error:
                return f"{type(error).__name__}: {error}"

        return pd.DataFrame({"answer": [act(text) for text in frame["ask"]]})


def sql(*statements: str) -> list[dict[str, Any]]:
    """Run statements; the rows of the last one, with names in lower case."""
    rows: list[Any] = []
    for statement in statements:
        rows = session.sql(statement).collect()
    return [{key.strip('"').lower(): value for key, value in row.as_dict().items()} for row in rows]


def ask(*words: str) -> str:
    """The model's answer, from within the running service."""
    text = " ".join(words)
    (row,) = sql(f"SELECT {SERVICE}!PREDICT('{text}'):answer::STRING AS ANSWER")
    return str(row["answer"])


def until(is_so: Callable[[str], bool], *words: str) -> str:
    """Ask again and again; the first answer that is so, or the last one."""
    deadline = time.monotonic() + WAIT_S
    while not is_so(answer := ask(*words)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def specification() -> str:
    """A copy of the specification of the deployed service, with secrets."""
    (row,) = sql("DESCRIBE SERVICE NET.S.DEPLOYED")
    document = yaml.safe_load(row["spec"])
    document["spec"]["containers"][0]["secrets"] = [
        {"snowflakeSecret": "TOK", "secretKeyRef": "secret_string", "envVarName": "TOKEN"},
        {"snowflakeSecret": "NET.S.LOGIN", "directoryPath": "/usr/local/creds"},
    ]
    return yaml.safe_dump(document)


def set_up() -> None:
    """Log, deploy, and run a copy with an integration and secrets."""
    sql(
        "CREATE OR REPLACE DATABASE NET",
        "CREATE SCHEMA NET.S",
        "USE SCHEMA NET.S",
        "CREATE COMPUTE POOL NET_POOL MIN_NODES=1 MAX_NODES=4 INSTANCE_FAMILY=CPU_X64_XS",
        "CREATE IMAGE REPOSITORY NET.S.REPO",
        f"CREATE NETWORK RULE OUT MODE = EGRESS TYPE = HOST_PORT VALUE_LIST = ('{FIRST}')",
        "CREATE EXTERNAL ACCESS INTEGRATION WAY ALLOWED_NETWORK_RULES = (OUT) ENABLED = TRUE",
        "CREATE SECRET TOK TYPE = GENERIC_STRING SECRET_STRING = 'open sesame'",
        "CREATE SECRET LOGIN TYPE = PASSWORD USERNAME = 'me' PASSWORD = 'hidden'",
    )
    registry = Registry(session, database_name="NET", schema_name="S")
    version = registry.log_model(
        Agent(custom_model.ModelContext()),
        model_name="AGENT",
        version_name="V1",
        sample_input_data=pd.DataFrame({"ask": ["variable HOME"]}),
    )
    version.create_service(
        service_name="DEPLOYED",
        service_compute_pool="NET_POOL",
        image_repo="NET.S.REPO",
        max_instances=1,
        num_workers=1,
    )
    found["images"] = len(sql("SHOW IMAGES IN IMAGE REPOSITORY NET.S.REPO"))
    (row,) = sql("SELECT SYSTEM$REGISTRY_LIST_IMAGES('/net/s/repo') AS LISTED")
    found["listed"] = json.loads(row["listed"])
    sql(
        f"CREATE SERVICE {SERVICE} IN COMPUTE POOL NET_POOL FROM SPECIFICATION "
        f"$${specification()}$$ EXTERNAL_ACCESS_INTEGRATIONS = (WAY)",
        f"CALL SYSTEM$WAIT_FOR_SERVICES(120, '{SERVICE}')",
    )
    found["allowed"] = ask("fetch", FIRST)
    found["other"] = ask("fetch", SECOND)
    found["variable"] = ask("variable", "TOKEN")
    found["file"] = ask("file", "/usr/local/creds/password")
    found["service"] = ask("variable", "SNOWFLAKE_SERVICE_NAME")
    sql("ALTER SECRET LOGIN SET PASSWORD = 'changed'")
    found["file later"] = until(lambda it: it == "changed", "file", "/usr/local/creds/password")
    found["process"] = ask("variable", "HOME")


def go_on() -> None:
    """With the next server: the same instance, other rules."""
    sql("USE SCHEMA NET.S")
    found["still"] = ask("fetch", FIRST)
    sql(f"ALTER NETWORK RULE OUT SET VALUE_LIST = ('{SECOND}')")
    found["now"] = until(lambda it: it == "hello", "fetch", SECOND)
    found["no more"] = until(lambda it: it != "hello", "fetch", FIRST)
    sql("ALTER EXTERNAL ACCESS INTEGRATION WAY SET ENABLED = FALSE")
    found["disabled"] = until(lambda it: it != "hello", "fetch", SECOND)
    (row,) = sql(f"DESCRIBE SERVICE {SERVICE}")
    found["described"] = row["message"]
    (row,) = sql(f"SELECT SYSTEM$GET_SERVICE_LOGS('{SERVICE}', '0', 'model-inference') AS TEXT")
    found["log"] = [line for line in row["text"].splitlines() if line.startswith("egress")]
    (row,) = sql(f"SHOW SERVICE CONTAINERS IN SERVICE {SERVICE}")
    found["restarts"] = row["restart_count"]
    sql(f"DROP SERVICE {SERVICE}", "DROP SERVICE NET.S.DEPLOYED", "DROP DATABASE NET")


{"set-up": set_up, "go-on": go_on}[STAGE]()
session.close()
print(json.dumps(found, default=str))
