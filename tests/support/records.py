"""Documents of every declared kind, made up from their structures."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from nunatak.catalog.documents import Document, ObjectKind, declared
from nunatak.cli import compose
from nunatak.services.model.spec import (
    KIND,
    WAREHOUSE_KIND,
    BuildSpec,
    BuildStatus,
    ServiceSpec,
    ServiceStatus,
)

_EVERY_KIND_IS_DECLARED = compose.assemble
"""Imported for what its import declares."""
_CHOICES: dict[str, tuple[type[Document], ...]] = dict.fromkeys(
    (KIND, WAREHOUSE_KIND), (ServiceSpec, ServiceStatus, BuildSpec, BuildStatus)
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_BOUNDED: dict[str, st.SearchStrategy[Any]] = {
    "min_instances": st.just(1),
    "max_instances": st.integers(1, 100),
    "min_ready_instances": st.just(1),
    "auto_suspend_s": st.integers(0, 10**6),
    "num_workers": st.none() | st.integers(1, 9),
    "max_batch_rows": st.none() | st.integers(1, 9),
    "min_nodes": st.just(1),
    "max_nodes": st.integers(1, 1000),
    "type": st.just("T"),
}
"""Parts that a structure checks against each other, or whose value tells which one it is."""


def structures() -> list[type[Document]]:
    """Every structure that a kind has for its documents."""
    found: list[type[Document]] = []
    for name, kind in declared().items():
        choices = _CHOICES.get(name) or _plain(kind)
        found += [item for item in choices if item not in found]
    return found


def _plain(kind: ObjectKind) -> tuple[type[Document], ...]:
    assert isinstance(kind.spec, type)
    assert isinstance(kind.status, type)
    return kind.spec, kind.status


def stored(structure: type[Document]) -> st.SearchStrategy[dict[str, Any]]:
    """Documents of a structure as the catalog keeps them."""
    found: st.SearchStrategy[dict[str, Any]] = _of(inspect.type_info(structure))
    return found


def _of(info: inspect.Type) -> st.SearchStrategy[Any]:
    match info:
        case inspect.StructType() | inspect.DataclassType():
            return _structure(info)
        case inspect.UnionType():
            return st.one_of([_of(item) for item in info.types])
        case inspect.EnumType():
            return st.sampled_from([item.value for item in info.cls])
        case inspect.DictType():
            return st.dictionaries(st.text(max_size=5), _of(info.value_type), max_size=3)
        case inspect.ListType() | inspect.VarTupleType() | inspect.CollectionType():
            return st.lists(_of(info.item_type), max_size=3)
        case inspect.TupleType():
            return st.tuples(*map(_of, info.item_types)).map(list)
        case inspect.AnyType():
            return _JSON
        case inspect.NoneType():
            return st.none()
    plain: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
        inspect.BoolType: st.booleans(),
        inspect.IntType: st.integers(-(2**53), 2**53),
        inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
        inspect.StrType: st.text(max_size=8),
    }
    return plain[type(info)]


def _structure(info: inspect.StructType | inspect.DataclassType) -> st.SearchStrategy[Any]:
    needed: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for field in info.fields:
        is_enum = isinstance(field.type, inspect.EnumType)
        found = _of(field.type) if is_enum else _BOUNDED.get(field.name, _of(field.type))
        (needed if field.required else optional)[field.encode_name] = found
    return st.fixed_dictionaries(needed, optional=optional)


def required(structure: type[Document]) -> list[str]:
    """The names of the parts that a document must have."""
    return [field.encode_name for field in msgspec.structs.fields(structure) if field.required]
