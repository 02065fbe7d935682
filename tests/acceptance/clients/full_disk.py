"""What a person sees whose server's disk fills up, and has room again.

    full_disk.py <folder on the same disk> <file to upload>

Prints a JSON object: for each step the first cell, or the error's number.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from snowflake import connector

FOLDER, FILE = Path(sys.argv[1]), sys.argv[2]
connection = connector.connect(connection_name="nunatak")


def value(text: str, opened: Any = connection) -> Any:
    """The first cell of a statement's answer, or the number of its error."""
    try:
        return opened.cursor().execute(text).fetchall()[0][0]
    except connector.errors.Error as error:
        return error.errno


def fill() -> Path:
    """Take every byte of the disk."""
    filler = FOLDER / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (65536, 512):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                continue
    return filler


value("CREATE TABLE T (A INT, B TEXT)")
value("INSERT INTO T VALUES (1, 'x')")
value("CREATE TABLE LARGE AS SELECT SEQ4() N FROM TABLE(GENERATOR(ROWCOUNT => 50000))")
filler = fill()
full = {
    "one": value("SELECT 1"),
    "rows": value("SELECT COUNT(*) FROM T"),
    "insert": value("INSERT INTO T VALUES (2, 'y')"),
    "create": value("CREATE TABLE U AS SELECT * FROM LARGE"),
    "put": value(f"PUT 'file://{FILE}' @~/x"),
    "login": value("SELECT COUNT(*) FROM T", connector.connect(connection_name="nunatak")),
    "delete": value("DELETE FROM T WHERE A = 1"),
    "drop": value("DROP TABLE LARGE"),
    "left": value("SELECT COUNT(*) FROM T"),
}
filler.unlink()
after = {
    "insert": value("INSERT INTO T VALUES (3, 'z')"),
    "rows": value("SELECT LISTAGG(A, ',') FROM T"),
    "tables": value("SELECT LISTAGG(TABLE_NAME, ',') FROM INFORMATION_SCHEMA.TABLES"),
}
print(json.dumps({"full": full, "after": after}))
