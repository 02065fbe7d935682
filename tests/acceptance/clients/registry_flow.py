"""The main job: log a model, run it in the warehouse, deploy it, call it by Python, SQL and HTTP.

    registry_flow.py <database>

Prints a JSON object of what was seen; predictions are compared here, within 1e-5.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from snowflake.ml.registry import Registry
from snowflake.ml.utils.authentication import (
    SnowflakeJWTTokenAuth,
    get_jwt_token_generator,
)
from snowflake.snowpark import Session
from snowflake.snowpark.exceptions import SnowparkSQLException

DATABASE = sys.argv[1]
FEATURES = ["A", "B", "C", "D"]
found: dict[str, Any] = {}


def close(what: str, left: Any, right: Any) -> None:
    """Note the largest difference of two columns of numbers."""
    left, right = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
    assert left.shape == right.shape, f"{what}: {left.shape} and {right.shape}"
    found[what] = float(np.abs(left - right).max())


def post(address: str, body: Any, token: str | None) -> tuple[int, Any]:
    """Call an endpoint; answers the status and the body."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f'Snowflake Token="{token}"'
    request = urllib.request.Request(address, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


random = np.random.default_rng(7)
frame = pd.DataFrame(random.normal(size=(300, len(FEATURES))), columns=FEATURES)
target = frame["A"] * 2 + frame["B"] - frame["C"] ** 2
model = xgboost.XGBRegressor(n_estimators=20, max_depth=3).fit(frame, target)
expected = model.predict(frame)

session = Session.builder.config("connection_name", "nunatak").create()
for statement in (
    f"CREATE OR REPLACE DATABASE {DATABASE}",
    f"CREATE SCHEMA {DATABASE}.ML",
    "CREATE COMPUTE POOL IF NOT EXISTS FLOW_POOL MIN_NODES=1 MAX_NODES=1 INSTANCE_FAMILY=CPU_X64_S",
    f"CREATE IMAGE REPOSITORY {DATABASE}.ML.REPO",
):
    session.sql(statement).collect()
registry = Registry(session, database_name=DATABASE, schema_name="ML")
version = registry.log_model(
    model,
    model_name="FLOW",
    version_name="V1",
    sample_input_data=frame,
    metrics={"rmse": 0.5},
    comment="first",
)
found["metrics"] = version.show_metrics()
found["comment"] = version.comment
found["functions"] = [item["name"] for item in version.show_functions()]
found["models"] = registry.show_models()["name"].tolist()
found["versions"] = registry.get_model("FLOW").show_versions()["name"].tolist()
found["default"] = registry.get_model("FLOW").default.version_name

close("warehouse", version.run(frame, function_name="predict").iloc[:, -1], expected)
table = session.create_dataframe(frame.assign(ROW=range(len(frame))))
table.write.save_as_table(f"{DATABASE}.ML.POINTS", mode="overwrite")
calls = {
    "default version": "FLOW!PREDICT(A, B, C, D)",
    "MODEL(m, v)": "MODEL(FLOW, V1)!PREDICT(A, B, C, D)",
}
for name, call in calls.items():
    rows = session.sql(
        f"SELECT {call}:output_feature_0::FLOAT AS P FROM {DATABASE}.ML.POINTS ORDER BY ROW"
    ).collect()
    close(name, [row["P"] for row in rows], expected)

found["created"] = str(
    version.create_service(
        service_name="FLOW_SERVICE",
        service_compute_pool="FLOW_POOL",
        image_repo=f"{DATABASE}.ML.REPO",
        ingress_enabled=True,
        max_instances=1,
        num_workers=2,
    )
)
services = version.list_services()
found["service"] = {key: str(value) for key, value in services.iloc[0].items()}
run = version.run(frame, function_name="predict", service_name="FLOW_SERVICE")
close("service from Python", run.iloc[:, -1], expected)
for call in ("FLOW_SERVICE!PREDICT(A, B, C, D)", "FLOW_SERVICE_PREDICT(A, B, C, D)"):
    rows = session.sql(
        f"SELECT {call}:output_feature_0::FLOAT AS P FROM {DATABASE}.ML.POINTS ORDER BY ROW"
    ).collect()
    close(call.partition("(")[0], [row["P"] for row in rows], expected)

ingress = session.sql(f"SHOW ENDPOINTS IN SERVICE {DATABASE}.ML.FLOW_SERVICE").collect()[0]
address = f"http://{ingress['ingress_url']}/predict"
token = session.connection.rest.token
bodies = {
    "flat": {"data": [[i, *row] for i, row in enumerate(frame.to_numpy().tolist())]},
    "wide": {"data": [[i, row] for i, row in enumerate(frame.to_dict(orient="records"))]},
    "split": {"dataframe_split": frame.to_dict(orient="split")},
    "records": {"dataframe_records": frame.to_dict(orient="records")},
}
for name, body in bodies.items():
    status, answer = post(address, body, token)
    assert status == 200, (name, status, answer)
    close(f"HTTP {name}", [row[1]["output_feature_0"] for row in answer["data"]], expected)
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
body_of_key = "".join(public.splitlines()[1:-1])
session.sql(f"ALTER USER ADMIN SET RSA_PUBLIC_KEY = '{body_of_key}'").collect()
exchanged = SnowflakeJWTTokenAuth(
    get_jwt_token_generator("NUNATAK", "ADMIN", key),
    role="ACCOUNTADMIN",
    endpoint=ingress["ingress_url"],
    snowflake_account_url=os.environ["NUNATAK_ADDRESS"],
)
status, answer = post(address, bodies["flat"], exchanged.snowflake_token)
assert status == 200, ("exchanged key pair", status, answer)
close("HTTP exchanged", [row[1]["output_feature_0"] for row in answer["data"]], expected)
found["without a token"] = post(address, bodies["flat"], None)[0]
found["with a wrong token"] = post(address, bodies["flat"], "no")[0]
found["bad body"] = post(address, {"data": [[0, 1]]}, token)[0]

try:
    registry.delete_model("FLOW")
    found["drop in use"] = "allowed"
except SnowparkSQLException as error:
    found["drop in use"] = str(error)
logs = session.sql(
    f"CALL SYSTEM$GET_SERVICE_LOGS('{DATABASE}.ML.FLOW_SERVICE', '0', 'model-inference')"
).collect()
found["logs"] = type(logs[0][0]).__name__
version.delete_service("FLOW_SERVICE")
registry.delete_model("FLOW")
found["models after"] = len(registry.show_models())
session.sql(f"DROP DATABASE {DATABASE}").collect()
session.close()
print(json.dumps(found))
