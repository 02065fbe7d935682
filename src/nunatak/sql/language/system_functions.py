"""CALL and SELECT of one function that is written here: SYSTEM$…, and functions of services."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import CheckedInside
from nunatak.catalog.names import quoted
from nunatak.catalog.sqltypes import BOOLEAN, FLOAT, NUMBER, TEXT, SqlType
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.sql.language.functions import (
    Function,
    find_function,
    find_method,
    is_system_function,
)
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, Modifiers, Prepared, Statement, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean
from nunatak.warehouse.core.results import Field, Result, rows_result

_NAME_TOKENS = 5
"""Of a name with three parts and the dots between them."""
_NUMBER = re.compile(r"-?\d{1,38}\Z")
_DECIMAL = re.compile(r"-?\d*\.\d+(?:[eE][-+]?\d+)?\Z")
CALL_NEEDS = (
    CheckedInside(why="each function declares it", privileges=("what the function needs",)),
)


@dataclass(frozen=True, kw_only=True)
class CallSystemFunction:
    """CALL or SELECT … [AS name] of SYSTEM$F(…), or of a service's function s!F(…)."""

    function: Function
    arguments: tuple[Any, ...]
    column: str

    @property
    def fields(self) -> tuple[Field, ...]:
        """One column; its type is text until the value is known."""
        return (Field(self.column),)

    def run(self, context: Context, injector: Injector) -> Result:
        """Call it; the answer has one row and one column."""
        value = self.function.call(context, self.arguments, injector)
        return rows_result([Field(self.column, _type_of(value))], [[value]])


@grammar("CALL", needs=CALL_NEEDS)
def call_function(cursor: TokenCursor, _: Modifiers) -> Statement:
    """Parse CALL of a system function, or of a function of a service."""
    method = _method_call(cursor)
    if method is not None:
        return method
    name = cursor.name()
    if len(name) != 1 or not name[0].startswith("SYSTEM$"):
        raise Unsupported(f"Unsupported feature 'CALL {'.'.join(name)}': no such procedure.")
    arguments = constant_arguments(cursor)
    function = find_function(name[0])
    return CallSystemFunction(function=function, arguments=arguments, column=name[0])


def parse_system_select(cursor: TokenCursor) -> Prepared | None:
    """Parse `SELECT SYSTEM$F(constants) [[AS] name]`, also of a function of a service; None (cursor
    unmoved) for anything else."""
    start = cursor.position
    text_start = cursor.tokens[1].start if len(cursor.tokens) > 1 else 0
    if cursor.accept("SELECT") and (method := _method_call(cursor)) is not None:
        return Prepared(method, CALL_NEEDS)
    cursor.position = start
    if not (
        cursor.accept("SELECT") and is_system_function(cursor.peek()) and cursor.peek(1) == "("
    ):
        cursor.position = start
        return None
    function = cursor.identifier()
    try:
        arguments = constant_arguments(cursor)
    except (InvalidArgument, ValueError):
        cursor.position = start
        raise
    column = cursor.text[text_start : cursor.tokens[cursor.position - 1].end + 1].upper()
    if not cursor.done:
        cursor.accept("AS")
        column = cursor.identifier()
    cursor.expect_end()
    call = CallSystemFunction(function=find_function(function), arguments=arguments, column=column)
    return Prepared(call, CALL_NEEDS)


def _method_call(cursor: TokenCursor) -> CallSystemFunction | None:
    """`service!F(constants)` up to the end, where F is a function of services; else None, with the
    cursor unmoved."""
    marks = [item for item in range(1, _NAME_TOKENS + 1) if cursor.peek(item) == "!"]
    function = find_method(cursor.peek(marks[0] + 1)) if marks else None
    if function is None:
        return None
    parts = cursor.name()
    cursor.expect("!")
    column = cursor.identifier()
    arguments = constant_arguments(cursor)
    if cursor.accept("AS"):
        column = cursor.identifier()
    cursor.expect_end()
    service = ".".join(quoted(part) for part in parts)
    return CallSystemFunction(function=function, arguments=(service, *arguments), column=column)


def constant_arguments(cursor: TokenCursor) -> tuple[Any, ...]:
    """`(…)` with constants: strings (joined by ||), numbers, TRUE, FALSE, NULL."""
    cursor.expect("(")
    arguments: list[Any] = []
    while not cursor.accept(")"):
        arguments.append(_constant(cursor))
        if not cursor.at(")"):
            cursor.expect(",")
    return tuple(arguments)


def _constant(cursor: TokenCursor) -> Any:
    if cursor.at_string():
        return cursor.string()
    if cursor.accept("NULL"):
        return None
    if cursor.peek() in ("TRUE", "FALSE"):
        return boolean(cursor)
    sign = "-" if cursor.accept("-") else ""
    text = sign + cursor.peek()
    if _NUMBER.match(text) or _DECIMAL.match(text):
        cursor.position += 1
        return int(text) if _NUMBER.match(text) else float(text)
    return cursor.fail("expected a constant")


def _type_of(value: object) -> SqlType:
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return NUMBER
    return FLOAT if isinstance(value, float) else TEXT
