"""A service's specification as the YAML document that DESCRIBE shows and CREATE SERVICE takes.

What an inference service runs is written as one container with the image under its digest, so a
person can copy the document, change it, and run it as a service of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from msgspec import Meta, Struct, field

from nunatak.catalog.names import split_name
from nunatak.compute.resources import parse_cpus, parse_gpus, parse_memory
from nunatak.errors import InvalidArgument, LimitExceeded, Unsupported
from nunatak.services.documents.autocapture import VARIABLE, refuse_autocapture, without_autocapture
from nunatak.services.model.secret_uses import WrittenSecret, parse_secrets, secrets_document
from nunatak.services.model.spec import CONTAINER, ENDPOINT, PORT, Requested, ServiceSpec
from nunatak.untrusted import TEXT_LIMIT_CHARS, load_yaml, typed

IMAGE_NAME = "model-inference"
GPU_RESOURCE = "nvidia.com/gpu"
WORKERS = "SPCS_MODEL_INFERENCE_SERVER__NUM_WORKERS"
BATCH_ROWS = "SPCS_MODEL_INFERENCE_SERVER__MAX_BATCH_ROWS"
_OWN_VARIABLES = (WORKERS, BATCH_ROWS, VARIABLE)
_IMAGE = re.compile(r"(?:(.*)/)?" + IMAGE_NAME + r"@sha256:([0-9a-f]{6,64})\Z")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_HOLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
PROBE_PATH = "/healthz"
_PROBES = ("readinessProbe", "livenessProbe")
_TITLE = "The specification"
_OWN_PARTS = {
    "serviceRoles": "grant the service's role ALL_ENDPOINTS_USAGE",
    "capabilities": "containers act for the role that owns the service",
}
"""Parts beside spec that are refused, and what to do instead."""
_REFUSED_IN_SPEC = ("volumes", "resourceManagement")
_REFUSED = ("volumeMounts", "command", "args")


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A section of the document; what it does not know is refused by name."""


class _Amounts(_Section, frozen=True, kw_only=True):
    """The section `limits` or `requests` of `resources`."""

    cpu: str | int | float | None = None
    memory: str | int | None = None
    gpu: str | int | None = field(default=None, name=GPU_RESOURCE)


class _Resources(_Section, frozen=True, kw_only=True):
    """The section `resources` of a container."""

    limits: _Amounts | None = None
    requests: _Amounts | None = None


class _Container(_Section, frozen=True, kw_only=True):
    """An entry of `spec.containers`."""

    name: str
    image: str
    env: dict[str, str | int | float | bool | None] | None = None
    secrets: list[dict[str, Any]] | None = None
    resources: _Resources | None = None
    readiness_probe: dict[str, Any] | None = None
    liveness_probe: dict[str, Any] | None = None
    volume_mounts: Any = None
    command: Any = None
    args: Any = None


class _Endpoint(_Section, frozen=True, kw_only=True):
    """An entry of `spec.endpoints`."""

    name: str = ENDPOINT
    port: int = PORT
    public: bool = False
    protocol: Literal["HTTP"] = "HTTP"


class _Spec(_Section, frozen=True, kw_only=True):
    """The section `spec`."""

    containers: Annotated[list[_Container], Meta(min_length=1)]
    endpoints: list[_Endpoint] | None = None
    log_exporters: dict[str, Any] | None = None
    platform_monitor: dict[str, Any] | None = None
    """Both choose among what is kept; all of it always is."""
    volumes: Any = None
    resource_management: Any = None


class _Specification(_Section, frozen=True, kw_only=True):
    """The whole document."""

    spec: _Spec
    service_roles: Any = None
    capabilities: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """The container of a person's own specification. `image` is the digest of one of our images, or
    how it begins, `repository` the path `/db/schema/repository` before it, if there is one."""

    image: str
    repository: str = ""
    requested: Requested
    endpoint: str
    public: bool
    env: Mapping[str, str]
    secrets: tuple[WrittenSecret, ...] = ()
    num_workers: int | None = None
    max_batch_rows: int | None = None


def fill_template(text: str, values: Mapping[str, str]) -> str:
    """A template with `{{ name }}` replaced; raises InvalidArgument for a missing value,
    LimitExceeded when the values make it too long."""
    left = TEXT_LIMIT_CHARS

    def filled(match: re.Match[str]) -> str:
        nonlocal left
        name = match.group(1)
        found = values.get(name, values.get(name.upper()))
        if found is None:
            raise InvalidArgument(f"The specification template needs a value: USING ({name} => …).")
        left -= len(found)
        if left < 0:
            raise LimitExceeded(
                f"The values of the specification template fill it with more than "
                f"{TEXT_LIMIT_CHARS} characters."
            )
        return found

    return _HOLE.sub(filled, text)


def parse_specification(text: str) -> ContainerSpec:
    """Read a specification; raises InvalidArgument, LimitExceeded for one that is too large, or
    Unsupported for what no instance offers."""
    loaded = load_yaml(text, _TITLE)
    refuse_autocapture(loaded)
    loaded = without_autocapture(loaded)
    document = typed(loaded, _Specification, _TITLE)
    for part, advice in _OWN_PARTS.items():
        if loaded.get(part):
            raise Unsupported(f"{part} is not supported by this server: {advice}.")
    for part in _REFUSED_IN_SPEC:
        if loaded["spec"].get(part):
            raise Unsupported(f"spec.{part} is not supported by this server.")
    containers = document.spec.containers
    if len(containers) != 1:
        raise Unsupported("A service with several containers is not supported by this server.")
    container = containers[0]
    _check_container(container, loaded["spec"]["containers"][0])
    env = {key: str(value) for key, value in (container.env or {}).items()}
    endpoint = _endpoint(document.spec.endpoints or [])
    repository, digest = _image(container.image)
    return ContainerSpec(
        image=digest,
        repository=repository,
        requested=_requested(container.resources or _Resources()),
        endpoint=endpoint.name,
        public=endpoint.public,
        num_workers=_count(env, WORKERS),
        max_batch_rows=_count(env, BATCH_ROWS),
        env={key: value for key, value in env.items() if key not in _OWN_VARIABLES},
        secrets=parse_secrets(container.secrets or [], env),
    )


def specification_text(spec: ServiceSpec, *, digest: str) -> str:
    """The document of a service; `digest` is empty while its image is being built."""
    env = {**spec.env, VARIABLE: "false"}
    if spec.num_workers is not None:
        env[WORKERS] = str(spec.num_workers)
    if spec.max_batch_rows is not None:
        env[BATCH_ROWS] = str(spec.max_batch_rows)
    path = repository_path(spec.image_repository)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": f"{path}/{IMAGE_NAME}@sha256:{digest or 'pending'}",
        "env": env,
        "readinessProbe": {"port": PORT, "path": PROBE_PATH},
    }
    if spec.secrets:
        container["secrets"] = secrets_document(spec.secrets)
    resources = _resources(spec.requested)
    if resources:
        container["resources"] = {"requests": resources, "limits": dict(resources)}
    endpoints = [{"name": spec.endpoint, "port": PORT, "public": spec.public}]
    document = {"spec": {"containers": [container], "endpoints": endpoints}}
    return str(yaml.safe_dump(document, sort_keys=False))


def specification_digest(text: str) -> str:
    """The digest of a document."""
    return hashlib.sha256(text.encode()).hexdigest()


def _check_container(container: _Container, loaded: Mapping[str, Any]) -> None:
    if not _NAME.match(container.name):
        raise InvalidArgument(
            "A container's name has lower-case letters, digits and dashes, at most 63."
        )
    for part in _REFUSED:
        if loaded.get(part):
            raise Unsupported(f"'{part}' of a container is not supported by this server.")
    for part in _PROBES:
        _check_probe(part, loaded.get(part) or {})


def _check_probe(part: str, probe: Mapping[str, Any]) -> None:
    """The inference server has one page that tells whether it is well, looked at in one rhythm."""
    known = {"port": PORT, "path": PROBE_PATH}
    for name, value in probe.items():
        if name not in known:
            raise Unsupported(f"{part}.{name} is not supported by this server: leave it out.")
        if value != known[name]:
            raise InvalidArgument(
                f"{part} must be port {PORT}, path {PROBE_PATH}: there the inference server tells "
                f"whether it is well. It was given {name} {value}."
            )


def _image(image: str) -> tuple[str, str]:
    """The path of the repository and the digest."""
    match = _IMAGE.match(image)
    if match is None:
        raise Unsupported(
            f"Image '{image}' cannot run here: this server has no container engine, and runs only "
            "inference images that it built (SHOW IMAGES IN IMAGE REPOSITORY, or the spec that "
            "DESCRIBE SERVICE shows)."
        )
    path = (match.group(1) or "").lower()
    return path[path.index("/") :] if "/" in path else "", match.group(2)


def _requested(resources: _Resources) -> Requested:
    limits, requests = resources.limits or _Amounts(), resources.requests or _Amounts()
    cpu = limits.cpu if requests.cpu is None else requests.cpu
    memory = limits.memory if requests.memory is None else requests.memory
    if requests.gpu is not None and requests.gpu != limits.gpu:
        raise InvalidArgument(f"requests and limits of {GPU_RESOURCE} must be equal.")
    return Requested(
        cpus=None if cpu is None else parse_cpus(cpu),
        memory_bytes=None if memory is None else parse_memory(memory),
        gpus=None if limits.gpu is None else parse_gpus(limits.gpu),
    )


def _endpoint(endpoints: Sequence[_Endpoint]) -> _Endpoint:
    if len(endpoints) > 1:
        raise Unsupported("A service has at most one endpoint on this server.")
    endpoint = endpoints[0] if endpoints else _Endpoint()
    if not _NAME.match(endpoint.name) or endpoint.port != PORT:
        raise InvalidArgument(f"The endpoint needs a name of lower-case letters, and port {PORT}.")
    return endpoint


def _count(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name)
    if text is not None and not text.isdigit():
        raise InvalidArgument(f"The environment variable {name} must be a whole number.")
    return None if text is None else int(text)


def _resources(requested: Requested) -> dict[str, Any]:
    values = {
        "cpu": None if requested.cpus is None else f"{requested.cpus:g}",
        "memory": None if requested.memory_bytes is None else str(requested.memory_bytes),
        GPU_RESOURCE: requested.gpus,
    }
    return {name: value for name, value in values.items() if value is not None}


def repository_path(title: str | None) -> str:
    """A repository in names of images: `/db/schema/repository`, lower case; empty for none."""
    if title is None:
        return ""
    return "/" + "/".join(split_name(title)).lower()
