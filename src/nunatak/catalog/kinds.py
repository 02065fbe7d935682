"""Documents of the kinds that are plain settings: containers, files, access, warehouses, tags.

Kinds with a life of their own (pools, services, models …) declare theirs where they are decided.
Parts in upper case are settings under the names that statements give them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nunatak.catalog.documents import Document, declare

Option = str | int | float | bool | list[str | int | float | bool | None] | None
"""A value that a statement gives to an option."""
NameParts = tuple[str, str, str]
"""Database, schema and name of a schema object."""
DATABASE, SCHEMA, TABLE, VIEW, SEQUENCE = "DATABASE", "SCHEMA", "TABLE", "VIEW", "SEQUENCE"
WAREHOUSE, STAGE, FILE_FORMAT, TAG = "WAREHOUSE", "STAGE", "FILE_FORMAT", "TAG"
NETWORK_RULE, INTEGRATION, SECRET = "NETWORK_RULE", "INTEGRATION", "SECRET"
IMAGE_REPOSITORY = "IMAGE_REPOSITORY"


class NamespaceSpec(Document, frozen=True, kw_only=True, rename="upper"):
    """Settings of a database or schema; None is the database's for a schema, else the server's."""

    data_retention_time_in_days: int | None = None
    max_data_extension_time_in_days: int | None = None
    default_ddl_collation: str | None = None
    managed_access: bool = False
    """Of a schema: whether its owner alone grants on what lies in it."""

    def within(self, database: NamespaceSpec) -> NamespaceSpec:
        """Settings of a schema in a database, which gives those that the schema leaves open."""
        own = {name: value for name, value in self.document().items() if value is not None}
        return database.changed(own)


class WarehouseSpec(Document, frozen=True, kw_only=True, rename="upper"):
    """Settings of a warehouse; None is the server's default."""

    warehouse_size: str | None = None
    warehouse_type: str | None = None
    auto_suspend: int | None = None
    auto_resume: bool | None = None
    initially_suspended: bool | None = None
    min_cluster_count: int | None = None
    max_cluster_count: int | None = None
    scaling_policy: str | None = None
    max_concurrency_level: int | None = None
    statement_timeout_in_seconds: int | None = None
    statement_queued_timeout_in_seconds: int | None = None
    enable_query_acceleration: bool | None = None


class WarehouseStatus(Document, frozen=True, kw_only=True):
    """The actual state of a warehouse: STARTED or SUSPENDED."""

    state: str = "STARTED"


class StageSpec(Document, frozen=True, kw_only=True):
    """A stage: `id` names its folder; the rest are the options that were given."""

    id: str
    FILE_FORMAT: Mapping[str, Option] | None = None
    DIRECTORY: Mapping[str, Option] | None = None
    ENCRYPTION: Mapping[str, Option] | None = None
    COPY_OPTIONS: Mapping[str, Option] | None = None


class FileFormatSpec(Document, frozen=True, kw_only=True):
    """The options of a file format, by their names."""

    options: Mapping[str, Option]


class TagSpec(Document, frozen=True, kw_only=True):
    """A tag; an empty list of allowed values allows every text."""

    allowed_values: tuple[str, ...] = ()


class NetworkRuleSpec(Document, frozen=True, kw_only=True):
    """A network rule; `values` are host:port pairs."""

    mode: str
    type: str
    values: tuple[str, ...]


class IntegrationSpec(Document, frozen=True, kw_only=True):
    """An external access integration; `secrets` are names, or ALL."""

    enabled: bool
    rules: tuple[NameParts, ...]
    secrets: tuple[str | NameParts, ...] = ()


class SecretSpec(Document, frozen=True, kw_only=True):
    """A secret: `shown` may be read by whoever describes it, `sealed` is encrypted."""

    type: str
    username: str | None = None
    shown: Mapping[str, Any] = {}
    sealed: str


class RepositorySpec(Document, frozen=True, kw_only=True):
    """An image repository."""

    encryption: str | None = None


for _kind in (TABLE, VIEW, SEQUENCE):
    declare(_kind)
declare(DATABASE, spec=NamespaceSpec)
declare(SCHEMA, spec=NamespaceSpec)
declare(WAREHOUSE, spec=WarehouseSpec, status=WarehouseStatus)
declare(STAGE, spec=StageSpec)
declare(FILE_FORMAT, spec=FileFormatSpec)
declare(TAG, spec=TagSpec)
declare(NETWORK_RULE, spec=NetworkRuleSpec)
declare(INTEGRATION, spec=IntegrationSpec)
declare(SECRET, spec=SecretSpec)
declare(IMAGE_REPOSITORY, spec=RepositorySpec)
