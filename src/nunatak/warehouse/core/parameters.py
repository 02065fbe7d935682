"""The parameters of a session and of a statement: names, values, and what each of them does.

`PARAMETERS` is the only list: SHOW PARAMETERS, what clients are told, and docs/parameters.md are
made from it. A parameter that is not in it, or a value that would change nothing where it should,
is refused.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nunatak.catalog.sqltypes import TypeKind
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.warehouse.core.format_elements import parts, refuse_others

Value = bool | int | str
_LONGEST_TEXT_CHARS = 2_000
_PREVIEWS_LIMIT = 200


class Effect(StrEnum):
    """The effect of setting a parameter."""

    ACTS = "acts"
    CLIENTS = "clients read it"
    FIXED = "only its default is taken"
    NONE = "accepted, without effect"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a session knows. `allowed` are the numbers or words that it takes; None for
    any of its type."""

    name: str
    default: Value
    effect: Effect
    description: str
    allowed: range | tuple[str, ...] | None = None

    @property
    def type(self) -> str:
        """The type's name in SHOW PARAMETERS."""
        if isinstance(self.default, bool):
            return "BOOLEAN"
        return "NUMBER" if isinstance(self.default, int) else "STRING"


def _table(effect: Effect, *rows: tuple[Any, ...]) -> dict[str, Parameter]:
    made = (
        Parameter(name, default, effect, text, *allowed) for name, default, text, *allowed in rows
    )
    return {parameter.name: parameter for parameter in made}


OUTPUT_FORMATS = {
    TypeKind.DATE: "DATE_OUTPUT_FORMAT",
    TypeKind.TIME: "TIME_OUTPUT_FORMAT",
    TypeKind.TIMESTAMP_NTZ: "TIMESTAMP_NTZ_OUTPUT_FORMAT",
    TypeKind.TIMESTAMP_LTZ: "TIMESTAMP_LTZ_OUTPUT_FORMAT",
    TypeKind.TIMESTAMP_TZ: "TIMESTAMP_TZ_OUTPUT_FORMAT",
}
ANY_TIMESTAMP = "TIMESTAMP_OUTPUT_FORMAT"
_FORMATS = ("JSON", "ARROW", "ARROW_FORCE")
_TIMESTAMPS = ("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ")

_ACTING = _table(
    Effect.ACTS,
    ("AUTOCOMMIT", True, "Commit each statement that is not inside BEGIN … COMMIT."),
    ("BINARY_INPUT_FORMAT", "HEX", "How text is read as BINARY.", ("HEX", "BASE64", "UTF8")),
    ("BINARY_OUTPUT_FORMAT", "HEX", "How BINARY is written as text.", ("HEX", "BASE64")),
    ("DATE_OUTPUT_FORMAT", "YYYY-MM-DD", "How DATE is written as text."),
    ("GO_QUERY_RESULT_FORMAT", "ARROW", "Format of results for Go clients.", _FORMATS),
    ("JDBC_QUERY_RESULT_FORMAT", "JSON", "Format of results for JDBC clients.", _FORMATS),
    ("JSON_INDENT", 0, "Blanks by which VARIANT, OBJECT, ARRAY are indented.", range(17)),
    ("MULTI_STATEMENT_COUNT", 1, "Statements in one request; 0 for any number.", range(1_001)),
    (
        "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT",
        "ARROW",
        "Format of results for Python clients.",
        _FORMATS,
    ),
    ("QUOTED_IDENTIFIERS_IGNORE_CASE", False, "Read quoted identifiers without case."),
    ("ROWS_PER_RESULTSET", 0, "Most rows of a result; 0 for no bound.", range(2**63)),
    ("STATEMENT_TIMEOUT_IN_SECONDS", 172_800, "Longest run of a statement.", range(604_801)),
    ("TIMESTAMP_LTZ_OUTPUT_FORMAT", "", "How TIMESTAMP_LTZ is written as text."),
    ("TIMESTAMP_NTZ_OUTPUT_FORMAT", "YYYY-MM-DD HH24:MI:SS.FF3", "How TIMESTAMP_NTZ is written."),
    ("TIMESTAMP_OUTPUT_FORMAT", "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM", "How timestamps are written."),
    ("TIMESTAMP_TYPE_MAPPING", "TIMESTAMP_NTZ", "The type that TIMESTAMP stands for.", _TIMESTAMPS),
    ("TIMESTAMP_TZ_OUTPUT_FORMAT", "", "How TIMESTAMP_TZ is written as text."),
    ("TIMEZONE", "America/Los_Angeles", "The time zone of the session."),
    ("TIME_OUTPUT_FORMAT", "HH24:MI:SS", "How TIME is written as text."),
    (
        "WEEK_OF_YEAR_POLICY",
        0,
        "Week 1: 0 ISO's or the first of four days, 1 1 January's.",
        range(2),
    ),
    ("WEEK_START", 0, "First day of a week: 1 Monday … 7 Sunday; 0 as ISO has it.", range(8)),
)
_READ_BY_CLIENTS = _table(
    Effect.CLIENTS,
    ("CLIENT_MEMORY_LIMIT", 1_536, "Megabytes for results.", range(100, 1_000_001)),
    ("CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX", False, "Look metadata up in the context only."),
    ("CLIENT_PREFETCH_THREADS", 4, "Threads that fetch results.", range(1, 11)),
    ("CLIENT_RESULT_COLUMN_CASE_INSENSITIVE", False, "Find result columns in any case."),
    ("CLIENT_SESSION_KEEP_ALIVE", False, "Keep the session open while the client runs."),
    (
        "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY",
        3_600,
        "Seconds between heartbeats.",
        range(900, 3_601),
    ),
    ("CLIENT_TELEMETRY_ENABLED", False, "Clients send usage records."),
    (
        "CLIENT_TIMESTAMP_TYPE_MAPPING",
        "TIMESTAMP_LTZ",
        "Type of timestamps that clients bind.",
        _TIMESTAMPS[:2],
    ),
    ("JDBC_TREAT_DECIMAL_AS_INT", True, "JDBC shows NUMBER without scale as an integer."),
    ("JDBC_TREAT_TIMESTAMP_NTZ_AS_UTC", False, "JDBC reads TIMESTAMP_NTZ in UTC."),
    ("JDBC_USE_SESSION_TIMEZONE", True, "JDBC shows moments in the session's zone."),
    ("JS_TREAT_INTEGER_AS_BIGINT", False, "Node reads integers as BigInt."),
    ("PYTHON_SNOWPARK_ENABLE_THREAD_SAFE_SESSION", True, "Snowpark gives each thread a cursor."),
)
_FIXED = _table(
    Effect.FIXED,
    ("ABORT_DETACHED_QUERY", False, "Cancel the queries of a client that is gone."),
    ("CLIENT_RESULT_CHUNK_SIZE", 160, "Largest chunk of a result, in megabytes."),
    ("CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", 0, "Bound values from which a stage is used."),
    ("DATE_INPUT_FORMAT", "AUTO", "How text is read as DATE."),
    ("ENABLE_UNLOAD_PHYSICAL_TYPE_OPTIMIZATION", True, "Choose small types in unloaded files."),
    ("ERROR_ON_NONDETERMINISTIC_MERGE", True, "Refuse a MERGE that matches a row twice."),
    ("ERROR_ON_NONDETERMINISTIC_UPDATE", False, "Refuse an UPDATE that matches a row twice."),
    ("GEOGRAPHY_OUTPUT_FORMAT", "GeoJSON", "How GEOGRAPHY is written."),
    ("GEOMETRY_OUTPUT_FORMAT", "GeoJSON", "How GEOMETRY is written."),
    ("LOCK_TIMEOUT", 43_200, "Seconds to wait for a lock."),
    ("SEARCH_PATH", "$current, $public", "Where unqualified names are looked up."),
    ("STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", 0, "Longest wait of a statement; 0 for none."),
    ("TIMESTAMP_INPUT_FORMAT", "AUTO", "How text is read as a timestamp."),
    ("TIMESTAMP_DAY_IS_ALWAYS_24H", False, "A day has 24 hours in every zone."),
    ("TIME_INPUT_FORMAT", "AUTO", "How text is read as TIME."),
    ("TRANSACTION_ABORT_ON_ERROR", False, "Roll a transaction back when a statement fails."),
    ("TRANSACTION_DEFAULT_ISOLATION_LEVEL", "READ COMMITTED", "Isolation of transactions."),
    ("TWO_DIGIT_CENTURY_START", 1970, "The century of two-digit years."),
    ("UNSUPPORTED_DDL_ACTION", "IGNORE", "What to do with unsupported options."),
)
_WITHOUT_EFFECT = _table(
    Effect.NONE,
    (
        "ALLOW_CALLING_MODEL_SERVING_FUNCTIONS_OUTSIDE_UI",
        True,
        "Model functions may be called from anywhere.",
    ),
    ("QUERY_TAG", "", "Free text for the query history, which is not kept."),
    ("STRICT_JSON_OUTPUT", False, "Write JSON that every reader takes, which is always so."),
    ("USE_CACHED_RESULT", True, "Answer from an earlier result, which never happens."),
)
PARAMETERS = dict(sorted((_ACTING | _READ_BY_CLIENTS | _FIXED | _WITHOUT_EFFECT).items()))
PREVIEW_PREFIXES = ("ENABLE_", "FEATURE_", "PYTHON_SNOWPARK_", "SPCS_MODEL_")
"""Parameters of features in preview begin so: accepted, shown, without effect."""


@dataclass(frozen=True, slots=True)
class ShownParameter:
    """A row of SHOW PARAMETERS."""

    key: str
    value: str
    default: str
    level: str
    """Empty for the default, else SESSION."""
    description: str
    type: str


def set_parameter(overrides: MutableMapping[str, Any], name: str, value: Any) -> None:
    """Set a session's parameter from a Python value or its text; raises InvalidArgument."""
    parameter = known(name)
    found = typed(parameter, value)
    if parameter.name not in PARAMETERS and len(overrides) >= _PREVIEWS_LIMIT:
        raise InvalidArgument(
            f"Parameter '{parameter.name}' cannot be set: the session has {_PREVIEWS_LIMIT} "
            "parameters. UNSET some."
        )
    overrides[parameter.name] = found


def unset_parameter(overrides: MutableMapping[str, Any], name: str) -> None:
    """Return a session's parameter to its default; raises InvalidArgument."""
    overrides.pop(known(name).name, None)


def shown_parameters(overrides: Mapping[str, Any]) -> Iterator[ShownParameter]:
    """All parameters by name, as SHOW PARAMETERS IN SESSION lists them."""
    for name in sorted({*PARAMETERS, *overrides}):
        parameter = known(name)
        yield ShownParameter(
            name,
            _shown(overrides.get(name, parameter.default)),
            _shown(parameter.default),
            "SESSION" if name in overrides else "",
            parameter.description,
            parameter.type,
        )


def of_statement(given: Mapping[str, Any]) -> dict[str, Value]:
    """The parameters among those that a client sent beside a statement: clients send many others,
    which mean nothing to a server. Raises InvalidArgument for a bad value."""
    found: dict[str, Value] = {}
    for name, value in given.items():
        if value is not None and str(name).upper() in PARAMETERS:
            set_parameter(found, str(name), value)
    return found


def of_login(given: Mapping[str, Any]) -> dict[str, Value]:
    """The parameters that a login sets, those of previews too; raises InvalidArgument."""
    found = of_statement(given)
    for name, value in given.items():
        upper = str(name).upper()
        if value is not None and upper not in found and upper.startswith(PREVIEW_PREFIXES):
            set_parameter(found, upper, value)
    return found


def in_force(*overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter with its value, the later of the given ones before the earlier ones."""
    values: dict[str, Any] = {name: found.default for name, found in PARAMETERS.items()}
    for given in overrides:
        values.update(given)
    return values


def known(name: str) -> Parameter:
    """The parameter of that name, in any case; raises InvalidArgument."""
    upper = name.upper()
    parameter = PARAMETERS.get(upper)
    if parameter is not None:
        return parameter
    if upper.startswith(PREVIEW_PREFIXES):
        return Parameter(upper, "", Effect.NONE, "Of a feature in preview; without effect.")
    raise InvalidArgument(f"SQL compilation error:\ninvalid property '{upper}' for 'SESSION'")


def typed(parameter: Parameter, value: Any) -> Value:
    """A value of the parameter's type that it takes; raises InvalidArgument."""
    found = _of_type(parameter, value)
    if parameter.effect is Effect.FIXED and found != parameter.default:
        raise InvalidArgument(
            f"Unsupported: parameter '{parameter.name}' with the value [{value}]: it can only be "
            f"{_shown(parameter.default)}."
        )
    if parameter.name == "TIMEZONE" and found not in zoneinfo.available_timezones():
        raise _invalid(parameter, value, "the name of a time zone, such as Europe/Berlin or UTC")
    if parameter.name in OUTPUT_FORMATS.values() or parameter.name == ANY_TIMESTAMP:
        _check_format(parameter, str(found))
    allowed = parameter.allowed
    if allowed is not None and found not in allowed:
        is_range = isinstance(allowed, range)
        words = f"{allowed[0]} to {allowed[-1]}" if is_range else ", ".join(map(str, allowed))
        raise _invalid(parameter, value, words)
    return found


def _check_format(parameter: Parameter, form: str) -> None:
    """Raise InvalidArgument for a format that could write no value, so that what is set does not
    fail every later statement."""
    if not form and parameter.default:
        raise _invalid(parameter, form, "a format, or AUTO")
    kinds = {name: kind for kind, name in OUTPUT_FORMATS.items()}
    try:
        refuse_others(form, parts(form), kinds.get(parameter.name, TypeKind.TIMESTAMP_LTZ))
    except Unsupported as error:
        raise InvalidArgument(f"Parameter '{parameter.name}': {error.args[0]}") from error


def _of_type(parameter: Parameter, value: Any) -> Value:
    if isinstance(parameter.default, bool):
        word = str(value).upper()
        if word not in {"TRUE", "FALSE", "1", "0", "ON", "OFF"}:
            raise _invalid(parameter, value, "TRUE or FALSE")
        return word in {"TRUE", "1", "ON"}
    if isinstance(parameter.default, int):
        try:
            if isinstance(value, bool | float):
                raise ValueError(value)
            return int(value)
        except (TypeError, ValueError) as error:
            raise _invalid(parameter, value, "a whole number") from error
    text = str(value)
    if len(text) > _LONGEST_TEXT_CHARS:
        raise _invalid(parameter, text[:20] + "…", f"at most {_LONGEST_TEXT_CHARS} characters")
    is_word = isinstance(parameter.allowed, tuple) or parameter.effect is Effect.FIXED
    if is_word and text.upper() == str(parameter.default).upper():
        return parameter.default
    return text.upper() if isinstance(parameter.allowed, tuple) else text


def _invalid(parameter: Parameter, value: Any, expected: str) -> InvalidArgument:
    return InvalidArgument(
        f"SQL compilation error:\ninvalid value [{value}] for parameter '{parameter.name}': "
        f"it is {expected}."
    )


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
