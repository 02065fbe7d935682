"""Asks an instance how it is."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Any

import orjson

from nunatak.compute.runtime import Milestones
from nunatak.transport.address import Address
from nunatak.transport.client.errors import CallError, NobodyListens
from nunatak.transport.client.instance_client import InstanceClient

PROBE_TIMEOUT_S = 2.0
_BODY_LIMIT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Health:
    """`detail` says what it waits for, or why it cannot be reached; `failure` why the model could
    not be loaded, as the instance last said; `milestones` how a ready one started."""

    ready: bool
    detail: str
    failure: str = ""
    milestones: Milestones | None = None


def probe(address: Address) -> Health:
    """One look at `/healthz`; never raises."""
    client = InstanceClient(address)
    try:
        answer = client.get("/healthz", timeout_s=PROBE_TIMEOUT_S, limit_bytes=_BODY_LIMIT_BYTES)
    except NobodyListens:
        return Health(ready=False, detail="The inference server is starting.")
    except CallError as error:
        return Health(ready=False, detail=f"The inference server does not answer: {error}.")
    finally:
        client.close()
    body = bytes(answer.body)
    if answer.status == http.client.OK:
        return Health(ready=True, detail="", milestones=_milestones(body))
    return _not_ready(body, answer.status)


def _milestones(body: bytes) -> Milestones | None:
    """Milestones of the start that an answer tells of; None when it tells nothing."""
    try:
        start = orjson.loads(body)["start"]
        return Milestones(
            parked=bool(start["parked"]),
            listening=start["listening"],
            loaded=start["loaded"],
            ready=start["ready"],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _not_ready(body: bytes, status: int) -> Health:
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        text = body.decode("utf-8", "replace").strip()
        return Health(ready=False, detail=text or f"Health answered with status {status}.")
    failure = str(said.get("failure") or "")
    loaded, workers = said.get("workers_ready", 0), said.get("workers", "?")
    detail = failure or f"{loaded} of {workers} workers have loaded the model."
    return Health(ready=False, detail=detail, failure=failure)
