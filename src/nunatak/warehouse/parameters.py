"""The parameters of a session: their defaults, types and what SHOW PARAMETERS tells of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from nunatak.errors import InvalidArgument

Value = bool | int | str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that a session knows."""

    name: str
    default: Value
    description: str

    @property
    def type(self) -> str:
        """The type's name in SHOW PARAMETERS."""
        if isinstance(self.default, bool):
            return "BOOLEAN"
        return "NUMBER" if isinstance(self.default, int) else "STRING"


def _table(*rows: tuple[str, Value, str]) -> dict[str, Parameter]:
    return {name: Parameter(name, default, text) for name, default, text in rows}


PARAMETERS = _table(
    ("ABORT_DETACHED_QUERY", False, "Cancel the queries of a client that is gone."),
    ("AUTOCOMMIT", True, "Commit each statement that is not inside BEGIN … COMMIT."),
    ("BINARY_INPUT_FORMAT", "HEX", "How text is read as BINARY."),
    ("BINARY_OUTPUT_FORMAT", "HEX", "How BINARY is written as text."),
    ("CLIENT_MEMORY_LIMIT", 1536, "Megabytes that a client may use for results."),
    ("CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX", False, "Look metadata up in the context only."),
    ("CLIENT_PREFETCH_THREADS", 4, "Threads that a client uses to fetch results."),
    ("CLIENT_RESULT_CHUNK_SIZE", 160, "Largest chunk of a result, in megabytes."),
    ("CLIENT_RESULT_COLUMN_CASE_INSENSITIVE", False, "Find result columns in any case."),
    ("CLIENT_SESSION_KEEP_ALIVE", False, "Keep the session open while the client runs."),
    ("CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", 3600, "Seconds between heartbeats."),
    ("CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", 0, "Bound values from which a stage is used."),
    ("CLIENT_TELEMETRY_ENABLED", False, "Clients send usage records."),
    ("CLIENT_TIMESTAMP_TYPE_MAPPING", "TIMESTAMP_LTZ", "Type of timestamps that clients bind."),
    ("DATE_INPUT_FORMAT", "AUTO", "How text is read as DATE."),
    ("DATE_OUTPUT_FORMAT", "YYYY-MM-DD", "How DATE is written as text."),
    ("ENABLE_UNLOAD_PHYSICAL_TYPE_OPTIMIZATION", True, "Choose small types in unloaded files."),
    ("ERROR_ON_NONDETERMINISTIC_MERGE", True, "Refuse a MERGE that matches a row twice."),
    ("ERROR_ON_NONDETERMINISTIC_UPDATE", False, "Refuse an UPDATE that matches a row twice."),
    ("GEOGRAPHY_OUTPUT_FORMAT", "GeoJSON", "How GEOGRAPHY is written."),
    ("JDBC_QUERY_RESULT_FORMAT", "JSON", "Format of results for JDBC clients."),
    ("JDBC_TREAT_DECIMAL_AS_INT", True, "JDBC shows NUMBER without scale as an integer."),
    ("JSON_INDENT", 2, "Blanks by which JSON is indented."),
    ("LOCK_TIMEOUT", 43200, "Seconds to wait for a lock."),
    ("MULTI_STATEMENT_COUNT", 1, "Statements in one request; 0 for any number."),
    ("PYTHON_CONNECTOR_QUERY_RESULT_FORMAT", "ARROW", "Format of results for Python clients."),
    ("PYTHON_SNOWPARK_ENABLE_THREAD_SAFE_SESSION", True, "Snowpark gives each thread a cursor."),
    ("QUERY_RESULT_FORMAT", "ARROW", "Format of results."),
    ("QUERY_TAG", "", "Free text that is kept with each query."),
    ("QUOTED_IDENTIFIERS_IGNORE_CASE", False, "Read quoted identifiers without case."),
    ("ROWS_PER_RESULTSET", 0, "Most rows of a result; 0 for no bound."),
    ("SEARCH_PATH", "$current, $public", "Where unqualified names are looked up."),
    ("STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", 0, "Longest wait of a statement; 0 for none."),
    ("STATEMENT_TIMEOUT_IN_SECONDS", 172800, "Longest run of a statement."),
    ("STRICT_JSON_OUTPUT", False, "Write JSON that every reader takes."),
    ("TIMESTAMP_DAY_IS_ALWAYS_24H", False, "A day has 24 hours in every zone."),
    ("TIMESTAMP_INPUT_FORMAT", "AUTO", "How text is read as a timestamp."),
    ("TIMESTAMP_LTZ_OUTPUT_FORMAT", "", "How TIMESTAMP_LTZ is written as text."),
    ("TIMESTAMP_NTZ_OUTPUT_FORMAT", "YYYY-MM-DD HH24:MI:SS.FF3", "How TIMESTAMP_NTZ is written."),
    ("TIMESTAMP_OUTPUT_FORMAT", "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM", "How timestamps are written."),
    ("TIMESTAMP_TYPE_MAPPING", "TIMESTAMP_NTZ", "The type that TIMESTAMP stands for."),
    ("TIMESTAMP_TZ_OUTPUT_FORMAT", "", "How TIMESTAMP_TZ is written as text."),
    ("TIMEZONE", "America/Los_Angeles", "The time zone of the session."),
    ("TIME_INPUT_FORMAT", "AUTO", "How text is read as TIME."),
    ("TIME_OUTPUT_FORMAT", "HH24:MI:SS", "How TIME is written as text."),
    ("TRANSACTION_ABORT_ON_ERROR", False, "Roll a transaction back when a statement fails."),
    ("TRANSACTION_DEFAULT_ISOLATION_LEVEL", "READ COMMITTED", "Isolation of transactions."),
    ("TWO_DIGIT_CENTURY_START", 1970, "The century of two-digit years."),
    ("UNSUPPORTED_DDL_ACTION", "IGNORE", "What to do with unsupported options."),
    ("USE_CACHED_RESULT", True, "Answer a repeated query from its kept result."),
    ("WEEK_OF_YEAR_POLICY", 0, "How weeks of a year are counted."),
    ("WEEK_START", 0, "First day of a week."),
)


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


def set_parameter(overrides: MutableMapping[str, Any], name: str, value: Any) -> Value:
    """Set a session's parameter from a Python value or its text; answers the typed value;
    raises InvalidArgument."""
    parameter = known(name)
    overrides[parameter.name] = result = typed(parameter, value)
    return result


def unset_parameter(overrides: MutableMapping[str, Any], name: str) -> Value:
    """Return a session's parameter to its default; answers that."""
    parameter = known(name)
    overrides.pop(parameter.name, None)
    return parameter.default


def shown_parameters(overrides: Mapping[str, Any]) -> Iterator[ShownParameter]:
    """All parameters by name, as SHOW PARAMETERS IN SESSION lists them."""
    for parameter in PARAMETERS.values():
        yield ShownParameter(
            parameter.name,
            _shown(overrides.get(parameter.name, parameter.default)),
            _shown(parameter.default),
            "SESSION" if parameter.name in overrides else "",
            parameter.description,
            parameter.type,
        )


def known(name: str) -> Parameter:
    """The parameter of that name, in any case; raises InvalidArgument."""
    parameter = PARAMETERS.get(name.upper())
    if parameter is None:
        raise InvalidArgument(f"Invalid parameter '{name.upper()}'.")
    return parameter


def typed(parameter: Parameter, value: Any) -> Value:
    """A value of the parameter's type; raises InvalidArgument."""
    if isinstance(parameter.default, bool):
        word = str(value).upper()
        if word not in {"TRUE", "FALSE", "1", "0", "ON", "OFF"}:
            raise _invalid(parameter, value)
        return word in {"TRUE", "1", "ON"}
    if isinstance(parameter.default, int):
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise _invalid(parameter, value) from error
    return str(value)


def _invalid(parameter: Parameter, value: Any) -> InvalidArgument:
    return InvalidArgument(
        f"Invalid value [{value}] for parameter '{parameter.name}': it is a {parameter.type}."
    )


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
