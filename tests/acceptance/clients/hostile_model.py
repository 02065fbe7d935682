"""A model that tells what it may do, run in the warehouse; a server that refuses to run it.

    hostile_model.py <database> <file> (run | refused)

Prints a JSON object: what the model reached, or the texts of the refusals.
"""

import json
import os
import sys
from typing import Any

import pandas as pd
from snowflake.ml.model import custom_model
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

DATABASE, FILE, WISH = sys.argv[1:]
POOL = f"{DATABASE}_POOL"


class Hostile(custom_model.CustomModel):
    """Tells as whom it runs, and whether it can read the file that it is named."""

    @custom_model.inference_api
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row."""
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        try:
            with open(frame["FILE"][0]) as file:
                text = file.read()
        except OSError as error:
            text = type(error).__name__
        report = {"user": os.getuid(), "capabilities": lines["CapEff"].strip(), "file": text}
        return pd.DataFrame({"REPORT": [json.dumps(report)]})


def refusal(action: Any) -> str:
    """The text of what an action raises; empty for one that succeeds."""
    try:
        action()
    except Exception as error:  # noqa: BLE001  whatever the client makes of it
        return str(error)
    return ""


session = Session.builder.config("connection_name", "nunatak").create()
session.sql(f"CREATE DATABASE {DATABASE}").collect()
session.sql(f"CREATE SCHEMA {DATABASE}.ML").collect()
registry = Registry(session, database_name=DATABASE, schema_name="ML")
frame = pd.DataFrame({"FILE": [FILE]})
version = registry.log_model(
    Hostile(custom_model.ModelContext()),
    model_name="HOSTILE",
    version_name="V1",
    sample_input_data=frame,
    target_platforms=["WAREHOUSE", "SNOWPARK_CONTAINER_SERVICES"],
)


def run() -> Any:
    """Call it in the warehouse."""
    return version.run(frame, function_name="predict")


def deploy() -> None:
    """Deploy it as a service."""
    version.create_service(service_name="SVC", service_compute_pool=POOL)


session.sql(
    f"CREATE COMPUTE POOL {POOL} MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S"
).collect()
if WISH == "run":
    print(json.dumps(json.loads(run()["REPORT"][0])))
else:
    texts = {"run": refusal(run), "deploy": refusal(deploy)}
    services = [row["name"] for row in session.sql("SHOW SERVICES").collect()]
    print(json.dumps({**texts, "services": services}))
