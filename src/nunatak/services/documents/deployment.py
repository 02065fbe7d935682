"""The deployment specification: the YAML text of SYSTEM$DEPLOY_MODEL, checked.

Unknown keys are ignored, as clients of other times send them. What is known and not offered is
refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nunatak.catalog.names import QualifiedName, parse_identifier
from nunatak.compute.resources import parse_cpus, parse_gpus, parse_memory
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.services.documents.autocapture import refuse_autocapture
from nunatak.services.model.spec import IDLE_SUSPEND_S, Requested
from nunatak.untrusted import load_yaml

_NOT_OFFERED = {
    "model_loggings": "Importing a model while it is deployed (model_loggings)",
    "job": "Batch inference through SYSTEM$DEPLOY_MODEL (job)",
}
_SERVICE_NOT_OFFERED = {
    "feature_retrieval": "Feature retrieval (service.feature_retrieval)",
    "adapters": "Adapters (service.adapters)",
}
_GENERIC_ENGINE = "python_generic"


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
    refuse_autocapture(document)
    for key, what in _NOT_OFFERED.items():
        if document.get(key):
            raise Unsupported(f"{what} is not supported by this server.")
    models = document.get("models")
    if not isinstance(models, list) or len(models) != 1 or not isinstance(models[0], dict):
        raise InvalidArgument("The deployment must name exactly one model under 'models'.")
    service, build = _section(document, "service"), _section(document, "image_build", needed=False)
    _check_offered(service)
    pool = parse_identifier(_text(service, "service.compute_pool"))
    model = QualifiedName.parse(_text(models[0], "models.name"), database=database, schema=schema)
    return DeploymentOrder(
        model=model,
        version=parse_identifier(_text(models[0], "models.version")),
        service=QualifiedName.parse(
            _text(service, "service.name"), database=model.database, schema=model.schema
        ),
        pool=pool,
        build_pool=(
            parse_identifier(_text(build, "image_build.compute_pool"))
            if build.get("compute_pool")
            else pool
        ),
        image_repository=_repository(build, model),
        force_rebuild=_flag(build, "image_build.force_rebuild"),
        integrations=_integrations(build),
        public=_flag(service, "service.ingress_enabled"),
        num_workers=_count(service, "service.num_workers"),
        max_batch_rows=_count(service, "service.max_batch_rows"),
        requested=_requested(service),
        **_bounds(service),
    )


def _document(text: str) -> Mapping[str, Any]:
    document = load_yaml(text, "The deployment")
    if not isinstance(document, dict):
        raise InvalidArgument("The deployment must be a YAML map with 'models' and 'service'.")
    return document


def _section(document: Mapping[str, Any], name: str, *, needed: bool = True) -> Mapping[str, Any]:
    found = document.get(name)
    if found is None and not needed:
        return {}
    if not isinstance(found, dict):
        raise InvalidArgument(f"The deployment needs a map '{name}'.")
    return found


def _check_offered(service: Mapping[str, Any]) -> None:
    for key, what in _SERVICE_NOT_OFFERED.items():
        if service.get(key):
            raise Unsupported(f"{what} is not supported by this server.")
    engine = service.get("inference_engine_spec")
    name = engine.get("inference_engine_name") if isinstance(engine, dict) else None
    if name is not None and str(name).lower() != _GENERIC_ENGINE:
        raise Unsupported(
            f"Inference engine '{name}' is not supported by this server: leave the engine out, or "
            f"use {_GENERIC_ENGINE}."
        )


def _value(section: Mapping[str, Any], path: str) -> Any:
    return section.get(path.rpartition(".")[2])


def _text(section: Mapping[str, Any], path: str) -> str:
    found = _value(section, path)
    if not isinstance(found, str) or not found.strip():
        raise InvalidArgument(f"The deployment needs the text '{path}'.")
    return found.strip()


def _flag(section: Mapping[str, Any], path: str) -> bool:
    found = _value(section, path)
    if found is None:
        return False
    if not isinstance(found, bool):
        raise InvalidArgument(f"'{path}' must be true or false, not '{found}'.")
    return found


def _count(section: Mapping[str, Any], path: str, *, least: int = 1) -> int | None:
    found = _value(section, path)
    if found is None:
        return None
    if isinstance(found, str) and found.strip().isdigit():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or found < least:
        raise InvalidArgument(f"'{path}' must be a whole number of at least {least}.")
    return found


def _bounds(service: Mapping[str, Any]) -> dict[str, int]:
    """MIN and MAX instances; a client that knows only the upper one means both by it."""
    most = _count(service, "service.max_instances") or 1
    least = _count(service, "service.min_instances", least=0)
    if least is None:
        least = most
    if least > most:
        raise InvalidArgument(f"min_instances ({least}) must not be above max_instances ({most}).")
    return {"min_instances": least, "max_instances": most}


def _requested(service: Mapping[str, Any]) -> Requested:
    cpu, memory, gpu = (service.get(key) for key in ("cpu", "memory", "gpu"))
    return Requested(
        cpus=None if cpu is None else parse_cpus(cpu),
        memory_bytes=None if memory is None else parse_memory(memory),
        gpus=None if gpu is None else parse_gpus(gpu),
    )


def _repository(build: Mapping[str, Any], model: QualifiedName) -> QualifiedName | None:
    if not build.get("image_repo"):
        return None
    text = _text(build, "image_build.image_repo")
    return QualifiedName.parse(text, database=model.database, schema=model.schema)


def _integrations(build: Mapping[str, Any]) -> tuple[str, ...]:
    found = build.get("external_access_integrations") or build.get("external_access_integration")
    names = [found] if isinstance(found, str) else found or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidArgument("'image_build.external_access_integrations' must list names.")
    return tuple(parse_identifier(name) for name in names)
