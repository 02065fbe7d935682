"""The deployment specification: the YAML text of SYSTEM$DEPLOY_MODEL, checked.

Unknown keys are ignored, as clients of other times send them. What is known and not offered is
refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from nunatak.catalog.names import QualifiedName, parse_identifier
from nunatak.compute.resources import parse_cpus, parse_gpus, parse_memory
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.services.documents.autocapture import refuse_autocapture
from nunatak.services.model.spec import IDLE_SUSPEND_S, Requested
from nunatak.untrusted import Text, load_yaml, typed

_NOT_OFFERED = {
    "model_loggings": "Importing a model while it is deployed (model_loggings)",
    "job": "Batch inference through SYSTEM$DEPLOY_MODEL (job)",
}
_SERVICE_NOT_OFFERED = {
    "feature_retrieval": "Feature retrieval (service.feature_retrieval)",
    "adapters": "Adapters (service.adapters)",
}
_GENERIC_ENGINE = "python_generic"
_TITLE = "The deployment"
Count = int | str
Quantity = str | int | float


class _Model(Struct, frozen=True, kw_only=True):
    """An entry of `models`."""

    name: Text
    version: Text


class _Engine(Struct, frozen=True, kw_only=True):
    """The section `service.inference_engine_spec`."""

    inference_engine_name: Quantity | None = None


class _Service(Struct, frozen=True, kw_only=True):
    """The section `service`."""

    name: Text
    compute_pool: Text
    ingress_enabled: bool | None = None
    min_instances: Count | None = None
    max_instances: Count | None = None
    num_workers: Count | None = None
    max_batch_rows: Count | None = None
    cpu: Quantity | None = None
    memory: str | int | None = None
    gpu: str | int | None = None
    inference_engine_spec: _Engine | None = None


class _Build(Struct, frozen=True, kw_only=True):
    """The section `image_build`."""

    compute_pool: str | None = None
    image_repo: str | None = None
    force_rebuild: bool | None = None
    external_access_integrations: list[str] | str | None = None
    external_access_integration: list[str] | str | None = None


class _Deployment(Struct, frozen=True, kw_only=True):
    """The whole document, as far as it is known."""

    models: list[_Model]
    service: _Service
    image_build: _Build | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentOrder:
    """The order of a deployment. Names of pools and integrations are in stored form."""

    model: QualifiedName
    version: str
    service: QualifiedName
    pool: str
    build_pool: str
    image_repository: QualifiedName | None = None
    force_rebuild: bool = False
    integrations: tuple[str, ...] = ()
    public: bool = False
    min_instances: int = 0
    max_instances: int = 1
    requested: Requested = field(default_factory=Requested)
    num_workers: int | None = None
    max_batch_rows: int | None = None

    @property
    def auto_suspend_s(self) -> int:
        """A service without a lower bound sleeps after the usual idle time."""
        return IDLE_SUSPEND_S if self.min_instances == 0 else 0


def parse_deployment(text: str, *, database: str | None, schema: str | None) -> DeploymentOrder:
    """Read the YAML; `database` and `schema` complete names. Raises InvalidArgument,
    Unsupported, NoCurrentContext."""
    document = _document(text)
    (entry,), service, build = document.models, document.service, document.image_build or _Build()
    pool = parse_identifier(service.compute_pool.strip())
    model = QualifiedName.parse(entry.name.strip(), database=database, schema=schema)
    least, most = _bounds(service)
    return DeploymentOrder(
        model=model,
        version=parse_identifier(entry.version.strip()),
        service=_beside(model, service.name),
        pool=pool,
        build_pool=parse_identifier(build.compute_pool.strip()) if build.compute_pool else pool,
        image_repository=_beside(model, build.image_repo) if build.image_repo else None,
        force_rebuild=bool(build.force_rebuild),
        integrations=_integrations(build),
        public=bool(service.ingress_enabled),
        num_workers=_count(service, "num_workers"),
        max_batch_rows=_count(service, "max_batch_rows"),
        requested=_requested(service),
        min_instances=least,
        max_instances=most,
    )


def _document(text: str) -> _Deployment:
    """The document, which asks for nothing that is not offered."""
    loaded = load_yaml(text, _TITLE)
    if not isinstance(loaded, dict):
        raise InvalidArgument(f"{_TITLE} must be a YAML map with 'models' and 'service'.")
    refuse_autocapture(loaded)
    _refuse(loaded, _NOT_OFFERED)
    models = loaded.get("models")
    if not isinstance(models, list) or len(models) != 1:
        raise InvalidArgument(f"{_TITLE} must name exactly one model under 'models'.")
    document = typed(loaded, _Deployment, _TITLE)
    _refuse(loaded["service"], _SERVICE_NOT_OFFERED)
    engine = document.service.inference_engine_spec
    name = engine.inference_engine_name if engine else None
    if name is not None and str(name).lower() != _GENERIC_ENGINE:
        raise Unsupported(
            f"Inference engine '{name}' is not supported by this server: leave the engine out, or "
            f"use {_GENERIC_ENGINE}."
        )
    return document


def _refuse(section: Mapping[str, Any], parts: Mapping[str, str]) -> None:
    for key, what in parts.items():
        if section.get(key):
            raise Unsupported(f"{what} is not supported by this server.")


def _beside(model: QualifiedName, name: str) -> QualifiedName:
    """A name, completed by where the model is."""
    return QualifiedName.parse(name.strip(), database=model.database, schema=model.schema)


def _count(service: _Service, name: str, *, least: int = 1) -> int | None:
    """A whole number, which may be written as a text."""
    given = getattr(service, name)
    if isinstance(given, str) and given.strip().isdecimal():
        given = int(given)
    if given is not None and (isinstance(given, str) or given < least):
        raise InvalidArgument(f"'service.{name}' must be a whole number of at least {least}.")
    return given


def _bounds(service: _Service) -> tuple[int, int]:
    """MIN and MAX instances; a client that knows only the upper one means both by it."""
    most = _count(service, "max_instances") or 1
    least = _count(service, "min_instances", least=0)
    if least is None:
        least = most
    if least > most:
        raise InvalidArgument(f"min_instances ({least}) must not be above max_instances ({most}).")
    return least, most


def _requested(service: _Service) -> Requested:
    return Requested(
        cpus=None if service.cpu is None else parse_cpus(service.cpu),
        memory_bytes=None if service.memory is None else parse_memory(service.memory),
        gpus=None if service.gpu is None else parse_gpus(service.gpu),
    )


def _integrations(build: _Build) -> tuple[str, ...]:
    found = build.external_access_integrations or build.external_access_integration or ()
    return tuple(map(parse_identifier, [found] if isinstance(found, str) else found))
