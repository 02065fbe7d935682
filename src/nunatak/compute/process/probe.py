"""Asks an instance how it is."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from nunatak.compute.runtime import Milestones
from nunatak.transport.address import UnixAddress

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


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PROBE_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PROBE_TIMEOUT_S)
        self.sock.connect(str(self._path))


def probe(address: UnixAddress) -> Health:
    """One look at `/healthz`; never raises."""
    connection = _UnixConnection(address.path)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        body = answer.read(_BODY_LIMIT_BYTES)
    except (FileNotFoundError, ConnectionRefusedError):
        return Health(ready=False, detail="The inference server is starting.")
    except (OSError, http.client.HTTPException) as error:
        return Health(ready=False, detail=f"The inference server does not answer: {error}.")
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return Health(ready=True, detail="", milestones=_milestones(body))
    return _not_ready(body, answer.status)


def _milestones(body: bytes) -> Milestones | None:
    """What an answer tells of the start; None when it tells nothing."""
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
