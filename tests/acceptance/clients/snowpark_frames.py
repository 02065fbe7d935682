"""Snowpark data frames: every type in and out, tables, files, asynchronous results.

Prints a JSON object of what came back.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pandas as pd
from snowflake.snowpark import Session, Window
from snowflake.snowpark import functions as fn
from snowflake.snowpark import types as kind_of

MOMENT = dt.datetime(2024, 1, 1, 2, 3, 4, 5, tzinfo=dt.UTC).replace(tzinfo=None)
TYPES: list[tuple[str, kind_of.DataType, Any]] = [
    ("I", kind_of.LongType(), 1),
    ("DEC", kind_of.DecimalType(20, 4), Decimal("1.2345")),
    ("F", kind_of.DoubleType(), 1.5),
    ("S", kind_of.StringType(), "grün"),
    ("BIN", kind_of.BinaryType(), b"\x00\xff"),
    ("BO", kind_of.BooleanType(), True),
    ("DA", kind_of.DateType(), dt.date(2024, 2, 29)),
    ("TI", kind_of.TimeType(), dt.time(1, 2, 3, 4)),
    ("NTZ", kind_of.TimestampType(kind_of.TimestampTimeZone.NTZ), MOMENT),
    ("LTZ", kind_of.TimestampType(kind_of.TimestampTimeZone.LTZ), MOMENT.replace(tzinfo=dt.UTC)),
    ("TZ", kind_of.TimestampType(kind_of.TimestampTimeZone.TZ), MOMENT.replace(tzinfo=dt.UTC)),
    ("V", kind_of.VariantType(), {"a": [1]}),
    ("AR", kind_of.ArrayType(), [1, "b", None]),
    ("MA", kind_of.MapType(), {"k": 1}),
]
SCHEMA = kind_of.StructType([kind_of.StructField(name, kind) for name, kind, _ in TYPES])
session = Session.builder.config("connection_name", "nunatak").create()


def types() -> dict[str, Any]:
    """A row of every type and one of NULLs: from Python, through a table, and to pandas."""
    frame = session.create_dataframe([[value for *_, value in TYPES], [None] * len(TYPES)], SCHEMA)
    frame.write.mode("overwrite").save_as_table("TYPES")
    stored = session.table("TYPES").sort(fn.col("I").asc_nulls_last())
    first, nulls = stored.collect()
    pandas = stored.to_pandas()
    return {
        "equal": [
            name for name, _, value in TYPES[:11] if (first[name] == value or name in {"BIN"})
        ],
        "binary": bytes(first["BIN"]).hex(),
        "nested": [json.loads(first[name]) for name in ("V", "AR", "MA")],
        "nulls": all(value is None for value in nulls),
        "schema": [type(field.datatype).__name__ for field in stored.schema.fields],
        "pandas": [str(kind) for kind in pandas.dtypes[["NTZ", "TI", "S"]]],
        "pandas nulls": bool(pandas.iloc[1].isna().all()),
    }


def pandas_frames() -> dict[str, Any]:
    """Data frames of pandas, uploaded as files."""
    frame = pd.DataFrame(
        {
            "A": [1, 2],
            "b c": ["x", None],
            "D": pd.Series([dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None]).dt.tz_localize(None),
            "E": [1.5, float("nan")],
        }
    )
    made = session.create_dataframe(frame)
    zoned = frame.assign(
        D=frame["D"].dt.tz_localize("UTC"), O=pd.Series([{"a": 1}, None], dtype=object)
    )
    written = session.write_pandas(
        zoned, "WRITTEN", auto_create_table=True, overwrite=True, use_logical_type=True
    )
    return {
        "same": made.sort("A").to_pandas()["b c"].tolist() == ["x", None],
        "names": made.columns,
        "written": [row.as_dict()["A"] for row in written.sort("A").collect()],
        "moment": written.sort("A").collect()[0]["D"].astimezone(dt.UTC).isoformat(),
        "batches": sum(len(batch) for batch in session.range(300_000).to_pandas_batches()),
        "iterated": sum(1 for _ in session.range(1_000).to_local_iterator()),
    }


def work() -> dict[str, Any]:
    """Joins, groups, windows, views, changes of tables, cached and sampled frames."""
    left = session.create_dataframe([[1, "x"], [2, "y"], [2, "z"]], schema=["K", "V"])
    right = session.create_dataframe([[1, 10], [2, 20]], schema=["K", "W"])
    joined = left.join(right, "K")
    ranked = joined.with_column("R", fn.row_number().over(Window.partition_by("K").order_by("V")))
    grouped = joined.group_by("K").agg(fn.sum("W").alias("S"), fn.array_agg("V").alias("L"))
    left.write.mode("overwrite").save_as_table("CHANGED", table_type="transient")
    changed = session.table("CHANGED")
    right.create_or_replace_temp_view("RIGHT_VIEW")
    merged = changed.merge(
        right,
        changed["K"] == right["K"],
        [
            fn.when_matched().update({"V": fn.lit("m")}),
            fn.when_not_matched().insert({"K": right["K"], "V": fn.lit("n")}),
        ],
    )
    return {
        "grouped": [[row["K"], row["S"]] for row in grouped.sort("K").collect()],
        "ranked": ranked.filter(fn.col("R") == 1).count(),
        "distinct": left.union_all(left).distinct().count(),
        "range": [row["ID"] for row in session.range(1, 10, 3).sort("ID").collect()],
        "updated": changed.update({"V": fn.lit("q")}, changed["K"] == 1).rows_updated,
        "deleted": changed.delete(changed["V"] == "q").rows_deleted,
        "merged": [merged.rows_inserted, merged.rows_updated],
        "cached": left.cache_result().count(),
        "view": session.table("RIGHT_VIEW").count(),
        "filled": left.na.fill("-").count(),
        "split": sum(part.count() for part in session.range(100).random_split([0.5, 0.5])),
        "bound": [list(r) for r in session.sql("SELECT ?, ?, ?", params=[1, "x", None]).collect()],
        "shown": session.sql("SHOW TABLES LIKE 'CHANGED'").select('"kind"').collect()[0][0],
    }


def files() -> dict[str, Any]:
    """Files by stream, and data frames read from and written to stages."""
    session.sql("CREATE STAGE AREA").collect()
    frame = session.create_dataframe([[1, "a"], [2, "b"]], schema=["A", "B"])
    kinds = kind_of.StructType(
        [
            kind_of.StructField("A", kind_of.LongType()),
            kind_of.StructField("B", kind_of.StringType()),
        ]
    )
    frame.write.copy_into_location("@AREA/p/", file_format_type="parquet", header=True)
    frame.write.csv("@AREA/c/", overwrite=True)
    session.sql("SELECT OBJECT_CONSTRUCT('a', 1) V").write.json("@AREA/j/", overwrite=True)
    loaded = session.read.schema(kinds).csv("@AREA/c/")
    return {
        "parquet": sorted(row["A"] for row in session.read.parquet("@AREA/p/").collect()),
        "csv": sorted([row["A"], row["B"]] for row in loaded.collect()),
        "json": json.loads(session.read.json("@AREA/j/").collect()[0][0]),
        "copied": loaded.copy_into_table("LOADED")[0]["status"],
        "loaded": session.table("LOADED").count(),
    }


def later() -> dict[str, Any]:
    """Asynchronous jobs: result, pandas, status, cancel."""
    job = session.sql("SELECT 7 A").collect_nowait()
    waiting = session.sql("CALL SYSTEM$WAIT(60)").collect_nowait()
    waiting.cancel()
    return {
        "result": job.result()[0]["A"],
        "done": job.is_done(),
        "pandas": int(session.sql("SELECT 8 A").to_pandas(block=False).result()["A"][0]),
        "again": session.create_async_job(job.query_id).result()[0]["A"],
    }


session.sql("CREATE OR REPLACE DATABASE FRAMES").collect()
found = {
    "types": types(),
    "pandas": pandas_frames(),
    "work": work(),
    "files": files(),
    "later": later(),
}
session.sql("DROP DATABASE FRAMES").collect()
session.close()
print(json.dumps(found, default=str))
