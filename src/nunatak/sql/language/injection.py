"""Injection of services: the signature of a handler says what it uses, and it is called with that.

    def run(self, context: Context, warehouses: Warehouses) -> Result: ...

A handler is the `run` of a statement, the body of a function, or what finds the objects of a
requirement. Behind the arguments that it is given stand the services that it asks for, each by its
type.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
Handler = Callable[..., T]


def asked_for(handler: Handler[Any], given: int) -> tuple[Any, ...]:
    """The types of the services that a handler asks for, behind the arguments that it is given."""
    names = list(inspect.signature(handler).parameters)[given:]
    if not names:
        return ()
    hints = get_type_hints(handler)
    return tuple(hints[name] for name in names)


class Injector:
    """The services of one server, by their types; itself among them. Safe to use from many
    threads."""

    def __init__(self, services: Mapping[Any, Any]) -> None:
        self._services = {**services, Injector: self}
        self._arguments: dict[Handler[Any], tuple[Any, ...]] = {}

    def get(self, service: type[T]) -> T:
        """The service of a type; raises TypeError where nobody provides it."""
        found: T = self._found(service, "the server")
        return found

    def call(self, handler: Handler[T], *given: Any) -> T:
        """Call a handler with what it is given and the services that it asks for, which are looked
        up once for each handler. Raises TypeError where nobody provides one."""
        written = getattr(handler, "__func__", handler)  # methods of all statements of a kind
        services = self._arguments.get(written)
        if services is None:
            name = f"{written.__module__}.{written.__qualname__}"
            services = tuple(self._found(kind, name) for kind in asked_for(handler, len(given)))
            self._arguments[written] = services
        return handler(*given, *services)

    def _found(self, service: Any, by: str) -> Any:
        found = self._services.get(service)
        if found is None:
            raise TypeError(f"{by} asks for {service}, which nobody provides")
        return found
