"""The module ``_snowflake`` that the vendor's function files import, as far as they use it."""

import sys
from types import ModuleType
from typing import Any, Callable, NamedTuple, Optional


class Vectorized(NamedTuple):
    """The wishes of a handler towards its host, as told by ``@vectorized``."""

    max_batch_size: Optional[int]
    flatten_object_input: bool


class Shim:
    """Installs the module and keeps what handlers register with it."""

    def __init__(self) -> None:
        self._pending: list[Callable[[], Any]] = []

    def install(self) -> None:
        """Put the module where ``import _snowflake`` finds it."""
        module = ModuleType("_snowflake")
        module.__doc__ = "Offered by the host of a model; see the worker's documentation."
        module.vectorized = vectorized  # type: ignore[attr-defined]  # a module made at run time
        module.udf_init_once = self._init_once  # type: ignore[attr-defined]  # likewise
        sys.modules["_snowflake"] = module

    def run_pending(self) -> None:
        """Call each function marked ``@udf_init_once`` since the last time, once."""
        pending, self._pending = self._pending, []
        for function in pending:
            function()

    def _init_once(self, function: Callable[[], Any]) -> Callable[[], Any]:
        self._pending.append(function)
        return function


def vectorized(
    *,
    input: Any = None,  # noqa: A002  # the vendor's own name
    max_batch_size: Optional[int] = None,
    flatten_object_input: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a handler that takes whole data frames; the marks are read by ``declared``."""
    del input  # always a pandas data frame

    def mark(handler: Callable[..., Any]) -> Callable[..., Any]:
        marks = Vectorized(max_batch_size, flatten_object_input)
        setattr(handler, "_vectorized", marks)  # noqa: B010  # an attribute functions do not declare
        return handler

    return mark


def declared(handler: Any) -> Optional[Vectorized]:
    """Declaration of what the handler asked for; None if it is not marked."""
    marks = getattr(handler, "_vectorized", None)
    return marks if isinstance(marks, Vectorized) else None
