"""Each parameter acts, is read by clients, or is refused by name; the pages say which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nunatak.errors import InvalidArgument
from nunatak.warehouse.core.parameters import (
    PARAMETERS,
    PREVIEW_PREFIXES,
    Effect,
    Parameter,
    in_force,
    of_statement,
    set_parameter,
    shown_parameters,
    unset_parameter,
)

PAGE = Path(__file__).parents[4] / "docs" / "parameters.md"
FIXED = [name for name, found in PARAMETERS.items() if found.effect is Effect.FIXED]


def taken(parameter: Parameter) -> str:
    """What a parameter takes, as the page says it."""
    if parameter.effect is Effect.FIXED:
        return "the default"
    if isinstance(parameter.allowed, range):
        last = parameter.allowed[-1]
        return f"{parameter.allowed[0]} to {last}" if last < 2**62 else "0 and more"
    if parameter.allowed is not None:
        return ", ".join(parameter.allowed)
    if parameter.name == "TIMEZONE":
        return "a name of the IANA data base"
    return {"BOOLEAN": "TRUE, FALSE", "STRING": "text"}[parameter.type]


def test_the_page_lists_the_parameters() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    assert rows == [
        f"| `{name}` | {found.type} | {_code(found.default)} | {taken(found)} | {found.effect} "
        f"| {found.description} |"
        for name, found in PARAMETERS.items()
    ]
    assert all(f"`{prefix}…`" in PAGE.read_text() for prefix in PREVIEW_PREFIXES)


def _code(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else ""


@pytest.mark.parametrize("name", FIXED)
def test_what_would_not_act_is_refused_by_name(name: str) -> None:
    default = PARAMETERS[name].default
    other: Any = not default if isinstance(default, bool) else 7 if default != 7 else 8
    with pytest.raises(InvalidArgument, match=f"Unsupported: parameter '{name}'"):
        set_parameter({}, name, other if not isinstance(default, str) else "other")
    set_parameter({}, name, default)
    set_parameter({}, name, str(default).upper())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIMEZONE", "Nope/Zone"),
        ("TIMEZONE", ""),
        ("TIMEZONE", "../etc/passwd"),
        ("WEEK_START", 8),
        ("WEEK_START", -1),
        ("WEEK_START", "monday"),
        ("WEEK_OF_YEAR_POLICY", 2),
        ("JSON_INDENT", 17),
        ("ROWS_PER_RESULTSET", -1),
        ("AUTOCOMMIT", "maybe"),
        ("BINARY_OUTPUT_FORMAT", "UTF8"),
        ("BINARY_INPUT_FORMAT", "OCTAL"),
        ("TIMESTAMP_TYPE_MAPPING", "TIMESTAMP"),
        ("MULTI_STATEMENT_COUNT", "x"),
        ("MULTI_STATEMENT_COUNT", True),
        ("CLIENT_PREFETCH_THREADS", 11),
        ("CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", 10),
        ("STATEMENT_TIMEOUT_IN_SECONDS", 0.5),
        ("STATEMENT_TIMEOUT_IN_SECONDS", 604_801),
        ("QUERY_TAG", "x" * 2_001),
        ("DATE_OUTPUT_FORMAT", ""),
        ("DATE_OUTPUT_FORMAT", "YYYY TZH"),
        ("TIME_OUTPUT_FORMAT", "YYYY"),
        ("TIME_OUTPUT_FORMAT", "HH24 tzh:tzm"),
        ("TIMESTAMP_NTZ_OUTPUT_FORMAT", ""),
        ("TIMESTAMP_NTZ_OUTPUT_FORMAT", "YYYY TZH"),
        ("TIMESTAMP_TZ_OUTPUT_FORMAT", "HH24 TZD"),
        ("TIMESTAMP_OUTPUT_FORMAT", "TZD"),
        ("QUERY_RESULT_FORMAT", "ARROW"),
        ("NO_SUCH_PARAMETER", 1),
    ],
)
def test_bad_values_and_unknown_names_are_refused(name: str, value: Any) -> None:
    values: dict[str, Any] = {}
    with pytest.raises(InvalidArgument, match=name):
        set_parameter(values, name, value)
    assert values == {}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("timezone", "Europe/Berlin", "Europe/Berlin"),
        ("WEEK_START", "7", 7),
        ("binary_output_format", "base64", "BASE64"),
        ("AUTOCOMMIT", "off", False),
        ("ROWS_PER_RESULTSET", 10**12, 10**12),
        ("DATE_OUTPUT_FORMAT", "DD-MON-YYYY", "DD-MON-YYYY"),
        ("SPCS_MODEL_X", True, "True"),
        ("feature_y", "on", "on"),
        ("ENABLE_Z", 1, "1"),
    ],
)
def test_values_have_the_type_of_their_parameter(name: str, value: Any, kept: Any) -> None:
    values: dict[str, Any] = {}
    set_parameter(values, name, value)
    assert values == {name.upper(): kept}
    [row] = [row for row in shown_parameters(values) if row.key == name.upper()]
    assert row.level == "SESSION"
    unset_parameter(values, name.lower())
    assert values == {}


def test_parameters_of_previews_are_bounded() -> None:
    values: dict[str, Any] = {}
    with pytest.raises(InvalidArgument, match="UNSET some"):
        for number in range(10_000):
            set_parameter(values, f"FEATURE_{number}", 1)


def test_what_clients_send_beside_a_statement() -> None:
    sent = {"_PLAN_UUID": "x", "week_start": "1", "QUERY_TAG": None, "JSON_INDENT": 4}
    assert of_statement(sent) == {"WEEK_START": 1, "JSON_INDENT": 4}
    with pytest.raises(InvalidArgument, match="JSON_INDENT"):
        of_statement({"JSON_INDENT": "wide"})
    values = in_force({"WEEK_START": 3, "FEATURE_A": "1"}, {"WEEK_START": 1})
    assert values == {name: found.default for name, found in PARAMETERS.items()} | {
        "WEEK_START": 1,
        "FEATURE_A": "1",
    }
