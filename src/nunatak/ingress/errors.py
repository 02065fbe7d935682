"""Answers of the ingress when it does not forward: a status, a stable code, and words.

RequestRefused
├── 401 unauthorized        no valid credential
├── 404 not_found           no such endpoint, or not for this caller
├── 405 method_not_allowed  POST only
├── 413 too_large           more bytes than are taken
├── 431 headers_too_large   more headers than are taken
├── 500 internal            a bug of the server
├── 429, 503 busy           no room; Retry-After says when to come back
├── 502 bad_gateway         the instance broke off
└── 504 timeout             the deadline passed
"""

from __future__ import annotations

import math

import orjson


class RequestRefused(Exception):
    """An answer other than an instance's."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def lines(self) -> bytes:
        """The answer's own headers, each line ended by CR LF."""
        lines = (f"{name}: {value}\r\n" for name, value in self.headers.items())
        return "".join(lines).encode()

    def body(self) -> bytes:
        """The answer's JSON."""
        return orjson.dumps({"error": {"code": self.code, "message": self.message}})


def unauthorized() -> RequestRefused:
    """The same for every reason, so that nothing can be learnt by trying."""
    return RequestRefused(
        401,
        "unauthorized",
        'A valid token is needed: Authorization: Snowflake Token="…".',
        headers={"www-authenticate": 'Snowflake realm="nunatak"'},
    )


def not_found() -> RequestRefused:
    """The same whether there is no such endpoint or it may not be used."""
    return RequestRefused(404, "not_found", "There is no such endpoint, or it is not for you.")


def method_not_allowed() -> RequestRefused:
    """Endpoints of models take POST."""
    return RequestRefused(
        405, "method_not_allowed", "Send a POST request.", headers={"allow": "POST"}
    )


def too_large(limit_bytes: int) -> RequestRefused:
    """The body is over the limit."""
    return RequestRefused(413, "too_large", f"A request may have {limit_bytes} bytes at most.")


def busy(message: str, *, retry_after_s: float = 1.0) -> RequestRefused:
    """There is no room, or no instance."""
    seconds = str(max(1, math.ceil(retry_after_s)))
    return RequestRefused(503, "busy", message, headers={"retry-after": seconds})


def no_capacity(reason: str, *, caller: bool, retry_after_s: int) -> RequestRefused:
    """The instance has as many requests as it can answer in time, or this caller has its share."""
    message = f"{reason[:1].upper()}{reason[1:]}; try again in {retry_after_s} s."
    headers = {"retry-after": str(retry_after_s)}
    return RequestRefused(429 if caller else 503, "busy", message, headers=headers)


def failed() -> RequestRefused:
    """A bug; the log has the trace."""
    return RequestRefused(500, "internal", "The server failed; see its log.")


def bad_gateway(message: str) -> RequestRefused:
    """The instance broke off, and so did those that were asked in its place."""
    return RequestRefused(502, "bad_gateway", message)


def timed_out(stage: str) -> RequestRefused:
    """The request's time ran out."""
    return RequestRefused(504, "timeout", f"The request's time ran out while it was {stage}.")
