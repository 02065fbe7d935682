"""Our processes do without pandas, also where it is installed, as it is here."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from nunatak.imports import leave_out_pandas
leave_out_pandas()
import duckdb, numpy as np, pyarrow as pa
values = pa.array(np.arange(3.0), mask=np.array([True, False, False]))
assert values.null_count == 1
assert np.isnan(values.to_numpy(zero_copy_only=False)[0])
table = pa.table({"A": pa.array([True, None]), "B": ["x", "y"]})
with duckdb.connect() as connection:
    connection.register("T", table)
    assert connection.sql("SELECT * FROM T").to_arrow_table().num_rows == 2
assert "pandas" not in sys.modules
try:
    import pandas
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.mark.process
def test_pandas_is_as_if_it_were_not_installed() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.stderr == ""
    assert ran.stdout == "pandas is left out of this process\n"
