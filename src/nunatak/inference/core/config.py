"""The instance's configuration: one JSON file, read once, checked whole."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from nunatak.inference.core.egress import EgressConfig
from nunatak.inference.core.errors import ConfigError
from nunatak.inference.core.pool_settings import PoolSettings
from nunatak.inference.core.signature import ModelMethod, field_of
from nunatak.transport.address import CertificateFiles
from nunatak.transport.tls import instance_context

_LONGEST_SOCKET_PATH = 107
"""What the kernel takes as the address of a unix socket."""


class TcpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network listener: with TLS, for callers that show a certificate of the
    authority and send ``Authorization: Bearer <token>``. Files are PEM."""

    host: str
    port: int
    token: str
    certificate: str
    key: str
    authority: str

    def context(self) -> ssl.SSLContext:
        """TLS context that connections are accepted with. Raises OSError."""
        files = CertificateFiles(Path(self.certificate), Path(self.key))
        return instance_context(files, Path(self.authority))


class _MethodEntry(msgspec.Struct, frozen=True):
    name: str
    path: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]] = []
    params: list[dict[str, Any]] = []
    handler: str = ""
    kind: str = "FUNCTION"
    wide: bool = False
    max_batch_size: int | None = None


class _File(msgspec.Struct, frozen=True):
    service: str
    instance_id: str
    directory: str
    python: list[str]
    model_dir: str
    methods: list[_MethodEntry]
    socket: str | None = None
    tcp: TcpConfig | None = None
    sandbox: list[str] = []
    env: dict[str, str] = {}
    secret_env: str | None = None
    egress: EgressConfig | None = None
    num_workers: int | None = None
    max_batch_rows: int | None = None
    batching: bool = True
    memory_limit_bytes: int | None = None
    default_deadline_s: float = 60.0
    max_body_bytes: int = 64 * 1024 * 1024
    log_level: str = "INFO"
    die_with_parent: bool = False


@dataclass(frozen=True, slots=True)
class InstanceConfig:
    """The configuration of an instance, as the compute runtime wrote it.

    ``pool`` is what concerns the workers alone. ``egress`` is None when they have no way out.
    """

    service: str
    instance_id: str
    directory: Path
    socket: Path | None
    tcp: TcpConfig | None
    methods: tuple[ModelMethod, ...]
    pool: PoolSettings
    max_batch_rows: int | None
    batching: bool
    memory_limit_bytes: int | None
    default_deadline_s: float
    max_body_bytes: int
    log_level: str
    die_with_parent: bool
    egress: EgressConfig | None = None


def load(path: Path) -> InstanceConfig:
    """Read ``instance.json``. Raises ConfigError, which names the entry that is wrong."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:  # a ValidationError is one
        raise ConfigError(f"the configuration {path} is not valid: {error}") from error
    _check(file)
    return InstanceConfig(
        service=file.service,
        instance_id=file.instance_id,
        directory=Path(file.directory),
        socket=None if file.socket is None else Path(file.socket),
        tcp=file.tcp,
        methods=tuple(_method(entry) for entry in file.methods),
        pool=PoolSettings.from_instance(
            {**msgspec.to_builtins(file), "env": {**file.env, **_secret_env(file)}}
        ),
        max_batch_rows=file.max_batch_rows,
        batching=file.batching,
        memory_limit_bytes=file.memory_limit_bytes,
        default_deadline_s=file.default_deadline_s,
        max_body_bytes=file.max_body_bytes,
        log_level=file.log_level.upper(),
        die_with_parent=file.die_with_parent,
        egress=file.egress,
    )


def _secret_env(file: _File) -> dict[str, str]:
    """Variables that are kept in a file of their own, because it lies in memory."""
    if file.secret_env is None:
        return {}
    path = Path(file.secret_env)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise ConfigError(f"the variables in {path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError:
        # what the decoder says, and the cause that it would leave, may quote a secret
        raise ConfigError(f"the variables in {path} are not a map of texts") from None


def _check(file: _File) -> None:
    for name in ("num_workers", "max_batch_rows", "memory_limit_bytes", "max_body_bytes"):
        value = getattr(file, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1, or null")
    _check_listeners(file)
    if file.default_deadline_s <= 0:
        raise ConfigError(f"default_deadline_s is {file.default_deadline_s}; it must be above 0")
    if not file.methods:
        raise ConfigError("the model has no method to serve")
    if not file.python:
        raise ConfigError("python names no interpreter for the model")
    if file.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"log_level {file.log_level!r} is none of DEBUG, INFO, WARNING, ERROR")
    paths = [spelling(method.path) for method in file.methods]
    if len(set(paths)) != len(paths):
        raise ConfigError("two methods share one path")


def _check_listeners(file: _File) -> None:
    if file.socket is None and file.tcp is None:
        raise ConfigError("neither socket nor tcp says where to listen")
    if file.socket is not None and len(os.fsencode(file.socket)) > _LONGEST_SOCKET_PATH:
        raise ConfigError(
            f"the socket's path is longer than {_LONGEST_SOCKET_PATH} bytes: {file.socket}; "
            "choose a home folder with a shorter path"
        )
    if file.tcp is None:
        return
    if not file.tcp.token:
        raise ConfigError("tcp has no token; listening on TCP without one is not allowed")
    try:
        file.tcp.context()
    except OSError as error:  # what TLS cannot read is one, too
        raise ConfigError(
            f"tcp: its certificate, key or authority cannot be used: {error.strerror or error}"
        ) from error


def spelling(path: str) -> str:
    """A method's path as it is compared: without slashes, ``-`` and ``_`` alike, any case."""
    return path.strip("/").replace("-", "_").lower()


def _method(entry: _MethodEntry) -> ModelMethod:
    try:
        return ModelMethod(
            name=entry.name,
            path=entry.path,
            inputs=tuple(field_of(field) for field in entry.inputs),
            params=tuple(field_of(field) for field in entry.params),
            outputs=tuple(field_of(field) for field in entry.outputs),
            wide=entry.wide,
            max_batch_rows=entry.max_batch_size,
        )
    except KeyError as error:
        raise ConfigError(f"a field of method {entry.name} has no {error}") from error
    except ConfigError as error:
        raise ConfigError(f"method {entry.name}: {error}") from error
