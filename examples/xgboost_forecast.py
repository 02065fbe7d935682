"""Forecast tomorrow's highest temperature in Seattle: log an XGBoost model, deploy it, and call
it from SQL, from Python and over HTTP; the answers must be those of the model in memory.

The data (daily weather of 2012 to 2015) come with the package vega_datasets.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import xgboost
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from vega_datasets import local_data

sys.path.insert(0, str(Path(__file__).parent))
from deployment import access_token, arguments, post, prepare
from steps import finish, same, step

MODEL, VERSION, SERVICE = "SEATTLE_FORECAST", "V1", "SEATTLE_SERVICE"
DAYS_BACK = 5


def weather() -> tuple[pd.DataFrame, pd.Series]:
    """Features of each day (its own weather and that of the days before) and the next day's
    highest temperature in °C."""
    days = local_data.seattle_weather().sort_values("date").reset_index(drop=True)
    features = pd.DataFrame(
        {"DAY_OF_YEAR": pd.to_datetime(days["date"]).dt.dayofyear.astype(float)}
    )
    for back in range(DAYS_BACK):
        for column in ("temp_max", "temp_min", "precipitation", "wind"):
            features[f"{column}_{back}".upper()] = days[column].shift(back)
    target = days["temp_max"].shift(-1)
    known = features.notna().all(axis=1) & target.notna()
    return features[known].reset_index(drop=True), target[known].reset_index(drop=True)


def main() -> None:
    """Run every step; exit non-zero at the first difference."""
    options = arguments(__doc__ or "")
    with step("connect with connection_name"):
        session = Session.builder.config("connection_name", options.connection).create()
    with step("create pool, repository, network rule, integration, grants"):
        integration = prepare(session, options.index_hosts)
    with step("train"):
        features, target = weather()
        split = len(features) - 200
        model = xgboost.XGBRegressor(n_estimators=100, max_depth=6, learning_rate=0.1)
        model.fit(features[:split], target[:split])
        sample = features[split:].reset_index(drop=True)
        expected = model.predict(sample)
    registry = Registry(session, database_name="DEMO", schema_name="ML")
    with step("log_model"):
        version = registry.log_model(
            model,
            model_name=MODEL,
            version_name=VERSION,
            sample_input_data=features[:split],
            comment="highest temperature of the next day",
            metrics={"mean_absolute_error": float(abs(expected - target[split:]).mean())},
        )
    with step("run in the warehouse"):
        same("warehouse", expected, version.run(sample, function_name="predict").iloc[:, -1])
    with step("create_service (build, deploy, wait until it runs)"):
        version.create_service(
            service_name=SERVICE,
            service_compute_pool="DEMO_POOL",
            image_repo="DEMO.ML.IMAGES",
            ingress_enabled=True,
            max_instances=1,
            build_external_access_integrations=[integration] if integration else None,
        )
    with step("list_services"):
        services = version.list_services()
        print(services.to_string())
        endpoint = services["inference_endpoint"].iloc[0]
        if not endpoint:
            sys.exit("✗ list_services shows no endpoint")
    call_everywhere(session, version, sample, expected, f"http://{endpoint}/predict")
    with step("delete"):
        version.delete_service(SERVICE)
        registry.delete_model(MODEL)
        session.sql("DROP COMPUTE POOL DEMO_POOL").collect()
    session.close()
    finish("xgboost_forecast")


def call_everywhere(
    session: Session, version: object, sample: pd.DataFrame, expected: object, url: str
) -> None:
    """Predict by Python, SQL and HTTP, and compare each with the model in memory."""
    with step("predict from Python"):
        found = version.run(sample, function_name="predict", service_name=SERVICE)  # type: ignore[attr-defined]
        same("mv.run(service_name=…)", expected, found.iloc[:, -1])
    with step("predict from SQL"):
        session.create_dataframe(sample.assign(ROW=range(len(sample)))).write.save_as_table(
            "DEMO.ML.WEATHER", mode="overwrite"
        )
        columns = ", ".join(sample.columns)
        for call in (f"{SERVICE}!PREDICT({columns})", f"{SERVICE}_PREDICT({columns})"):
            rows = session.sql(
                f"SELECT {call}:output_feature_0::FLOAT AS FORECAST "
                "FROM DEMO.ML.WEATHER ORDER BY ROW"
            ).collect()
            same(call.partition("(")[0], expected, [row["FORECAST"] for row in rows])
    with step("predict over HTTP"):
        token = access_token(session, "DEMO_TOKEN")
        body = {"dataframe_split": sample.to_dict(orient="split")}
        found = post(url, token, body)
        same("HTTP, dataframe_split", expected, [row["output_feature_0"] for row in found])
        flat = [[index, *row] for index, row in enumerate(sample.to_numpy().tolist())]
        found = post(url, token, {"data": flat})
        same("HTTP, flat", expected, [row["output_feature_0"] for row in found])


if __name__ == "__main__":
    main()
