"""SYSTEM$… functions: called with CALL, or as the only thing a SELECT asks for.

Families register plain callables; arguments arrive as Python values (text, numbers, None).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.names import quoted
from nunatak.catalog.sqltypes import BOOLEAN, FLOAT, NUMBER, TEXT, SqlType
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.sql.language.statement import Context, Modifiers, Statement, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result, rows_result
from nunatak.warehouse.core.session import Session

if TYPE_CHECKING:
    from nunatak.sql.language.rooms import Rooms

SystemFunction = Callable[[Context, list[Any]], Any]
_FUNCTIONS: dict[str, SystemFunction] = {}
_METHODS: dict[str, SystemFunction] = {}
"""Functions of services, `s!F(…)`, by name; the service's written name is the first argument."""
_NAME_TOKENS = 5
"""Of a name with three parts and the dots between them."""
_NUMBER = re.compile(r"-?\d{1,38}\Z")
_DECIMAL = re.compile(r"-?\d*\.\d+(?:[eE][-+]?\d+)?\Z")


def register(functions: Mapping[str, SystemFunction]) -> None:
    """Add functions by name, for example {"SYSTEM$GET_TAG": get_tag}."""
    for name, function in functions.items():
        assert name not in _FUNCTIONS, f"{name} is registered twice"
        _FUNCTIONS[name] = function


def register_methods(methods: Mapping[str, SystemFunction]) -> None:
    """Add functions of services by name, for example {"SPCS_WAIT_FOR": wait_for}."""
    _METHODS.update(methods)


def system_function(name: str) -> SystemFunction:
    """The function of a name in any case; raises Unsupported."""
    found = _FUNCTIONS.get(name.upper())
    if found is None:
        raise Unsupported(f"Unsupported feature 'function {name.upper()}'.")
    return found


def is_system_function(name: str) -> bool:
    """Whether a function of that name is registered."""
    return name.upper() in _FUNCTIONS


def functions_in_queries(
    rooms: Callable[[], Rooms],
) -> dict[str, Callable[[Session, Sequence[Any]], Any]]:
    """Every function as the query engine calls it: for a session, with literal arguments."""

    def callable_in_query(function: SystemFunction) -> Callable[[Session, Sequence[Any]], Any]:
        def call(session: Session, arguments: Sequence[Any]) -> Any:
            context = Context(rooms=rooms(), session=session, query_id=str(uuid.uuid4()))
            return function(context, list(arguments))

        return call

    return {name: callable_in_query(function) for name, function in _FUNCTIONS.items()}


@dataclass(frozen=True, kw_only=True)
class CallSystemFunction:
    """CALL or SELECT … [AS name] of SYSTEM$F(…), or of a service's function s!F(…)."""

    function: SystemFunction
    arguments: tuple[Any, ...]
    column: str

    @property
    def fields(self) -> tuple[Field, ...]:
        """One column; its type is text until the value is known."""
        return (Field(self.column),)

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """None here: the functions check what their arguments name."""
        return []

    def run(self, context: Context) -> Result:
        """Call it; the answer has one row and one column."""
        value = self.function(context, list(self.arguments))
        return rows_result([Field(self.column, _type_of(value))], [[value]])


@grammar("CALL")
def call_function(cursor: TokenCursor, _: Modifiers) -> Statement:
    """Parse CALL of a system function, or of a function of a service."""
    method = _method_call(cursor)
    if method is not None:
        return method
    name = cursor.name()
    if len(name) != 1 or not name[0].startswith("SYSTEM$"):
        raise Unsupported(f"Unsupported feature 'CALL {'.'.join(name)}': no such procedure.")
    arguments = constant_arguments(cursor)
    function = system_function(name[0])
    return CallSystemFunction(function=function, arguments=arguments, column=name[0])


def parse_system_select(cursor: TokenCursor) -> Statement | None:
    """Parse `SELECT SYSTEM$F(constants) [[AS] name]`, also of a function of a service; None (cursor
    unmoved) for anything else."""
    start = cursor.position
    text_start = cursor.tokens[1].start if len(cursor.tokens) > 1 else 0
    if cursor.accept("SELECT") and (method := _method_call(cursor)) is not None:
        return method
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
    return CallSystemFunction(
        function=system_function(function), arguments=arguments, column=column
    )


def _method_call(cursor: TokenCursor) -> CallSystemFunction | None:
    """`service!F(constants)` up to the end, where F is a function of services; else None, with the
    cursor unmoved."""
    marks = [item for item in range(1, _NAME_TOKENS + 1) if cursor.peek(item) == "!"]
    function = _METHODS.get(cursor.peek(marks[0] + 1)) if marks else None
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
        return cursor.boolean()
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
