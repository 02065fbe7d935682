"""Which argument of a method each value of a call stands for.

Values may be positional, named (`name => value`), or positional first and named after. Trailing
or unnamed parameters take their defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nunatak.errors import InvalidArgument
from nunatak.models.functions import Method
from nunatak.models.manifest import Argument

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Bound(Generic[Value]):
    """One argument of a call: the value that was given, or else the argument's default applies,
    whose SQL literal is `argument.default`."""

    argument: Argument
    value: Value | None
    is_given: bool


def bind_call(
    method: Method, arguments: Iterable[tuple[str | None, Value]]
) -> tuple[Bound[Value], ...]:
    """The full argument list of a call, in the method's order.

    `arguments` are (name in stored form or None, value) as they were written. Raises
    InvalidArgument that names the argument which is missing, unknown, or given twice.
    """
    given: dict[int, Value] = {}
    is_named = False
    for position, (name, value) in enumerate(arguments):
        if name is None and is_named:
            raise InvalidArgument(
                f"Invalid argument for {method.name}: value {position + 1} has no name but follows "
                "a named one. Write positional arguments first."
            )
        is_named = name is not None
        index = _by_position(method, position) if name is None else _by_name(method, name)
        if index in given:
            raise InvalidArgument(
                f"Invalid argument for {method.name}: '{method.arguments[index].name}' is given "
                "twice."
            )
        given[index] = value
    return tuple(
        _bound(method, argument, index, given) for index, argument in enumerate(method.arguments)
    )


def _bound(method: Method, argument: Argument, index: int, given: dict[int, Value]) -> Bound[Value]:
    if index in given:
        return Bound(argument, given[index], is_given=True)
    if argument.default is None:
        raise InvalidArgument(
            f"Not enough arguments for {method.name}: '{argument.name}' ({argument.type}) is "
            f"missing. It takes {usage(method)}."
        )
    return Bound(argument, None, is_given=False)


def _by_position(method: Method, position: int) -> int:
    if position >= len(method.arguments):
        raise InvalidArgument(
            f"Too many arguments for {method.name}: at most {len(method.arguments)} are taken. "
            f"It takes {usage(method)}."
        )
    return position


def _by_name(method: Method, name: str) -> int:
    names = [argument.name for argument in method.arguments]
    if name in names:
        return names.index(name)
    alike = [index for index, known in enumerate(names) if known.upper() == name.upper()]
    if len(alike) != 1:
        raise InvalidArgument(
            f"Invalid argument for {method.name}: it has no argument '{name}'. "
            f"It takes {usage(method)}."
        )
    return alike[0]


def usage(method: Method, *, longest: int = 20) -> str:
    """The arguments as an error shows them: `(A DOUBLE, T DOUBLE DEFAULT 0.5)`."""
    shown: Sequence[Argument] = method.arguments[:longest]
    parts = [
        f"{item.name} {item.type}" + ("" if item.default is None else f" DEFAULT {item.default}")
        for item in shown
    ]
    more = len(method.arguments) - len(shown)
    return f"({', '.join(parts)}{f', … {more} more' if more else ''})"
