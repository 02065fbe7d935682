"""Addresses of services: for callers outside, and the names that callers inside would use."""

from __future__ import annotations

import hashlib
import re

from nunatak.catalog.names import QualifiedName
from nunatak.config import Settings
from nunatak.errors import InvalidArgument

SUFFIX = ".snowflakecomputing.app"
"""Clients show an endpoint's address only when it ends so."""
NOT_YET = "Endpoints provisioning in progress... check back in a few minutes"
_HASH_CHARS = 6
_REGISTRY = "registry"
_NOWHERE = "registry.invalid"
"""A name that nobody can have, while the server does not listen yet."""
_NAME = re.compile(r"[A-Z]([A-Z0-9_]{0,61}[A-Z0-9])?\Z")
"""The stored form of names that are labels of addresses once `_` is a dash."""


class Addresses:
    """Makes addresses. `public` is this server's `host:port`, known once it listens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.public: str | None = None

    def ingress_url(self, endpoint_id: str) -> str:
        """The address of an endpoint, without a scheme, as the vendor shows it."""
        if self._settings.domain is not None:
            return f"{endpoint_id}.{self._settings.domain}"
        if self.public is None:
            return NOT_YET
        return f"{self.public}/ep/{endpoint_id}{SUFFIX}"

    def repository_url(self, path: str) -> str:
        """The address of an image repository, without a scheme: always one of this server, since
        clients send credentials there."""
        if self._settings.domain is not None:
            return f"{_REGISTRY}.{self._settings.domain}{path}"
        return f"{self.public or _NOWHERE}{path}"

    def environment(self) -> dict[str, str]:
        """Variables that tell an instance which account and server it belongs to."""
        found = {"SNOWFLAKE_ACCOUNT": self._settings.account}
        if self.public is not None:
            host, _, port = self.public.rpartition(":")
            found |= {"SNOWFLAKE_HOST": host, "SNOWFLAKE_PORT": port}
        return found

    @staticmethod
    def dns_name(service: QualifiedName) -> str:
        """The name of a service inside, as the vendor makes it."""
        label = service.name.lower().replace("_", "-")
        return f"{label}.{dns_hash(service)}.svc.spcs.internal"


def check_service_name(service: QualifiedName) -> None:
    """Raises InvalidArgument for a new service whose name cannot be part of an address."""
    if not _NAME.match(service.name):
        raise InvalidArgument(
            f"A service cannot be named '{service.name}': use at most 63 letters, digits and _, "
            "without quotes, that begin with a letter and do not end with _."
        )


def dns_hash(name: QualifiedName) -> str:
    """The part of an inside name that stands for the schema."""
    text = f"{name.database}.{name.schema}".encode()
    return hashlib.sha256(text).hexdigest()[:_HASH_CHARS]
