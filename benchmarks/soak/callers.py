"""The callers of a soak: each is a thread that does one thing again and again, and checks it."""

import http.client
import io
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.plane import Clients, Endpoint
from benchmarks.soak.ledger import Ledger

ARROW = "application/vnd.apache.arrow.stream"
REFUSED = (429, 503)
LATE_S = 2.5
"""How much later than its deadline an answer may be seen here: the ingress gives an instance one
second more, the rest is for threads that wait for a processor."""
_TIMEOUT_S = 90.0
_PAUSE_S = 1.0


@dataclass(frozen=True)
class Case:
    """A body and the numbers that it must be answered with."""

    body: bytes
    values: "np.ndarray[Any, Any]"
    content_type: str = "application/json"


@dataclass(frozen=True)
class Scene:
    """What all callers share."""

    endpoint: Endpoint
    ledger: Ledger
    over: threading.Event
    small: Sequence[Case]
    large: Sequence[Case]


class Caller(threading.Thread):
    """Does ``once`` until the scene is over; an exception of its own is a fault."""

    def __init__(self, kind: str, scene: Scene, seed: int) -> None:
        super().__init__(name=f"{kind} {seed}", daemon=True)
        self.kind, self.scene, self.random = kind, scene, random.Random(seed)
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Call until it is over."""
        while not self.scene.over.is_set():
            try:
                self.once()
            except Exception as error:
                self.scene.ledger.fault(self.kind, repr(error))
                self.hang_up()
                self.scene.over.wait(_PAUSE_S)
        self.hang_up()

    def once(self) -> None:
        """One call and its check."""
        raise NotImplementedError

    def ask(
        self, case: Case, *, path: str | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        """One request on a connection that is kept; raises OSError when it breaks."""
        endpoint = self.scene.endpoint
        if self._connection is None:
            self._connection = http.client.HTTPConnection(endpoint.address, timeout=_TIMEOUT_S)
        given = {"Content-Type": case.content_type, **endpoint.headers}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("POST", path or endpoint.path, case.body, given)
        return self._connection.getresponse()

    def hang_up(self) -> None:
        """The next call is on a new connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def take(self, case: Case, answer: http.client.HTTPResponse) -> bool:
        """Count a good answer or a refusal; anything else is left to the caller."""
        body = answer.read()
        if answer.status == 200:
            got = _values(body, case.content_type)
            if len(got) != len(case.values) or not np.allclose(got, case.values, rtol=1e-5):
                self.scene.ledger.fault(self.kind, "was answered with other numbers")
            else:
                self.scene.ledger.count(self.kind, "answered", rows=len(got))
            return True
        if answer.status in REFUSED and (after := answer.getheader("retry-after")):
            self.scene.ledger.count(self.kind, "refused")
            self.scene.over.wait(min(float(after), 2.0))
            return True
        return False


class Predictor(Caller):
    """Valid requests, small or large: answered right, or refused with a time to come back."""

    def __init__(self, kind: str, scene: Scene, seed: int, cases: Sequence[Case]) -> None:
        super().__init__(kind, scene, seed)
        self._cases = cases

    def once(self) -> None:
        case = self.random.choice(self._cases)
        answer = self.ask(case)
        if not self.take(case, answer):
            self.scene.ledger.fault(self.kind, f"{answer.status} for a valid request")


class Hurried(Caller):
    """Requests with little time: an answer, a refusal or 504, and never much later."""

    def once(self) -> None:
        case = self.random.choice((*self.scene.small, *self.scene.large))
        patience_ms = self.random.choice((1, 3, 10, 30, 100))
        began = time.monotonic()
        answer = self.ask(case, X_Nunatak_Deadline_Ms=str(patience_ms))
        took = time.monotonic() - began
        if took > patience_ms / 1000 + LATE_S:
            text = f"{answer.status} after {took:.2f} s, with {patience_ms} ms to go"
            self.scene.ledger.fault(self.kind, text)
        if self.take(case, answer):
            return
        if answer.status == 504:
            self.scene.ledger.count(self.kind, "expired")
        else:
            self.scene.ledger.fault(self.kind, f"{answer.status} where time ran out")


WRONG: tuple[tuple[bytes, int], ...] = (
    (b"", 400),
    (b"{", 400),
    (b"\xff\xfe\x00", 400),
    (b"[]", 400),
    (b'{"data": [[0, 1]]}', 400),
    (b'{"data": [[0, "a"' + b', "a"' * 19 + b"]]}", 400),
    (b'{"data": ' + b"[" * 50_000, 400),
    (b'{"dataframe_split": {"columns": ["F0"], "data": []}}', 400),
)


class Mistaken(Caller):
    """Requests that are wrong: told so, each time."""

    def once(self) -> None:
        body, wanted = self.random.choice(WRONG)
        kind = self.random.choice(("application/json", ARROW))
        answer = self.ask(Case(body, np.zeros(0), kind))
        answer.read()
        if answer.status == wanted:
            self.scene.ledger.count(self.kind, "bad_input")
        elif answer.status in REFUSED and answer.getheader("retry-after"):
            self.scene.ledger.count(self.kind, "refused")
        else:
            self.scene.ledger.fault(self.kind, f"{answer.status} instead of {wanted}")
        self.scene.over.wait(0.02)


class Leaver(Caller):
    """Sends a request, or a part of one, and leaves without waiting for the answer."""

    def once(self) -> None:
        case = self.random.choice((*self.scene.small, *self.scene.large))
        endpoint = self.scene.endpoint
        host, _, port = endpoint.address.rpartition(":")
        lines = [f"POST {endpoint.path} HTTP/1.1", "Host: soak"]
        lines += [f"{name}: {value}" for name, value in endpoint.headers.items()]
        lines += [f"Content-Type: {case.content_type}", f"Content-Length: {len(case.body)}"]
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + case.body
        if self.random.random() < 0.5:
            request = request[: self.random.randrange(1, len(request))]
        self.scene.ledger.count(self.kind, "sent")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            if self.random.random() < 0.5:  # leave with a reset
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.sendall(request)
            self.scene.over.wait(self.random.uniform(0.0, 0.05))


class Query(Caller):
    """A bulk model call in SQL over a table that holds the right answers beside its rows."""

    def __init__(self, kind: str, scene: Scene, clients: Clients, statement: str, rows: int):
        super().__init__(kind, scene, 0)
        self._clients, self._statement, self._rows = clients, statement, rows

    def once(self) -> None:
        (found,) = self._clients.do("sql", text=self._statement)["rows"]
        if found == [str(self._rows), "0"]:
            self.scene.ledger.count(self.kind, "answered")
        else:
            self.scene.ledger.fault(self.kind, f"rows and wrong ones among them: {found}")


class Disturber(Caller):
    """Does something to the service every few seconds."""

    def __init__(
        self, kind: str, scene: Scene, seed: int, every_s: float, disturb: Callable[[], bool]
    ) -> None:
        super().__init__(kind, scene, seed)
        self._every_s, self._disturb = every_s, disturb

    def once(self) -> None:
        if not self.scene.over.wait(self.random.uniform(0.5, 1.5) * self._every_s):
            self.scene.ledger.count(self.kind, "done" if self._disturb() else "nothing there")


def _values(body: bytes, content_type: str) -> "np.ndarray[Any, Any]":
    if content_type == ARROW:
        with pa.ipc.open_stream(io.BytesIO(body)) as stream:
            column = stream.read_all().column("output_feature_0")
        return np.asarray(column.to_numpy())
    rows = json.loads(body)["data"]
    if [row[0] for row in rows] != list(range(len(rows))):
        raise ValueError("the rows' numbers are not those that were sent")
    return np.array([row[1]["output_feature_0"] for row in rows])
