"""Everything that the registry client does with models except running them.

    model_management.py <database>

Prints a JSON object of what was seen.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from snowflake.ml._internal import platform_capabilities
from snowflake.ml.model import ExportMode
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

DATABASE = sys.argv[1]
LIVE = {"ENABLE_HIDDEN_LIVE_VERSION_IN_SDK": True, "ENABLE_LIVE_VERSION_IN_SDK": True}
found: dict[str, Any] = {}


def refused(action: Callable[[], object]) -> str:
    """The text of the error that an action ends with."""
    try:
        action()
    except Exception as error:  # noqa: BLE001  each library has errors of its own
        return str(error)
    raise AssertionError("this must be refused")


random = np.random.default_rng(7)
frame = pd.DataFrame(random.normal(size=(50, 3)), columns=["A", "B", "C"])
model = xgboost.XGBRegressor(n_estimators=5, max_depth=2).fit(frame, frame["A"])

session = Session.builder.config("connection_name", "nunatak").create()
session.sql(f"CREATE OR REPLACE DATABASE {DATABASE}").collect()
session.sql(f"CREATE SCHEMA {DATABASE}.ML").collect()
registry = Registry(session, database_name=DATABASE, schema_name="ML")

first = registry.log_model(
    model, model_name="M", version_name="V1", sample_input_data=frame, metrics={"rmse": 0.5}
)
with (
    platform_capabilities.PlatformCapabilities.mock_features(LIVE),
    session.query_history() as history,
):
    registry.log_model(model, model_name="M", version_name="V2", sample_input_data=frame)
found["live"] = any(" COMMIT VERSION " in query.sql_text for query in history.queries)

managed = registry.get_model("M")
found["system aliases"] = [
    managed.default.version_name,
    managed.first().version_name,
    managed.last().version_name,
]
managed.version("V2").set_alias("production")
found["alias"] = managed.version("PRODUCTION").version_name
managed.default = "V2"
found["default"] = managed.default.version_name
managed.version("V2").unset_alias("production")
first.set_metric("accuracy", 1.0)
first.delete_metric("rmse")
first.description = "it's described"
managed.comment = "about $M"
found["metrics"] = first.show_metrics()
found["texts"] = [first.description, managed.comment]
found["task"] = first.get_model_task().value if hasattr(first, "get_model_task") else None

session.sql(f"CREATE TAG {DATABASE}.ML.TEAM").collect()
tag = f"{DATABASE}.ML.TEAM"
managed.set_tag(tag, "a $ b")
found["tags"] = [managed.get_tag(tag), managed.show_tags()]
managed.unset_tag(tag)
found["tags afterwards"] = [managed.get_tag(tag), managed.show_tags()]

with tempfile.TemporaryDirectory() as folder:
    first.export(folder, export_mode=ExportMode.FULL)
    found["exported"] = sorted(
        file.relative_to(folder).as_posix() for file in Path(folder).rglob("*") if file.is_file()
    )
found["loaded"] = float(np.abs(first.load().predict(frame) - model.predict(frame)).max())
found["lineage"] = first.lineage(direction="upstream")

managed.rename("RENAMED")
renamed = registry.get_model("RENAMED")
registry.log_model(renamed.version("V1"), model_name="COPY", version_name="W1")
found["models"] = sorted(registry.show_models()["name"])
renamed.delete_version("V1")
found["last version"] = refused(lambda: renamed.delete_version("V2"))
registry.delete_model("RENAMED")
found["models afterwards"] = [item.name for item in registry.models()]
found["no such model"] = refused(lambda: registry.get_model("NONE"))
found["taken"] = refused(
    lambda: registry.log_model(model, model_name="COPY", version_name="W1", sample_input_data=frame)
)
session.sql(f"DROP DATABASE {DATABASE}").collect()
print(json.dumps(found))
