"""Asks an instance how it is."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

PROBE_TIMEOUT_S = 2.0
_BODY_LIMIT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Health:
    """`detail` says what it waits for, or why it cannot be reached."""

    ready: bool
    detail: str


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PROBE_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PROBE_TIMEOUT_S)
        self.sock.connect(str(self._path))


def probe(path: Path) -> Health:
    """One look at `/healthz`; never raises."""
    connection = _UnixConnection(path)
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
        return Health(ready=True, detail="")
    return Health(ready=False, detail=_detail(body) or f"Health answered {answer.status}.")


def _detail(body: bytes) -> str:
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace").strip()
    if not isinstance(value, dict):
        return str(value)
    error = value.get("error")
    if isinstance(error, dict):
        value = error
    named = (value.get(name) for name in ("failure", "message", "detail", "reason", "state"))
    return next((str(text) for text in named if text), body.decode("utf-8", "replace").strip())
