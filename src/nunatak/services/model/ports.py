"""Ports of this package to its siblings, so that each can be replaced by a double in tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nunatak.catalog.names import QualifiedName
from nunatak.compute.spec import MethodSpec
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.image import BuildRequest
from nunatak.images.store import Image
from nunatak.services.model.spec import ModelRef
from nunatak.transport.address import Address
from nunatak.warehouse.model_calls.arguments import MethodSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedMethod:
    """A method as the instance is told of it, and as SQL calls it."""

    spec: MethodSpec
    signature: MethodSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model version that can be run. `digest` is of its files; empty while they may change."""

    ref: ModelRef
    folder: Path
    digest: str
    methods: tuple[ServedMethod, ...]


class ModelSource(Protocol):
    """The source of model versions."""

    def resolve(self, model: QualifiedName, version: str) -> ServedModel:
        """The version of a name or alias; raises ObjectNotFound."""
        ...

    def resolve_for_warehouse(self, model: QualifiedName, version: str) -> ServedModel:
        """The version of a name or alias; raises ObjectNotFound, InvalidArgument when the
        warehouse cannot run it."""
        ...

    def load(self, ref: ModelRef) -> ServedModel:
        """The version that was resolved before; raises ObjectNotFound when it is gone."""
        ...

    def name_of(self, ref: ModelRef) -> QualifiedName:
        """Name of the model of a version now; raises ObjectNotFound when it is gone."""
        ...


class Builder(Protocol):
    """Makes images; ImageBuilder is the real one."""

    def find(self, request: BuildRequest) -> Image | None:
        """The image that a build would give, if there is nothing to do."""
        ...

    def assemble(self, request: BuildRequest) -> Image | None:
        """The image that a build would give, made now if nothing needs to be installed for it."""
        ...

    def problem(self, digest: str) -> str:
        """Reason why nothing can be started from an image; empty when something can."""
        ...

    def build(self, request: BuildRequest, log: BuildLog, cancel: threading.Event) -> Image:
        """Build it; blocks. Raises BuildFailed."""
        ...


@dataclass(frozen=True, slots=True)
class InstanceLoad:
    """The load of one instance now. `last_request_at` and `first_answer_at` (since its latest
    start) are seconds since the epoch, 0 if never."""

    workers: int
    busy: float
    in_flight: int
    last_request_at: float
    first_answer_at: float = 0.0


class LoadSource(Protocol):
    """Asks instances what they do."""

    def load(self, address: Address) -> InstanceLoad | None:
        """The load of the instance at an address; None when it does not answer in time."""
        ...
