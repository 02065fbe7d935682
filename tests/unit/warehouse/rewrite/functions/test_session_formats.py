"""Casts to text and from text have the forms that the session's parameters say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nunatak.config import Settings
from nunatak.errors import NunatakError
from nunatak.warehouse.warehouse import Warehouse

from ...conftest import Sql, new_session

VALUES = {
    "D": "'2024-03-05'::date",
    "C": "'07:08:09'::time",
    "N": "'2024-03-05 07:08:09.5'::timestamp_ntz",
    "L": "'2024-03-05 07:08:09.5'::timestamp_ltz",
    "B": "to_binary('ff00', 'hex')",
}
USUAL = {
    "D": "2024-03-05",
    "C": "07:08:09",
    "N": "2024-03-05 07:08:09.500",
    "L": "2024-03-05 07:08:09.500 -0800",
    "B": "FF00",
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "cast",
    [
        "({0})::varchar",
        "cast({0} as string)",
        "try_cast({0} as varchar)",
        "to_char({0})",
        "to_varchar({0})",
        "'' || {0}",
        "{0} || ''",
        "concat({0}, '')",
        "listagg({0})",
        "listagg(distinct {0}, ',')",
    ],
)
@pytest.mark.parametrize(
    ("parameters", "texts"),
    [
        ({}, {}),
        ({"DATE_OUTPUT_FORMAT": "AUTO"}, {}),
        ({"DATE_OUTPUT_FORMAT": "DD/MM/YYYY"}, {"D": "05/03/2024"}),
        ({"DATE_OUTPUT_FORMAT": "DD-MON-YYYY"}, {"D": "05-Mar-2024"}),
        ({"TIME_OUTPUT_FORMAT": "HH24.MI"}, {"C": "07.08"}),
        ({"TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY/MM/DD HH24:MI"}, {"N": "2024/03/05 07:08"}),
        ({"TIMESTAMP_OUTPUT_FORMAT": "YYYY/MM/DD"}, {"L": "2024/03/05"}),
        (
            {"TIMESTAMP_OUTPUT_FORMAT": "YYYY", "TIMESTAMP_NTZ_OUTPUT_FORMAT": ""},
            {"L": "2024", "N": "2024"},
        ),
        ({"TIMESTAMP_LTZ_OUTPUT_FORMAT": "HH24:MI"}, {"L": "07:08"}),
        (
            {"TIMESTAMP_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM"},
            {"L": "2024-03-05 07:08:09.500000000 -08:00"},
        ),
        (
            {"TIMESTAMP_NTZ_OUTPUT_FORMAT": 'YYYY-MM-DD"T"HH24:MI:SS.FF!'},
            {"N": "2024-03-05T07:08:09.500000000!"},
        ),
        ({"TIME_OUTPUT_FORMAT": "HH24:MI:SS.FF9!"}, {"C": "07:08:09.000000000!"}),
        ({"BINARY_OUTPUT_FORMAT": "BASE64"}, {"B": "/wA="}),
    ],
)
def test_values_as_text(
    shared: Sql, parameters: dict[str, Any], texts: dict[str, str], cast: str, *, named: bool
) -> None:
    shared.session.parameters = parameters
    columns = ", ".join(cast.format(name if named else value) for name, value in VALUES.items())
    [row] = shared(f"select {columns} from v")
    assert dict(zip(VALUES, row, strict=True)) == USUAL | texts


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sql]:
    """A table with one value of each type."""
    home: Path = tmp_path_factory.mktemp("home")
    warehouse = Warehouse(Settings(home=home))
    warehouse.create_database("DB")
    sql = Sql(warehouse, new_session())
    columns = ", ".join(f"{value} {name}" for name, value in VALUES.items())
    sql(f"create table v as select {columns}, 'aGk=' t")
    yield sql
    warehouse.close()


@pytest.mark.parametrize("text", ["'{}'::binary", "to_binary('{}')", "try_to_binary('{}')"])
@pytest.mark.parametrize(("form", "given"), [("HEX", "6869"), ("BASE64", "aGk="), ("UTF8", "hi")])
def test_text_as_binary(shared: Sql, form: str, given: str, text: str) -> None:
    shared.session.parameters = {"BINARY_INPUT_FORMAT": form}
    assert shared.value(f"select {text.format(given)}") == b"hi"
    if form == "BASE64":
        assert shared.value("select t::binary from v") == b"hi"


def test_a_format_that_cannot_be_written_is_refused(shared: Sql) -> None:
    shared.session.parameters = {"TIMESTAMP_LTZ_OUTPUT_FORMAT": "HH24 TZD"}
    with pytest.raises(NunatakError, match="TZD"):
        shared("select l::varchar from v")
