"""An answer becomes what its method declares, or is refused with the name of its output."""

from typing import Any

import numpy as np
import pytest

from nunatak.inference.codecs.answers import BatchOutputs
from nunatak.inference.codecs.declared import as_declared
from nunatak.inference.core.columns import DTYPES, Column, ColumnKind, Columns
from nunatak.inference.core.errors import ModelError
from support.front import fields

MOMENT = np.datetime64("2024-01-02T03:04:05", "ns")
ANSWERS: dict[str, Column] = {
    "float": Column("y", ColumnKind.FLOAT64, np.array([1.5])),
    "float32": Column("y", ColumnKind.FLOAT32, np.array([1.5], np.float32)),
    "whole float": Column("y", ColumnKind.FLOAT64, np.array([2.0])),
    "infinite": Column("y", ColumnKind.FLOAT64, np.array([np.inf])),
    "int": Column("y", ColumnKind.INT64, np.array([3])),
    "short": Column("y", ColumnKind.INT8, np.array([3], np.int8)),
    "truth": Column("y", ColumnKind.BOOL, np.array([True])),
    "word": Column("y", ColumnKind.TEXT, ["high"]),
    "number in text": Column("y", ColumnKind.TEXT, ["1.5"]),
    "text of a time": Column("y", ColumnKind.TEXT, ["2024-01-02 03:04:05"]),
    "bytes": Column("y", ColumnKind.BINARY, [b"\0\xff"]),
    "time": Column("y", ColumnKind.TIMESTAMP, np.array([MOMENT])),
    "list": Column("y", ColumnKind.JSON, [[1, 2.5]]),
    "object": Column("y", ColumnKind.JSON, [{"a": None}]),
    "number in JSON": Column("y", ColumnKind.JSON, [2.5]),
    "huge": Column("y", ColumnKind.JSON, [2**70]),
}
FITTING: dict[str, dict[str, Any]] = {
    "DOUBLE": {
        "float": 1.5,
        "float32": 1.5,
        "whole float": 2.0,
        "infinite": np.inf,
        "int": 3.0,
        "short": 3.0,
        "number in JSON": 2.5,
        "huge": 2.0**70,
    },
    "NUMBER(38,0)": {"whole float": 2, "int": 3, "short": 3},
    "BOOLEAN": {"truth": True},
    "VARCHAR": {
        "word": "high",
        "number in text": "1.5",
        "text of a time": "2024-01-02 03:04:05",
    },
    "BINARY": {"bytes": b"\0\xff"},
    "TIMESTAMP_NTZ": {"time": MOMENT, "text of a time": MOMENT},
    "ARRAY": {"list": [1, 2.5]},
    "OBJECT": {"object": {"a": None}},
    "VARIANT": {
        "float": 1.5,
        "float32": 1.5,
        "whole float": 2.0,
        "infinite": np.inf,
        "int": 3,
        "short": 3,
        "truth": True,
        "word": "high",
        "number in text": "1.5",
        "text of a time": "2024-01-02 03:04:05",
        "list": [1, 2.5],
        "object": {"a": None},
        "number in JSON": 2.5,
        "huge": 2**70,
    },
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("sql_type", FITTING)
def test_an_answer_is_of_its_declared_type_or_refused(sql_type: str, answer: str) -> None:
    given = Columns((ANSWERS[answer],), 1)
    outputs = fields(y=sql_type)
    if answer not in FITTING[sql_type]:
        with pytest.raises(ModelError, match=r"for the output 'y' \(") as caught:
            as_declared(given, outputs)
        assert sql_type in caught.value.message
        return
    found = as_declared(given, outputs).columns[0]
    assert found.to_list() == [FITTING[sql_type][answer]]
    assert found.name == "y"


@pytest.mark.parametrize("sql_type", FITTING)
@pytest.mark.parametrize(
    "kind", [ColumnKind.FLOAT64, ColumnKind.JSON, ColumnKind.TEXT, ColumnKind.INT64]
)
def test_what_is_missing_fits_every_type(sql_type: str, kind: ColumnKind) -> None:
    nulls = np.array([True, True])
    values: Any = np.zeros(2, DTYPES[kind]) if kind in DTYPES else [None, None]
    found = as_declared(Columns((Column("y", kind, values, nulls),), 2), fields(y=sql_type))
    assert BatchOutputs(found).to_json(0, 2, None) == b'{"data":[[0,{"y":null}],[1,{"y":null}]]}'


def test_whole_numbers_stay_whole_where_some_are_missing() -> None:
    column = Column("y", ColumnKind.FLOAT64, np.array([np.nan, 7.0]), np.array([True, False]))
    found = as_declared(Columns((column,), 2), fields(y="BIGINT")).columns[0]
    assert (found.kind, found.to_list()) == (ColumnKind.INT64, [None, 7])


def test_outputs_come_by_name_in_order_and_no_others() -> None:
    answer = Columns(
        tuple(Column(name, ColumnKind.INT64, np.array([at])) for at, name in enumerate("cab")), 1
    )
    assert as_declared(answer, fields(a="BIGINT", b="BIGINT")).names == ("a", "b")
    with pytest.raises(ModelError, match="lacks the output 'd'; it has 'c', 'a', 'b'"):
        as_declared(answer, fields(a="BIGINT", d="BIGINT"))


def test_a_single_output_has_its_declared_name() -> None:
    answer = Columns((Column("x", ColumnKind.FLOAT64, np.array([1.0])),), 1)
    assert as_declared(answer, fields(y="DOUBLE")).names == ("y",)


def test_what_fits_is_not_made_again() -> None:
    answer = Columns((ANSWERS["float"], Column("z", ColumnKind.INT8, np.array([1], np.int8))), 1)
    assert as_declared(answer, fields(y="DOUBLE", z="BIGINT")) is answer
    assert as_declared(answer, ()) is answer


def test_infinite_numbers_are_told_from_missing_ones_in_json() -> None:
    values = np.array([np.inf, -np.inf, 0.0, 1.5])
    nulls = np.array([False, False, True, False])
    shown = [b'"Infinity"', b'"-Infinity"', b"null", b"1.5"]
    for kind in (ColumnKind.FLOAT64, ColumnKind.FLOAT32):
        column = Column("y", kind, values.astype(DTYPES[kind]), nulls)
        rows = b",".join(b'[%d,{"y":%b}]' % (at, text) for at, text in enumerate(shown))
        assert (
            BatchOutputs(Columns((column,), 4)).to_json(0, 4, None) == b'{"data":[' + rows + b"]}"
        )


def test_an_object_that_is_all_that_is_known_stands_for_every_column() -> None:
    answer = Columns((ANSWERS["float"], Column("z", ColumnKind.TEXT, ["a"])), 1)
    assert as_declared(answer, fields(predict="OBJECT")) is answer
