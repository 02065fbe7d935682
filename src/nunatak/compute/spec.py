"""Specification of what is to be started: one instance of the inference server, and the file that
tells it so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nunatak.errors import InvalidArgument

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """An input, parameter or output of a method. `type` is SQL text, `default` too.

    `identifier` is the name in SQL, in stored form; None: what `name` means there. `reals` says
    where numbers inside an array or object are real ones
    (`nunatak.inference.core.signature`), `limits` the least and the greatest whole number that
    is taken; None: those of 64 bits.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    identifier: str | None = None
    reals: bool | Mapping[str, Any] | None = None
    limits: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec:
    """A method that the instance answers under `/<path>`."""

    name: str
    handler: str
    """Where the code lies in the model's folder, for example `functions.predict.infer`."""
    path: str
    kind: str = "FUNCTION"
    inputs: tuple[FieldSpec, ...] = ()
    params: tuple[FieldSpec, ...] = ()
    outputs: tuple[FieldSpec, ...] = ()
    wide: bool = False
    """A row arrives as one object that holds every input."""
    max_batch_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveInputs:
    """The inputs that may change while an instance runs."""

    egress: tuple[str, ...] | None = None
    """The host:port pairs that the model's own code may open connections to; None: it has no
    network at all, and cannot be given any before it is started again."""
    secret_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """Files by their names, in folders of the workers' sandbox by their paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSpec:
    """An instance to run. Raises InvalidArgument when `id` cannot be a folder's name."""

    id: str
    """Unique on this server; names the instance's folder."""
    service: str
    """Whose instance it is, as shown to people."""
    instance_id: str = "0"
    """The instance's number within its service."""
    python: tuple[str, ...]
    """The interpreter of the model's environment and its arguments."""
    model_dir: Path
    methods: tuple[MethodSpec, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of the workers; nothing of the server's own environment reaches them."""
    readable: tuple[Path, ...] = ()
    """What the workers may read besides their environment and the model."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Whatever the owner needs to recognise the instance after a restart of the server."""
    num_workers: int | None = None
    max_batch_rows: int | None = None
    batching: bool = True
    cpus: float | None = None
    """Processor time it may use, in processors; None: no limit."""
    memory_limit_bytes: int | None = None
    live: LiveInputs = field(default_factory=LiveInputs)
    secret_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of the workers that are never written to a disk."""
    gpus: int = 0
    default_deadline_s: float = 60.0
    max_body_bytes: int = 64 * 1024 * 1024
    log_level: str = "INFO"
    die_with_parent: bool = False
    """End when the server ends; otherwise a restarted server adopts the instance."""

    def __post_init__(self) -> None:
        if not _ID.match(self.id):
            raise InvalidArgument(
                f"'{self.id}' cannot name an instance: use letters, digits, '.', '_' and '-'."
            )


def instance_json(
    spec: InstanceSpec,
    *,
    directory: Path,
    socket: Path,
    sandbox: list[str],
    secret_env: Path | None = None,
    egress: Mapping[str, str | None] | None = None,
) -> Any:
    """The configuration that the inference server reads, as JSON values.

    `secret_env` is the file with the variables that are not in it; `egress` names the file of
    allowed hosts and the socket of the proxy.
    """
    return {
        "service": spec.service,
        "instance_id": spec.instance_id,
        "directory": str(directory),
        "socket": str(socket),
        "tcp": None,
        "python": list(spec.python),
        "sandbox": sandbox,
        "model_dir": str(spec.model_dir),
        "env": dict(spec.env),
        "secret_env": None if secret_env is None else str(secret_env),
        "egress": egress,
        "methods": [_method_json(method) for method in spec.methods],
        "num_workers": spec.num_workers,
        "max_batch_rows": spec.max_batch_rows,
        "batching": spec.batching,
        "memory_limit_bytes": spec.memory_limit_bytes,
        "default_deadline_s": spec.default_deadline_s,
        "max_body_bytes": spec.max_body_bytes,
        "log_level": spec.log_level,
        "die_with_parent": spec.die_with_parent,
    }


def _method_json(method: MethodSpec) -> dict[str, Any]:
    return {
        "name": method.name,
        "handler": method.handler,
        "kind": method.kind,
        "inputs": [_field_json(item) for item in method.inputs],
        "params": [_field_json(item) for item in method.params],
        "outputs": [_field_json(item) for item in method.outputs],
        "wide": method.wide,
        "path": method.path,
        "max_batch_size": method.max_batch_size,
    }


def _field_json(item: FieldSpec) -> dict[str, Any]:
    return {
        "name": item.name,
        "type": item.type,
        "nullable": item.nullable,
        "default": item.default,
        "identifier": item.identifier,
        "reals": item.reals,
        "limits": item.limits,
    }
