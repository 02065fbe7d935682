"""The engine's errors in the vendor's words."""

from __future__ import annotations

import re
from collections.abc import Callable

from nunatak.errors import (
    DiskFull,
    InvalidArgument,
    InvalidIdentifier,
    NullRefused,
    NunatakError,
    ObjectExists,
    ObjectNotFound,
    QueryCancelled,
    QueryFailed,
    SyntaxInvalid,
    Unsupported,
)

_PREFIX = re.compile(r"^(Invalid|IO|IOError|[A-Za-z ]+) Error: ")
_COMPILATION = "SQL compilation error:\n"
_DEEP_JSON = "Error parsing JSON: the value is nested too deeply"
TOO_DEEP = (
    f"{_COMPILATION}The statement is nested too deeply: write at most 30 levels of parentheses, "
    "functions, CASE and queries inside of each other, and 900 operators or set operations in a "
    "row."
)
"""What is always understood; somewhat more may be."""


def _missing_table(match: re.Match[str]) -> NunatakError:
    return ObjectNotFound("Object", _visible(match[1]))


def _missing_column(match: re.Match[str]) -> NunatakError:
    return InvalidIdentifier(f"{_COMPILATION}invalid identifier '{match[1]}'")


def _unknown_function(match: re.Match[str]) -> NunatakError:
    return Unsupported(f"{_COMPILATION}Unknown function {match[1].upper()}.")


def _uncastable(match: re.Match[str]) -> NunatakError:
    kind = match[2].upper()
    if kind.startswith(("INT", "DOUBLE", "DECIMAL", "HUGEINT", "FLOAT")):
        return QueryFailed(f"Numeric value '{match[1]}' is not recognized")
    if kind.startswith("BOOL"):
        return QueryFailed(f"Boolean value '{match[1]}' is not recognized")
    return QueryFailed(f"Value '{match[1]}' cannot be read as {kind}.")


def _rule(
    pattern: str, make: Callable[[re.Match[str]], NunatakError]
) -> tuple[re.Pattern[str], Callable[[re.Match[str]], NunatakError]]:
    return re.compile(pattern, re.DOTALL), make


def _ended_source(_: re.Match[str]) -> NunatakError:
    return Unsupported(
        "Unsupported: a view over a call of a model, staged files or INFORMATION_SCHEMA. "
        "What it read ended with the statement that made it: drop the view, and keep such rows "
        "with CREATE TABLE … AS SELECT."
    )


def _unreadable(match: re.Match[str]) -> NunatakError:
    place = f"Line {match[1]} of a file" if match[1] else "A file"
    return QueryFailed(
        f"{place} cannot be read with the options of its file format: check "
        "FIELD_DELIMITER, FIELD_OPTIONALLY_ENCLOSED_BY, ESCAPE and ENCODING."
    )


def _other_columns(match: re.Match[str]) -> NunatakError:
    return QueryFailed(
        f"Number of columns in file ({match[3]}) does not match that of the corresponding table "
        f"({match[2]}), in line {match[1]}. For lines with fewer columns use the file format "
        "option error_on_column_count_mismatch=false; of lines with more, correct the file."
    )


_RULES = (
    _rule(
        r"CSV Error on Line: (\d+)\n.*Expected Number of Columns: (\d+) Found: (\d+)",
        _other_columns,
    ),
    _rule(r"CSV Error on Line: (\d+)|Error when sniffing file", _unreadable),
    _rule(r'with name "?__NUNATAK_', _ended_source),
    _rule(r"No space left on device|Disk quota exceeded", lambda _: DiskFull("the statement")),
    _rule(r'(?:Table|View) with name "?([^\n]+?)"? does not exist', _missing_table),
    _rule(r'Function with name "?([^" ]+)"? does not exist', _unknown_function),
    _rule(
        r'Schema with name "?([^\n]+?)"? does not exist',
        lambda match: ObjectNotFound("Schema", _visible(match[1])),
    ),
    _rule(
        r'(?:Table|View|Schema|Sequence) with name "?([^\n]+?)"? already exists',
        lambda match: ObjectExists("Object", _visible(match[1])),
    ),
    _rule(r'Referenced (?:column|table) "([^\n]+?)" (?:was )?not found', _missing_column),
    _rule(r"Referenced column ([^\n]+?) not found", _missing_column),
    _rule(r"Referenced update column ([^\n]+?) not found", _missing_column),
    _rule(r'does not have a column (?:named|with name) "([^\n]+?)"', _missing_column),
    _rule(
        r'Ambiguous reference to column name "([^\n]+?)"',
        lambda match: InvalidIdentifier(f"{_COMPILATION}ambiguous column name '{match[1]}'"),
    ),
    _rule(r"Could not convert string ['\"](.*?)['\"] to (\w+)", _uncastable),
    _rule(
        r'date field value out of range: "(.*?)"|invalid date field format: "(.*?)"',
        lambda match: QueryFailed(f"Date '{match[1] or match[2]}' is not recognized"),
    ),
    _rule(
        r'timestamp field value out of range: "(.*?)"|invalid timestamp field format: "(.*?)"',
        lambda match: QueryFailed(f"Timestamp '{match[1] or match[2]}' is not recognized"),
    ),
    _rule(
        r"NOT NULL constraint failed: [^\n]*?([^.\n]+)$",
        lambda match: NullRefused(f"NULL result in a non-nullable column: {match[1]}"),
    ),
    _rule(
        r"Malformed JSON[^:]*: ([^\n]*)",
        lambda match: QueryFailed(f"Error parsing JSON: {match[1]}"),
    ),
    _rule(
        r'Could not parse string "([^\n]*?)" according to format',
        lambda match: QueryFailed(f"Can't parse '{match[1]}' with the format that is given"),
    ),
    _rule(
        r"executing the UDF: \w+: ([^\n]*)",
        lambda match: QueryFailed(match[1]),
    ),
    _rule(
        r"failed to (?:allocate|pin|offload)|[Oo]ut of [Mm]emory|could not allocate",
        lambda _: QueryFailed(
            "The statement needs more memory than this server has for statements: read fewer rows "
            "or smaller values."
        ),
    ),
    _rule(
        r"(?:No function matches the given name and argument types '|Macro |"
        r"Could not choose a best candidate function for the function call \")(?:nk_)?(.+?)\(",
        lambda match: QueryFailed(
            f"{_COMPILATION}Invalid argument types for function '{match[1].upper()}': give it "
            "other arguments, or cast them."
        ),
    ),
    _rule(
        r"Star expression .* resulted in an empty set",
        lambda _: QueryFailed(f"{_COMPILATION}SELECT with no columns: the star stands for none."),
    ),
    _rule(r"JSON exceeds maximum recursion depth", lambda _: QueryFailed(_DEEP_JSON)),
    _rule(r"Max expression depth limit", lambda _: SyntaxInvalid(TOO_DEEP)),
    _rule(
        r"Current transaction is aborted",
        lambda _: QueryFailed("A statement of this transaction failed: ROLLBACK, then repeat it."),
    ),
    _rule(
        r"Conflict on|write-write conflict|Transaction conflict",
        lambda _: QueryFailed(
            "The statement was stopped because another one changed the same rows or objects at "
            "the same time: repeat it."
        ),
    ),
    _rule(
        r"can only write to a single attached database",
        lambda _: Unsupported(
            "One transaction cannot write to tables of two databases, or to permanent and "
            "temporary tables: commit between them."
        ),
    ),
    _rule(
        r'column "([^\n]+?)" must appear in the GROUP BY clause',
        lambda match: QueryFailed(f"{_COMPILATION}'{match[1]}' is not a valid group by expression"),
    ),
    _rule(
        r"has (\d+) columns but (\d+) values were supplied",
        lambda match: QueryFailed(
            f"{_COMPILATION}Insert value list does not match column list expecting {match[1]} "
            f"but got {match[2]}"
        ),
    ),
    _rule(
        r"More than one row returned by a subquery",
        lambda _: QueryFailed("Single-row subquery returns more than one row."),
    ),
)
_ADVICE = re.compile(r"\n\nLINE |\n?Candidate|You might need to| - an explicit cast|\bnk_")
_OWN_TYPES = re.compile(
    r"\b(?:INTEGER_LITERAL|STRING_LITERAL|U?HUGEINT|U?INT128|UBIGINT)\b|TIMESTAMP WITH TIME ZONE"
)
_VENDOR_TYPES = {"STRING_LITERAL": "VARCHAR", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ"}
_INTERNAL_PREFIX = re.compile(r"^_NUNATAK_[^.]*\.MAIN\.", re.IGNORECASE)


def engine_error(kind: str, text: str) -> NunatakError:
    """The error of our tree for one of the engine, by its class name and message."""
    if kind == "InterruptException" or text.startswith("INTERRUPT"):
        return QueryCancelled("SQL execution canceled")
    for pattern, make in _RULES:
        match = pattern.search(text)
        if match:
            return make(match)
    plain = _plain(text)
    if kind == "ParserException":
        return SyntaxInvalid(f"{_COMPILATION}{plain}")
    if kind in {"BinderException", "CatalogException"}:
        return QueryFailed(f"{_COMPILATION}{plain}")
    if kind == "NotImplementedException":
        return Unsupported(f"Unsupported: {plain}")
    if kind == "PermissionException":
        return InvalidArgument("Files of the server cannot be read or written: use a stage.")
    return QueryFailed(plain)


def _plain(text: str) -> str:
    """The engine's words without its place in our text of the statement, without its advice, and
    with the vendor's types."""
    said = _ADVICE.split(_PREFIX.sub("", text))[0].strip()
    return _OWN_TYPES.sub(lambda found: _VENDOR_TYPES.get(found[0], "NUMBER"), said)


def _visible(name: str) -> str:
    return _INTERNAL_PREFIX.sub("", name.replace('"."', ".")).strip('"')
