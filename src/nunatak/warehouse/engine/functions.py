"""Functions that the engine's macros call and that are written here, row by row.

Each answers NULL where an argument is NULL, and the same for the same arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from nunatak.errors import QueryFailed
from nunatak.warehouse.engine import draws, json_values

TEXT, BYTES, WHOLE, REAL = "VARCHAR", "BLOB", "BIGINT", "DOUBLE"
_ARROW = {TEXT: pa.string(), BYTES: pa.binary(), WHOLE: pa.int64()}


@dataclass(frozen=True, slots=True)
class EngineFunction:
    """A function of every connection."""

    name: str
    parameters: tuple[str, ...]
    """Types of the engine."""
    result: str
    body: Callable[..., Any]
    reads: str = "Error parsing JSON: "
    """What its errors begin with."""

    def vectors(self, columns: Sequence[pa.Array]) -> pa.Array:
        """The answers for columns of arguments; raises QueryFailed."""
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        try:
            answers = [None if None in row else self.body(*row) for row in rows]
        except RecursionError as error:
            raise QueryFailed(f"{self.reads}the value is nested too deeply") from error
        except ValueError as error:
            raise QueryFailed(f"{self.reads}{error}") from error
        except ArithmeticError as error:
            raise QueryFailed(f"{self.reads}a number is out of range") from error
        return pa.array(answers, _ARROW[self.result])


ENGINE_FUNCTIONS = (
    EngineFunction("nk_canonical_text", (TEXT,), TEXT, json_values.canonical),
    EngineFunction("nk_order_key", (TEXT,), BYTES, json_values.order_key),
    EngineFunction("nk_except_text", (TEXT, TEXT), TEXT, json_values.array_except),
    EngineFunction("nk_intersection_text", (TEXT, TEXT), TEXT, json_values.array_intersection),
    EngineFunction("nk_zip_text", (TEXT,), TEXT, json_values.arrays_zip),
    EngineFunction("nk_picked_text", (TEXT, TEXT), TEXT, json_values.picked),
    EngineFunction("nk_without_text", (TEXT, TEXT), TEXT, json_values.without),
    EngineFunction("nk_with_text", (TEXT, TEXT, TEXT, WHOLE), TEXT, json_values.with_member),
    EngineFunction("nk_zipf_of", (REAL, WHOLE, REAL), WHOLE, draws.zipf, reads=""),
    EngineFunction("nk_letters", (WHOLE, WHOLE), TEXT, draws.letters, reads=""),
)
