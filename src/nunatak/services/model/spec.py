"""The desired state of a service, as the catalog keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nunatak.catalog.documents import Document, DocumentPart, declare
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.states import StatusDocument
from nunatak.catalog.store import Key
from nunatak.compute.pools import PoolSpec, PoolStatus
from nunatak.compute.resources import Resources
from nunatak.errors import InvalidArgument
from nunatak.services.model.states import BuildState, ServiceState

KIND = "SERVICE"
INSTANCE_KIND = "INSTANCE"
WAREHOUSE_KIND = "WAREHOUSE_MODEL"
"""The kind of the records of model versions that the warehouse runs, and of their builds: services
like all others for the reconcilers, and none for statements about services."""
WAREHOUSE_POOL_KIND = "WAREHOUSE_POOL"
WAREHOUSE_POOL = "warehouse models"
"""Names the pool on which they run; a name that no compute pool can have."""
IDLE_SUSPEND_S = 1800
"""An inference service without a lower bound of instances sleeps after so long without a call."""
INSTANCES_LIMIT = 100
ENDPOINT = "inference"
PORT = 5000
CONTAINER = "model-inference"
BUILD_CONTAINER = "model-build"


ENDPOINTS_ROLE = "ALL_ENDPOINTS_USAGE"
FUNCTIONS_ROLE = "INFERENCE_SERVICE_FUNCTION_USAGE"
SERVICE_ROLES = {
    ENDPOINTS_ROLE: "May call its endpoints, and its functions in SQL.",
    FUNCTIONS_ROLE: "May call its functions in SQL.",
}
"""The roles of every service, and what they may do."""


class ServiceType(StrEnum):
    """The purpose of a service."""

    INFERENCE = "INFERENCE"
    """It was deployed for a model version; its specification cannot be altered."""
    CONTAINER = "CONTAINER"
    """Its owner wrote the specification."""
    BUILD = "BUILD"
    """A job that builds the image of an inference service."""
    WAREHOUSE = "WAREHOUSE"
    """A model version that the warehouse runs; calls begin it and wake it."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model version. `version_id` names its immutable files, so a rename does no harm."""

    database: str
    schema: str
    name: str
    version: str
    version_id: str

    @property
    def model(self) -> QualifiedName:
        """The model's full name."""
        return QualifiedName(self.database, self.schema, self.name)


class Requested(DocumentPart, frozen=True, kw_only=True):
    """Resources that an instance asks for; None is the default of that kind."""

    cpus: float | None = None
    memory_bytes: int | None = None
    gpus: int | None = None

    def on(self, capacity: Resources) -> Resources | None:
        """Resources to take of a node; None is the whole of it, which is the default."""
        if self.cpus is None and self.memory_bytes is None and self.gpus is None:
            return None
        return Resources(
            0.5 if self.cpus is None else self.cpus,
            capacity.memory_bytes // 4 if self.memory_bytes is None else self.memory_bytes,
            self.gpus or 0,
        )


class SecretUse(DocumentPart, frozen=True, kw_only=True):
    """A secret that the workers are handed, as the variable `variable` (the part `part` of it) or
    as files in the folder `directory` (all of its parts)."""

    secret: QualifiedName
    part: str = ""
    variable: str = ""
    directory: str = ""


class ServiceSpec(Document, frozen=True, kw_only=True):
    """A service that answers requests. Times are in seconds; `auto_suspend_s` 0 means never."""

    type: ServiceType
    pool: str
    model: ModelRef
    requested: Requested = Requested()
    num_workers: int | None = None
    max_batch_rows: int | None = None
    min_instances: int = 1
    max_instances: int = 1
    min_ready_instances: int = 1
    auto_suspend_s: int = 0
    auto_resume: bool = True
    suspended: bool = False
    dropped: bool = False
    public: bool = False
    endpoint: str = ENDPOINT
    """The endpoint's name."""
    endpoint_id: str = ""
    """Names the endpoint in addresses; new for every service ever created."""
    image: str | None = None
    """Digest of the image to run; None while only the build knows it."""
    image_repository: str | None = None
    build: str | None = None
    """Name of the build service beside it."""
    integrations: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    secrets: tuple[SecretUse, ...] = ()
    log_level: str = "INFO"
    query_warehouse: str | None = None
    tags: Mapping[str, str] = {}
    """Values by the ids of TAG objects."""
    suspended_by: str = ""
    """Who suspended it, or why it did so by itself, in words; empty while it is wanted."""
    revision: int = 0
    """Raised by a change that running instances must follow; they are replaced one by one."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_instances <= self.max_instances:
            raise InvalidArgument(
                "MIN_INSTANCES must be between 0 and MAX_INSTANCES "
                f"({self.min_instances} and {self.max_instances} were given)."
            )
        if not 1 <= self.max_instances <= INSTANCES_LIMIT:
            raise InvalidArgument(f"MAX_INSTANCES must be between 1 and {INSTANCES_LIMIT}.")
        if not 1 <= self.min_ready_instances <= self.max_instances:
            raise InvalidArgument("MIN_READY_INSTANCES must be between 1 and MAX_INSTANCES.")
        if self.auto_suspend_s < 0:
            raise InvalidArgument("AUTO_SUSPEND_SECS must be 0 (never) or a number of seconds.")
        if self.num_workers is not None and self.num_workers < 1:
            raise InvalidArgument("num_workers must be at least 1.")
        if self.max_batch_rows is not None and self.max_batch_rows < 1:
            raise InvalidArgument("max_batch_rows must be at least 1.")


class BuildSpec(Document, frozen=True, kw_only=True):
    """A build job. `hosts` are host:port pairs that it may reach."""

    type: ServiceType = ServiceType.BUILD
    pool: str
    model: ModelRef
    gpu: bool = False
    force: bool = False
    hosts: tuple[str, ...] = ()
    integrations: tuple[str, ...] = ()
    image_repository: str | None = None
    cancelled: bool = False
    dropped: bool = False


class ImageRef(DocumentPart, frozen=True, kw_only=True):
    """A built image, by the digests of itself and of its environment."""

    digest: str
    environment: str


class BuildStatus(StatusDocument, frozen=True, kw_only=True):
    """The actual state of a build; `image` once it is done."""

    state: BuildState
    image: ImageRef | None = None


class StartFailure(DocumentPart, frozen=True, kw_only=True):
    """The failed start of a model version in the warehouse; `by_build`: it had no image yet."""

    text: str
    by_build: bool


class ServiceStatus(StatusDocument, frozen=True, kw_only=True):
    """The actual state of a service. Times are seconds since the epoch."""

    state: ServiceState
    image: ImageRef | None = None
    """The image that it runs; None until it is known."""
    target_instances: int = 0
    running_since: float | None = None
    suspended_on: float | None = None
    resumed_on: float | None = None
    rebuild: str | None = None
    """Why its image is built anew; None when it is not."""
    failed_starts: int = 0
    """Starts of a model version in the warehouse that failed so far, so that a call knows one that
    it waited for."""
    failure: StartFailure | None = None
    """The latest of them."""


def is_build(document: Mapping[str, Any]) -> bool:
    """Whether a service's wanted state is that of a build job."""
    return document.get("type") == ServiceType.BUILD


for _kind in (KIND, WAREHOUSE_KIND):
    declare(
        _kind,
        spec=lambda spec: BuildSpec if is_build(spec) else ServiceSpec,
        status=lambda spec: BuildStatus if is_build(spec) else ServiceStatus,
    )
declare(WAREHOUSE_POOL_KIND, spec=PoolSpec, status=PoolStatus)


def service_key(name: QualifiedName) -> Key:
    """Key of a service in the catalog."""
    return Key.of(KIND, name)


def warehouse_key(version_id: str) -> Key:
    """Key of a model version that the warehouse runs, in the catalog."""
    return Key(WAREHOUSE_KIND, version_id)
