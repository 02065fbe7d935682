"""Settings of the server: where it keeps its things, and its bounds, in one frozen object."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_HOME = Path("~/.nunatak")
DEFAULT_PORT = 8085


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of the server; every queue, body, wait and memory has one."""

    statement_threads: int = 32
    """Statements that run at the same time; more wait for a thread."""
    statement_user_share: float = 0.5
    """Share of these threads that the statements of one user may take; more wait."""
    request_body_bytes: int = 64 * 1024 * 1024
    """Largest body of a protocol request (file transfers are streamed and not counted)."""
    upload_bytes: int = 64 * 1024**3
    """Largest single file that a stage takes."""
    result_inline_bytes: int = 1024 * 1024
    """Results up to this size travel inside the answer; larger ones in chunks."""
    result_chunk_rows: int = 100_000
    """Rows of one chunk of a large result."""
    result_retention_s: float = 24 * 3600.0
    """How long a finished query's result can be read again."""
    results_total_bytes: int = 8 * 1024**3
    """Disk that kept results may take; the oldest go first."""
    session_idle_s: float = 4 * 3600.0
    """A session unused for so long is closed."""
    session_token_s: float = 3600.0
    master_token_s: float = 4 * 3600.0
    answer_wait_s: float = 20.0
    """A statement that takes longer is answered with where to ask for its result."""
    request_memory_entries: int = 10_000
    """Answers kept by request id, so that a retried statement runs once."""
    sessions: int = 1_000
    audit_bytes: int = 512 * 1024**2
    """Disk that the records of logins, grants, refusals and statements may take; the oldest go."""
    audit_days: float = 365.0
    """How long they are kept."""
    build_s: float = 4 * 3600.0
    """Longest time one environment build may take."""
    disk_reserve_bytes: int = 64 * 1024**2
    """Disk that is held back for reading, logging in and removing things once the rest is full; a
    sixteenth of a smaller disk; 0: none."""
    environments_bytes: int = 100 * 1024**3
    """Disk that environments may take; those that nothing uses go when a build needs room."""
    warehouse_model_idle_s: float = 600.0
    """A model that runs in the warehouse is unloaded after so long without a call."""
    warehouse_models: int = 16
    """Models that the warehouse keeps loaded at the same time; when there are more, those go that
    no call needs, the least recently called first."""
    warehouse_model_workers: int = 2
    warehouse_model_memory_share: float = 0.5
    """Share of the machine's memory that one model in the warehouse may take."""
    warehouse_model_cpu_share: float = 0.75
    """Share of the machine's processors that one model in the warehouse may use."""
    instance_processes: int = 192
    """Processes and threads of one instance, beside two for each worker and each processor."""
    instance_open_files: int = 4096
    """Files and sockets that one process of an instance may hold open."""
    instance_work_bytes: int = 1024**3
    """Files that a model may keep in its work folder."""
    instance_temporary_bytes: int = 4 * 1024**3
    """Files that a model may keep in its own /tmp, and as much again in its own /dev/shm."""
    build_processes: int = 1024
    """Processes and threads of one build of an environment."""
    build_open_files: int = 4096
    """Files and sockets that one process of a build may hold open."""
    build_memory_share: float = 0.5
    """Share of the machine's memory that one process of a build may take."""
    parked_instances: int = 4
    """Sleeping services whose model stays in memory, so that they wake at once; 0: none."""
    parked_memory_share: float = 0.25
    """Share of the machine's memory that they may hold, all together."""
    parked_free_share: float = 0.1
    """They give their memory back when less than this share of the machine's is free."""
    parked_s: float = 6 * 3600.0
    """How long a sleeping service's model stays in memory."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The operator's settings; read once at start, never changed."""

    home: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    tls: bool = False
    domain: str | None = None
    """When set, endpoints are `<id>.<domain>` host names instead of paths."""
    account: str = "NUNATAK"
    allow_unconfined: bool = False
    """Run models and builds also where they cannot be confined."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose X-Forwarded-For tells who a login comes from."""
    limits: Limits = field(default_factory=Limits)

    @property
    def catalog_file(self) -> Path:
        """SQLite file with the durable truth."""
        return self.home / "catalog.sqlite"

    def folder(self, name: str) -> Path:
        """A folder of the home, made with mode 0700 when it is not there."""
        path = self.home / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path
