"""Files up and down, by literal and bound stages, streams and data frames. Prints JSON."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from snowflake import connector
from snowflake.connector.pandas_tools import write_pandas
from snowflake.snowpark import Session


def main(folder: Path) -> dict[str, Any]:
    """Move files in every way that the clients have."""
    for name, text in {"a.csv": "1,x\n", "b.csv": "2,y\n" * 50_000, "empty.csv": ""}.items():
        (folder / name).write_text(text)
    (folder / "out").mkdir()
    found: dict[str, Any] = {}
    with connector.connect(connection_name="nunatak") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE FILES")
        cursor.execute("CREATE STAGE ST")
        put = cursor.execute(f"PUT 'file://{folder}/*.csv' '@ST/plain' AUTO_COMPRESS = FALSE")
        found["put"] = sorted([row[1], row[6]] for row in put.fetchall())
        found["gzip"] = cursor.execute(f"PUT file://{folder}/a.csv @ST/gz").fetchone()[1]
        found["list"] = sorted(row[0:2] for row in cursor.execute("LIST @ST").fetchall())
        got = cursor.execute(f"GET @ST/plain 'file://{folder}/out'").fetchall()
        found["got"] = len(got)
        found["same"] = (folder / "out" / "b.csv").read_text() == (folder / "b.csv").read_text()
        frame = pd.DataFrame({"A": [1, 2], "B": ["x", None]})
        found["write_pandas"] = write_pandas(connection, frame, "T", auto_create_table=True)[2]
        found["read"] = cursor.execute("SELECT * FROM T ORDER BY A").fetchall()
        session = Session.builder.configs({"connection": connection}).create()
        session.file.put_stream(io.BytesIO(b"streamed"), "@ST/s.bin", auto_compress=False)
        with session.file.get_stream("@ST/s.bin") as stream:
            found["stream"] = stream.read().decode()
        cursor.execute("REMOVE @ST/plain")
        found["left"] = sorted(row[0] for row in cursor.execute("LIST @ST").fetchall())
        cursor.execute("DROP DATABASE FILES")
    return found


with tempfile.TemporaryDirectory() as temporary:
    print(json.dumps(main(Path(temporary))))
