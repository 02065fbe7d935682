"""A request to an ASGI application without a socket."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Answer:
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document


async def send(
    app: ASGIApp,
    method: str,
    address: str,
    *,
    body: bytes | Sequence[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    is_broken: bool = False,
) -> Answer:
    """Send one request; the address is a path with a query string. `body` may come in parts, and
    the connection may break off after them."""
    path, _, query = address.removeprefix("http://test").partition("?")
    parts = [body] if isinstance(body, bytes) else list(body)
    sent: list[Message] = []

    async def receive() -> Message:
        if not parts:
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts) or is_broken}

    async def answer(message: Message) -> None:
        sent.append(message)

    given = {"host": "test", **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in given.items()],
        "client": ("10.0.0.1", 1234),
        "server": ("test", 80),
    }
    await app(scope, receive, answer)
    start = sent[0]
    names = {k.decode(): v.decode() for k, v in start["headers"]}
    return Answer(start["status"], names, b"".join(m.get("body", b"") for m in sent[1:]))


async def post(
    app: ASGIApp, address: str, document: object = None, *, token: str | None = None
) -> dict[str, Any]:
    """POST a JSON document as the clients do, packed with gzip; the answer's body."""
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f'Snowflake Token="{token}"'
    body = gzip.compress(json.dumps(document or {}).encode())
    answer = await send(app, "POST", address, body=body, headers=headers)
    assert answer.status == 200
    return answer.json()


async def get(app: ASGIApp, address: str, *, token: str) -> dict[str, Any]:
    """GET a JSON document."""
    headers = {"authorization": f'Snowflake Token="{token}"'}
    answer = await send(app, "GET", address, headers=headers)
    assert answer.status == 200
    return answer.json()
