"""The typed decoders say of any body what a slow reading, written a second time, says of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.codecs import json_numbers
from nunatak.inference.codecs.json_codec import JsonReader
from nunatak.inference.core.columns import ColumnKind
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.payload import ParsedBody, assemble
from nunatak.inference.core.signature import ModelMethod, SignatureField
from support.front import fields, method
from support.fuzz import examples, mutations
from support.json_reference import Meaning, Wrong, meaning

pytestmark = pytest.mark.fuzz

PARAMS = (
    SignatureField("T", "DOUBLE", ColumnKind.FLOAT64, 0.5),
    SignatureField("mode", "VARCHAR", ColumnKind.TEXT, "fast"),
)
METHODS = [
    method(),
    method(fields(x="DOUBLE")),
    method(params=PARAMS),
    method(fields(A="DOUBLE", i="BIGINT", t="VARCHAR")),
    method(fields(o="BOOLEAN", n="BINARY", s="TIMESTAMP_NTZ"), params=PARAMS[:1]),
    method(fields(j="VARIANT")),
    method(fields(j="OBJECT"), wide=True),
    method(
        (*fields(c="ARRAY"), SignatureField("i", "TINYINT", ColumnKind.INT64, limits=(-128, 127)))
    ),
    method(fields(a="DOUBLE", A="DOUBLE")),
    method(fields(**{'"y"': "DOUBLE", "Z": "BIGINT", "x y": "VARCHAR"}), params=PARAMS),
    method(
        (
            SignatureField("a", "DOUBLE", ColumnKind.FLOAT64, identifier="a"),
            *fields(Ab="DOUBLE", aB="DOUBLE"),
        )
    ),
]
READERS = [JsonReader(each) for each in METHODS]


@pytest.fixture(autouse=True, params=[json_numbers.LEAST_BYTES, 0], scope="module")
def least_bytes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Small bodies, too, are read as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_numbers, "LEAST_BYTES", request.param)
        yield


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
VALUES: dict[ColumnKind, st.SearchStrategy[Any]] = {
    ColumnKind.FLOAT64: st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70),
    ColumnKind.INT64: st.integers(-(2**63), 2**63 - 1)
    | st.integers(-9, 9).map(float)
    | st.sampled_from([2**63, 0.5, 1e300, 9.3e18, -(2**63) - 1]),
    ColumnKind.BOOL: st.booleans(),
    ColumnKind.TEXT: texts,
    ColumnKind.BINARY: st.sampled_from(
        ["", "aGk=", "aGk", "%%", "aGk=aGk=", "aG k=", "////", "-_-_"]
    ),
    ColumnKind.JSON: jsons,
    ColumnKind.TIMESTAMP: st.sampled_from(
        ["2014-01-01", "2014-01-01T10:20:30.123456789", "2014-01-01 10:20:30+02:00",
         "2014-01-01T10:20Z", "1677-12-31", "2262-01-01", "2014-02-30", "2014-01-01T25:00",
         "2014-01-01T10:20:30+25:00", "2014-01-01 10:20:30 -0130", "x"]
    ),
}  # fmt: skip


@st.composite
def documents(draw: st.DrawFn, target: ModelMethod) -> Any:
    """A body that fits a method, or nearly."""
    every = (*target.inputs, *target.params)
    cells = [VALUES[field.kind] | st.none() for field in every]
    cells = [cell | jsons if draw(st.integers(0, 30)) == 0 else cell for cell in cells]
    rows = draw(st.lists(st.tuples(*cells), max_size=4))
    names = [_spelled(draw, field.name) for field in every]
    inputs = len(target.inputs)
    shape = draw(st.sampled_from(["flat", "wide", "split", "records"]))
    if shape == "flat":
        numbers = draw(st.lists(_numbers, min_size=len(rows), max_size=len(rows)))
        return {"data": [[n, *row] for n, row in zip(numbers, rows, strict=True)]}
    if shape == "wide":
        objects = [
            dict(zip(names, row, strict=True))
            | ({_spelled(draw, every[0].name): 1.0} if more else {})
            for row, more in zip(rows, draw(_doubled(len(rows))), strict=True)
        ]
        return {"data": [[n, row] for n, row in enumerate(objects)]}
    more = {}
    if draw(st.booleans()):
        more["params"] = draw(
            st.none() | st.fixed_dictionaries({}, optional=dict(zip(names, cells, strict=True)))
        )
    order = draw(st.permutations(range(inputs)))
    columns = [names[place] for place in order]
    if shape == "split":
        table = [[row[place] for place in order] for row in rows]
        return {"dataframe_split": {"columns": columns, "data": table}, **more}
    records = [{names[place]: row[place] for place in order} for row in rows]
    return {"dataframe_records": records, **more}


_numbers = (
    st.integers(0, 9)
    | st.integers(-(2**64), 2**64)
    | st.sampled_from([True, False, 1.0, -0.0, 7e3, 0.5, 2.0**62, 2.0**63, -(2.0**63), 1e300, "1"])
    | st.none()
)


def _doubled(rows: int) -> st.SearchStrategy[list[bool]]:
    """Which rows name a column that is there already, in some spelling."""
    return st.lists(st.integers(0, 9).map(lambda n: n == 0), min_size=rows, max_size=rows)


def _spelled(draw: st.DrawFn, name: str) -> str:
    if draw(st.integers(0, 5)):
        return name
    return draw(st.sampled_from([name.upper(), name.lower(), f'"{name}"', name + "x", name[1:-1]]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, bytes]:
    """A method and a body that may be meant for it."""
    place = draw(st.integers(0, len(METHODS) - 1))
    document = draw(documents(METHODS[place]))
    if draw(st.integers(0, 5)) == 0 and document:
        document[draw(st.sampled_from(["data", "params", "extra_columns", "x"]))] = draw(jsons)
    return place, json.dumps(document).encode()


def said(parsed: ParsedBody, target: ModelMethod) -> Meaning:
    """The rows with their parameters, as Python values."""
    rows: list[list[Any]] = []
    for block in parsed.blocks:
        if block.rows:
            columns = [column.to_list() for column in assemble([block]).columns]
            rows += (list(row) for row in zip(*columns, strict=True))
    floats = [field.kind is ColumnKind.FLOAT64 for field in (*target.inputs, *target.params)]
    plain = [
        [None if is_float and value != value else value
         for is_float, value in zip(floats, row, strict=True)]
        for row in rows
    ]  # fmt: skip
    return plain, list(range(parsed.rows)) if parsed.numbers is None else parsed.numbers


def agree(place: int, body: bytes) -> None:
    """Both refuse, or both say the same."""
    target = METHODS[place]
    try:
        wanted = meaning(body, target)
    except Wrong:
        wanted = None
    try:
        got = said(READERS[place].read(body), target)
    except BadInput:
        got = None
    assert repr(got) == repr(wanted), f"{target.inputs} {target.params}"


@examples(400)
@given(cases())
def test_bodies_are_read_as_the_reference_reads_them(case: tuple[int, bytes]) -> None:
    agree(*case)


@examples(200)
@given(cases().flatmap(lambda case: st.tuples(st.just(case[0]), mutations(case[1]))))
def test_damaged_bodies_are_read_alike_or_refused(case: tuple[int, bytes]) -> None:
    agree(*case)


def test_the_reference_can_disagree() -> None:
    assert meaning(b'{"data": [[3, 1, 2.5]]}', METHODS[0]) == ([[1.0, 2.5]], [3])
    with pytest.raises(Wrong):
        meaning(b'{"data": [[3, 1]]}', METHODS[0])
