"""The published XGBoost example as the client of its time sends it.

    published_example.py <database> <host:port of a package index>…

Prints a JSON object of what was seen; predictions are compared here.
"""

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

DATABASE, *HOSTS = sys.argv[1:]
RULE = f"{DATABASE}.ML.R"
found: dict[str, Any] = {}
random = np.random.default_rng(0)
frame = pd.DataFrame(random.normal(size=(100, 3)), columns=["A", "B", "C"])
model = xgboost.XGBRegressor(n_estimators=5).fit(frame, frame["A"] * 2 + frame["B"])
expected = model.predict(frame)

session = Session.builder.config("connection_name", "nunatak").create()
hosts = ", ".join(f"'{host}'" for host in HOSTS)
for statement in (
    f"CREATE OR REPLACE DATABASE {DATABASE}",
    f"CREATE SCHEMA {DATABASE}.ML",
    f"CREATE COMPUTE POOL {DATABASE} MIN_NODES=1 MAX_NODES=2 INSTANCE_FAMILY=CPU_X64_S",
    f"CREATE IMAGE REPOSITORY {DATABASE}.ML.REPO",
    f"CREATE NETWORK RULE {RULE} MODE=EGRESS TYPE=HOST_PORT VALUE_LIST=({hosts})",
    f"CREATE EXTERNAL ACCESS INTEGRATION {DATABASE} ALLOWED_NETWORK_RULES=({RULE}) ENABLED=TRUE",
):
    session.sql(statement).collect()
session.use_schema(f"{DATABASE}.ML")
registry = Registry(session=session, database_name=DATABASE, schema_name="ML")
for name, options in (("PLAIN", {}), ("EMBEDDED", {"embed_local_ml_library": True})):
    version = registry.log_model(
        model,
        model_name=name,
        version_name="v1",
        conda_dependencies=["scikit-learn", "xgboost"],
        sample_input_data=frame,
        options=options,
    )
    version.create_service(
        service_name=f"{name}_SERVICE",
        image_build_compute_pool=DATABASE,
        service_compute_pool=DATABASE,
        image_repo=f"{DATABASE}.ML.REPO",
        build_external_access_integration=DATABASE,
        ingress_enabled=True,
        max_instances=1,
        num_workers=1,
    )
    for where, more in (("warehouse", {}), ("service", {"service_name": f"{name}_SERVICE"})):
        answer = version.run(frame, function_name="predict", **more).iloc[:, -1]
        found[f"{name} {where}"] = float(np.abs(answer - expected).max())
session.close()
print(json.dumps(found))
