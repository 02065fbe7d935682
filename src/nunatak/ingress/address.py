"""Addresses of requests: which endpoint and method one is for.

Path style, the default, needs no DNS:  `/ep/<endpoint id>.snowflakecomputing.app/<method>`
Host style, with a domain configured:   `Host: <endpoint id>.<domain>`, path `/<method>`
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "/ep/"
_SUFFIXES = (".snowflakecomputing.app", ".snowflake.app")


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """`method` is the rest of the path, without the first slash."""

    endpoint_id: str
    method: str


def address_in_path(path: str) -> EndpointAddress | None:
    """The address that a path names; None when it is not one of an endpoint."""
    if not path.startswith(PREFIX):
        return None
    host, _, method = path[len(PREFIX) :].partition("/")
    for suffix in _SUFFIXES:
        if host.endswith(suffix):
            host = host[: -len(suffix)]
            break
    return EndpointAddress(host, method) if host else None


def address_of_host(host: str, path: str, *, domain: str) -> EndpointAddress | None:
    """The address that a Host header names under `domain`; None when it names none."""
    name = host.partition(":")[0].lower()
    suffix = "." + domain.lower()
    endpoint_id = name[: -len(suffix)]
    if not name.endswith(suffix) or not endpoint_id or "." in endpoint_id:
        return None
    return EndpointAddress(endpoint_id, path.lstrip("/"))
