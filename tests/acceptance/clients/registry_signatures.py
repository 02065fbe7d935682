"""Unusual signatures: parameters of every type, names in both cases, more inputs than SQL takes.

    registry_signatures.py <database>

Each model is asked in the warehouse and by a service, by SQL, by `run` and over HTTP. Prints a JSON
object of what was seen. Annotations are evaluated here: the registry looks at those of the model.
"""

import datetime
import json
import sys
import urllib.error
import urllib.request
from typing import Any

import pandas as pd
from snowflake.ml.model import custom_model
from snowflake.ml.model.model_signature import (
    DataType,
    FeatureSpec,
    ModelSignature,
    ParamGroupSpec,
    ParamSpec,
)
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake.snowpark.exceptions import SnowparkSQLException

DATABASE = sys.argv[1]
POOL = f"{DATABASE}_POOL"
WIDE = 501
MOMENT = datetime.datetime.fromisoformat("2024-01-31 16:30:00")
GROUP = {"t": 1.0, "nested_list": [[1, 2], [3, 4]], "nested_dict": [{"a": 1}]}
found: dict[str, Any] = {}


class Told(custom_model.CustomModel):
    """Tells what its parameters were."""

    @custom_model.inference_api
    def predict(
        self,
        frame: pd.DataFrame,
        *,
        moment: datetime.datetime = MOMENT,
        raw: bytes = b"d",
        numbers: list[float] = [1.5],  # noqa: B006  # the registry reads it from here
        group: dict = GROUP,  # type: ignore[type-arg]  # the registry knows no other
        word: str = "it's",
    ) -> pd.DataFrame:
        """The parameters as text, in every row."""
        # SQL's objects have their keys in order.
        told = repr(
            [str(moment), bytes(raw), list(numbers), dict(sorted(group.items())), str(word)]
        )
        return pd.DataFrame({"TOLD": [told] * len(frame)})


class Named(custom_model.CustomModel):
    """Tells its two inputs apart."""

    @custom_model.inference_api
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Ten times the one, and the other."""
        return pd.DataFrame({"TOTAL": frame["a"] * 10 + frame["A"]})


class Broad(custom_model.CustomModel):
    """Weighs its inputs by their places."""

    @custom_model.inference_api
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The weighed sum."""
        weighed = frame.fillna(0.0).to_numpy() @ range(frame.shape[1])
        return pd.DataFrame({"TOTAL": weighed})


def post(address: str, body: Any, token: str) -> Any:
    """Call an endpoint; the rows' answers, or the status and the error's text."""
    headers = {"Content-Type": "application/json", "Authorization": f'Snowflake Token="{token}"'}
    request = urllib.request.Request(address, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [next(iter(row[1].values())) for row in json.load(answer)["data"]]
    except urllib.error.HTTPError as error:
        with error:
            return [error.code, json.load(error)["error"]["message"]]


def sql(text: str) -> list[Any]:
    """The first column of a query."""
    try:
        return [row[0] for row in session.sql(text).collect()]
    except SnowparkSQLException as error:
        return [str(error)]


session = Session.builder.config("connection_name", "nunatak").create()
for statement in (
    f"CREATE OR REPLACE DATABASE {DATABASE}",
    f"CREATE SCHEMA {DATABASE}.ML",
    f"CREATE COMPUTE POOL IF NOT EXISTS {POOL} MIN_NODES=1 MAX_NODES=3 INSTANCE_FAMILY=CPU_X64_S",
):
    session.sql(statement).collect()
registry = Registry(session, database_name=DATABASE, schema_name="ML")


def deployed(version: Any, name: str) -> str:
    """A service of a version; its address."""
    version.create_service(
        service_name=name,
        service_compute_pool=POOL,
        ingress_enabled=True,
        max_instances=1,
        num_workers=1,
    )
    ingress = session.sql(f"SHOW ENDPOINTS IN SERVICE {DATABASE}.ML.{name}").collect()[0]
    return f"http://{ingress['ingress_url']}/predict"


token = session.connection.rest.token
one = FeatureSpec("X", DataType.DOUBLE)
told = registry.log_model(
    Told(),
    model_name="TOLD",
    version_name="V1",
    target_platforms=["WAREHOUSE", "SNOWPARK_CONTAINER_SERVICES"],
    signatures={
        "predict": ModelSignature(
            inputs=[one],
            outputs=[FeatureSpec("TOLD", DataType.STRING)],
            params=[
                ParamSpec("moment", DataType.TIMESTAMP_NTZ, MOMENT),
                ParamSpec("raw", DataType.BYTES, b"d"),
                ParamSpec("numbers", DataType.DOUBLE, [1.5], shape=(-1,)),
                ParamGroupSpec(
                    "group",
                    [
                        ParamSpec("t", DataType.DOUBLE, 1.0),
                        ParamSpec("nested_list", DataType.INT64, [[1, 2], [3, 4]], shape=(-1, -1)),
                        ParamGroupSpec(
                            "nested_dict",
                            [ParamSpec("a", DataType.INT64, 1)],
                            default_value=[{"a": 1}],
                            shape=(-1,),
                        ),
                    ],
                ),
                ParamSpec("word", DataType.STRING, "it's"),
            ],
        )
    },
)
frame = pd.DataFrame({"X": [1.0, 2.0]})
other = {
    "moment": datetime.datetime.fromisoformat("2020-02-29 01:02:03.500000"),
    "raw": b"\x00\xff",
    "numbers": [9.0, 8.0],
    "group": {"t": 2.0, "nested_list": [[9]], "nested_dict": []},
    "word": "x",
}
OTHER_SQL = (
    "'2020-02-29 01:02:03.5'::TIMESTAMP_NTZ, X'00FF', [9, 8], "
    "OBJECT_CONSTRUCT_KEEP_NULL('t', 2, 'nested_list', [[9]], 'nested_dict', []), 'x'"
)
address = deployed(told, "TOLD_SERVICE")
for where, call, more in (
    ("warehouse", "TOLD!PREDICT", {}),
    ("service", "TOLD_SERVICE!PREDICT", {"service_name": "TOLD_SERVICE"}),
):
    found[f"{where} run"] = told.run(frame, **more)["TOLD"].tolist()
    found[f"{where} run, given"] = told.run(frame, params=other, **more)["TOLD"].tolist()
    value = ':"TOLD"::VARCHAR'
    found[f"{where} SQL"] = sql(f"SELECT {call}(1.0){value}")
    found[f"{where} SQL, given"] = sql(f"SELECT {call}(1.0, {OTHER_SQL}){value}")
    found[f"{where} SQL, the last"] = sql(f"SELECT {call}(1.0, word => 'x'){value}")
rows = {"dataframe_records": [{"X": 1.0}]}
found["HTTP"] = post(address, rows, token)
in_json = {
    "moment": "2020-02-29 01:02:03.5",
    "raw": "AP8=",
    "numbers": [9, 8],
    "group": {"t": 2, "nested_list": [[9]], "nested_dict": []},
    "word": "x",
}
found["HTTP, given"] = post(address, {**rows, "params": in_json}, token)
found["HTTP flat, given"] = post(address, {"data": [[0.0, 1.0, *in_json.values()]]}, token)
found["HTTP, the last"] = post(address, {**rows, "params": {"WORD": "x"}}, token)
told.delete_service("TOLD_SERVICE")

named = registry.log_model(
    Named(),
    model_name="NAMED",
    version_name="V1",
    options={"method_options": {"predict": {"case_sensitive": True}}},
    signatures={
        "predict": ModelSignature(
            inputs=[FeatureSpec("a", DataType.DOUBLE), FeatureSpec("A", DataType.DOUBLE)],
            outputs=[FeatureSpec("TOTAL", DataType.DOUBLE)],
        )
    },
)
try:
    named.create_service(
        service_name="CAPTURING",
        service_compute_pool=POOL,
        autocapture=True,
    )
    found["autocapture"] = "taken"
except RuntimeError as error:
    found["autocapture"] = str(error)
address = deployed(named, "NAMED_SERVICE")
found["named SQL"] = [
    sql(f'SELECT NAMED_SERVICE!"predict"({arguments}):"TOTAL"::FLOAT')
    for arguments in ("1.0, 2.0", '"A" => 2.0, "a" => 1.0', 'a => 2.0, "a" => 1.0')
]
found["named"] = post(address, {"data": [[0.0, {"A": 2.0, "a": 1.0}]]}, token)
found["named, one is missing"] = post(address, {"data": [[0, {"A": 2.0}]]}, token)
named.delete_service("NAMED_SERVICE")

columns = [f"c{place}" for place in range(WIDE)]
broad = registry.log_model(
    Broad(),
    model_name="BROAD",
    version_name="V1",
    signatures={
        "predict": ModelSignature(
            inputs=[FeatureSpec(name, DataType.DOUBLE) for name in columns],
            outputs=[FeatureSpec("TOTAL", DataType.DOUBLE)],
        )
    },
)
frame = pd.DataFrame([[float(row)] * WIDE for row in range(3)], columns=columns)
session.create_dataframe(frame).write.save_as_table(f"{DATABASE}.ML.BROAD_ROWS")
address = deployed(broad, "BROAD_SERVICE")
pairs = ", ".join(f'\'"{name}"\', "{name}"' for name in reversed(columns))
for where, call, more in (
    ("warehouse", "BROAD!PREDICT", {}),
    ("service", "BROAD_SERVICE!PREDICT", {"service_name": "BROAD_SERVICE"}),
):
    found[f"broad {where} run"] = broad.run(frame, **more)["TOTAL"].tolist()
    value = ':"TOTAL"::FLOAT'
    found[f"broad {where} SQL"] = sql(
        f"SELECT {call}(OBJECT_CONSTRUCT_KEEP_NULL({pairs})){value} "
        f'FROM {DATABASE}.ML.BROAD_ROWS ORDER BY "c0"'
    )
    found[f"broad {where}, some keys"] = sql(
        f"SELECT {call}(OBJECT_CONSTRUCT_KEEP_NULL('C2', 1.0, '\"c3\"', 2, 'c4', NULL)){value}"
    )
    found[f"broad {where}, another key"] = sql(f"SELECT {call}({{'c2': 1.0, 'cc': 2}}){value}")
found["broad HTTP"] = post(address, {"dataframe_split": frame.to_dict(orient="split")}, token)
broad.delete_service("BROAD_SERVICE")
session.sql(f"DROP DATABASE {DATABASE}").collect()
session.close()
print(json.dumps(found))
