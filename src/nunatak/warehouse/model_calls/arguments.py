"""Matches the arguments of a call with the method's inputs and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from nunatak.catalog.sqltypes import SEMI_STRUCTURED, SqlType, TypeKind
from nunatak.errors import InvalidArgument
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.model_calls.tree_queries import DIALECT


@dataclass(frozen=True, slots=True)
class MethodParameter:
    """An input or parameter of a method. `default` is SQL text; None: it must be given."""

    name: str
    type: SqlType
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSignature:
    """The signature of a method: what it takes and gives.

    A call's value is an OBJECT with a key for each output, unless `is_native`: then the method
    has one output, which is the call's value.
    """

    inputs: tuple[MethodParameter, ...]
    params: tuple[MethodParameter, ...] = ()
    outputs: tuple[Field, ...] = ()
    is_native: bool = False
    is_nullable: bool = False
    """A call whose outputs are all NULL is NULL, rather than an OBJECT of NULLs."""


def match_arguments(
    call: exp.Anonymous, signature: MethodSignature, *, label: str
) -> list[exp.Expr]:
    """The inputs in order, then as many parameters as were given, each cast to its SQL type.

    Arguments may be positional, named or both. Raises InvalidArgument, which names `label`.
    """
    declared = (*signature.inputs, *signature.params)
    given: dict[int, exp.Expr] = {}
    names = [parameter.name for parameter in declared]
    for position, argument in enumerate(call.expressions):
        if isinstance(argument, exp.Kwarg):
            index = _named(argument.this, names)
            if index is None:
                raise InvalidArgument(
                    f"{label} has no parameter '{argument.this.name}'. It has: {', '.join(names)}."
                )
            value = argument.expression
        else:
            index, value = position, argument
        if index >= len(declared):
            raise InvalidArgument(
                f"Too many arguments for function [{label}]: expected {len(declared)}, got"
                f" {len(call.expressions)}."
            )
        if index in given:
            raise InvalidArgument(f"{label}: '{declared[index].name}' is given twice.")
        given[index] = value
    count = max(len(signature.inputs), max(given, default=-1) + 1)
    return [_value(declared[i], given.get(i), signature, label) for i in range(count)]


def _named(identifier: exp.Expr, names: Sequence[str]) -> int | None:
    """The place of an argument's name; one without quotes stands for any case if that is clear."""
    name = identifier.name
    is_quoted = bool(identifier.args.get("quoted"))
    stored = name if is_quoted else name.upper()
    if stored in names:
        return names.index(stored)
    alike = (
        [] if is_quoted else [place for place, known in enumerate(names) if known.upper() == stored]
    )
    return alike[0] if len(alike) == 1 else None


def _value(
    parameter: MethodParameter, given: exp.Expr | None, signature: MethodSignature, label: str
) -> exp.Expr:
    if given is None:
        if parameter.default is None:
            raise InvalidArgument(
                f"Not enough arguments for function [{label}]: '{parameter.name}' is missing. It"
                f" takes {len(signature.inputs)} inputs and {len(signature.params)} parameters."
            )
        given = sqlglot.parse_one(parameter.default, read=DIALECT)
    target = _cast_target(parameter.type)
    return given.copy() if target is None else exp.cast(given.copy(), target, dialect=DIALECT)


def _cast_target(sql_type: SqlType) -> str | None:
    """Type that an argument is cast to; semi-structured values are taken as they are."""
    if sql_type.kind in SEMI_STRUCTURED or sql_type.kind is TypeKind.VECTOR:
        return None
    if sql_type.kind is TypeKind.FIXED and not sql_type.scale:
        return "BIGINT"  # a whole number of 64 bits, which is all that a model can take
    if sql_type.kind is TypeKind.REAL:
        return "DOUBLE"
    return "VARCHAR" if sql_type.kind is TypeKind.TEXT else sql_type.ddl()
