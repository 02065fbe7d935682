"""Functions that users made on endpoints of services: CREATE FUNCTION … SERVICE = … AS '/path'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nunatak.catalog.documents import Document, declare
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import SEMI_STRUCTURED, parse_type
from nunatak.catalog.store import Record
from nunatak.errors import InvalidArgument
from nunatak.services.model.ports import ServedMethod
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.model_calls.arguments import MethodParameter, MethodSignature

KIND = "FUNCTION"


class FunctionSpec(Document, frozen=True, kw_only=True):
    """A function. `arguments` are (name, SQL type); `path` has no leading slash."""

    service: tuple[str, str, str]
    endpoint: str
    path: str
    arguments: tuple[tuple[str, str], ...]
    returns: str
    max_batch_rows: int | None = None
    batch_timeout_s: int | None = None
    max_batch_retries: int | None = None
    strict: bool = False
    """Rows with a NULL among their arguments are answered NULL, without asking the model."""
    null_on_failure: bool = False
    """A batch that fails is answered NULL."""

    @property
    def service_name(self) -> QualifiedName:
        """The service's full name."""
        return QualifiedName(*self.service)


declare(KIND, spec=FunctionSpec)


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function that can be called: the method behind its path, as the function declares it."""

    name: QualifiedName
    method: ServedMethod
    spec: FunctionSpec


def declared_method(spec: FunctionSpec, methods: Sequence[ServedMethod]) -> ServedMethod:
    """The method at a function's path with the function's arguments and result.

    Values are sent in the method's own types, whatever the function's arguments are declared as.
    Raises InvalidArgument when the service has no such path, or takes other arguments.
    """
    wanted = _spelling(spec.path)
    found = [method for method in methods if _spelling(method.spec.path) == wanted]
    if not found:
        paths = ", ".join(f"/{method.spec.path}" for method in methods) or "none"
        raise InvalidArgument(
            f"Service {spec.service_name} answers nothing at '/{spec.path}'; its paths: {paths}."
        )
    method = found[0]
    own = method.signature
    takes = (*own.inputs, *own.params)
    if not len(own.inputs) <= len(spec.arguments) <= len(takes):
        raise InvalidArgument(
            f"'/{spec.path}' of service {spec.service_name} takes {len(own.inputs)} inputs and "
            f"{len(own.params)} parameters; the function declares {len(spec.arguments)} arguments."
        )
    inputs = tuple(
        MethodParameter(name, parameter.type)
        for (name, _), parameter in zip(spec.arguments, takes, strict=False)
    )
    return replace(method, signature=_signature(spec, own, inputs))


def user_functions(
    records: Sequence[Record], service: QualifiedName, methods: Sequence[ServedMethod]
) -> tuple[UserFunction, ...]:
    """The functions of a service; those that do not fit it (any more) are left out."""
    found = []
    for record in records:
        spec = FunctionSpec.read(record.spec)
        if spec.service_name != service:
            continue
        try:
            method = declared_method(spec, methods)
        except InvalidArgument:
            continue  # the service was made anew for another model; calls say it is not there
        found.append(UserFunction(record.qualified, method, spec))
    return tuple(found)


def _signature(
    spec: FunctionSpec, own: MethodSignature, inputs: tuple[MethodParameter, ...]
) -> MethodSignature:
    returns = parse_type(spec.returns)
    if returns.kind in SEMI_STRUCTURED:
        is_nullable = spec.strict or spec.null_on_failure
        return MethodSignature(inputs=inputs, outputs=own.outputs, is_nullable=is_nullable)
    if len(own.outputs) != 1:
        raise InvalidArgument(
            f"'/{spec.path}' of service {spec.service_name} answers {len(own.outputs)} values: "
            "declare RETURNS OBJECT."
        )
    output = Field(own.outputs[0].name, returns, own.outputs[0].nullable)
    return MethodSignature(inputs=inputs, outputs=(output,), is_native=True)


def _spelling(path: str) -> str:
    return path.strip("/").lower().replace("-", "_")
