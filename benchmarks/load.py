"""A load generator in a process of its own: ``python load.py '<json of Load>'`` → JSON.

Closed loop: every client sends its next request when it has its answer (and, when it is refused,
after as long as Retry-After says). Open loop: requests are due at a fixed mean rate, whatever
the server does, and latency counts from when a request was due.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import uvloop


@dataclass(frozen=True)
class Load:
    """What to send, to whom, how hard and for how long.

    ``address`` is a unix socket's path or ``host:port``; ``bodies`` are files, sent in turn.
    ``rate`` is requests a second for an open loop, None for a closed one. Answers to the same
    body must be the same bytes, else they count as ``mixed``.
    """

    address: str
    path: str
    bodies: list[str]
    clients: int
    seconds: float
    warm_up_s: float = 0.5
    rate: float | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    patient: bool = True

    def told(self) -> dict[str, Any]:
        """What a report says of it: of headers the names only, since they may hold a token."""
        return asdict(self) | {"bodies": len(self.bodies), "headers": sorted(self.headers)}


@dataclass
class Tally:
    """What was seen between the end of the warm-up and the end of the run; seconds."""

    latencies: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    mixed: int = 0
    broken: int = 0


class Client(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self, run: "Run", number: int) -> None:
        self._run, self._number = run, number
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._due = 0.0
        self._body = 0
        self.answered = 0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def send(self, due: float | None = None) -> None:
        """Send the next request; ``due`` is when it should have been sent (default: now)."""
        if self._run.stopped or self._transport is None:
            return
        self.busy = True
        self._due = time.perf_counter() if due is None else due
        self._body = (self._body + 1 + self._number) % len(self._run.requests)
        self._transport.write(self._run.requests[self._body])

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = head.find(b"content-length: ")
        if length >= 0:
            stop = head.find(b"\r", length)
            size = int(head[length + 16 : stop if stop > 0 else end])
        else:
            size = _chunked_size(self._buffer, end + 4)
        if size < 0 or len(self._buffer) < end + 4 + size:
            return
        body, status = self._buffer[end + 4 : end + 4 + size], int(head[9:12])
        self._buffer = self._buffer[end + 4 + size :]
        self.busy = False
        self._run.answered(self, status, head, body, self._body, time.perf_counter() - self._due)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._run.lost(self)


class Run:
    """One run: the clients, what they send, and the tally."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.loop = asyncio.get_running_loop()
        self.requests = [_request(load, name) for name in load.bodies]
        self.tally = Tally()
        self.stopped = False
        self.counting = False
        self._expected: dict[int, bytes] = {}
        self._clients: list[Client] = []
        self._due: deque[float] = deque()
        self._idle: deque[Client] = deque()
        self.reconnects: set[asyncio.Task[None]] = set()

    async def connect(self, number: int) -> Client:
        load = self.load
        client = Client(self, number)
        if ":" in load.address:
            host, _, port = load.address.rpartition(":")
            await self.loop.create_connection(lambda: client, host, int(port))
        else:
            await self.loop.create_unix_connection(lambda: client, load.address)
        return client

    def answered(
        self, client: Client, status: int, head: bytes, body: bytes, number: int, seconds: float
    ) -> None:
        """Count an answer and let the client go on."""
        if self.counting:
            self.tally.statuses[status] += 1
            client.answered += 1
            if status == 200:
                self.tally.latencies.append(seconds)
            else:
                self.tally.refusals.append(seconds)
        if status == 200 and self._expected.setdefault(number, body) != body:
            self.tally.mixed += 1
        if self.load.rate is not None:
            self._idle.append(client)
            self._send_due()
        elif status in (429, 503) and self.load.patient:
            self.loop.call_later(_retry_after(head), client.send)
        else:
            client.send()

    def lost(self, client: Client) -> None:
        """The server closed a connection: count it when an answer was owed, and come again."""
        if self.stopped:
            return
        if client.busy:
            self.tally.broken += 1
        task = self.loop.create_task(self._replace())
        self.reconnects.add(task)
        task.add_done_callback(self.reconnects.discard)

    async def _replace(self) -> None:
        await asyncio.sleep(0.1)
        try:
            new = await self.connect(0)
        except OSError:
            return
        self._clients.append(new)
        if self.load.rate is None:
            new.send()
        else:
            self._idle.append(new)

    def _send_due(self) -> None:
        now = time.perf_counter()
        while self._due and self._idle and self._due[0] <= now:
            self._idle.popleft().send(self._due.popleft())

    async def _arrivals(self, rate: float) -> None:
        due = time.perf_counter()
        while True:
            now = time.perf_counter()
            while due <= now:
                self._due.append(due)
                due += random.expovariate(rate)
            self._send_due()
            await asyncio.sleep(0.0005)

    async def go(self) -> dict[str, Any]:
        """Connect, warm up, count, report."""
        load = self.load
        self._clients = [await self.connect(number) for number in range(load.clients)]
        arrivals = None
        if load.rate is None:
            for client in self._clients:
                client.send()
        else:
            self._idle.extend(self._clients)
            arrivals = self.loop.create_task(self._arrivals(load.rate))
        await asyncio.sleep(load.warm_up_s)
        self.counting, started = True, time.perf_counter()
        await asyncio.sleep(load.seconds)
        self.counting, elapsed = False, time.perf_counter() - started
        self.stopped = True
        if arrivals is not None:
            arrivals.cancel()
        return self._report(elapsed)

    def _report(self, elapsed: float) -> dict[str, Any]:
        tally = self.tally
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "load": self.load.told(),
            "seconds": elapsed,
            "ok_per_s": tally.statuses[200] / elapsed,
            "p50_ms": 1000 * quantile(tally.latencies, 0.5),
            "p99_ms": 1000 * quantile(tally.latencies, 0.99),
            "max_ms": 1000 * max(tally.latencies, default=0.0),
            "refused": sum(n for status, n in tally.statuses.items() if status in (429, 503)),
            "refusal_p99_ms": 1000 * quantile(tally.refusals, 0.99),
            "statuses": {str(status): n for status, n in tally.statuses.items()},
            "mixed": tally.mixed,
            "broken": tally.broken,
            "unanswered_clients": sum(client.answered == 0 for client in self._clients),
            "generator_cpu_s": usage.ru_utime + usage.ru_stime,
        }


def quantile(values: list[float], share: float) -> float:
    """The value below which ``share`` of the values lie; 0 when there is none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _request(load: Load, name: str) -> bytes:
    with open(name, "rb") as file:
        body = file.read()
    lines = [f"POST {load.path} HTTP/1.1", "Host: benchmark", f"Content-Type: {load.content_type}"]
    lines += [f"{key}: {value}" for key, value in load.headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _chunked_size(data: bytes, start: int) -> int:
    """The bytes of a body in chunks that begins at ``start``, framing included; -1: not all here.

    Answers of the same body must come in the same chunks, else they count as mixed.
    """
    at = start
    while (end := data.find(b"\r\n", at)) > 0:
        size = int(data[at:end].partition(b";")[0], 16)
        at = end + 2 + size + 2
        if not size:
            return at - start
    return -1


def _retry_after(head: bytes) -> float:
    """Seconds that the server asks to wait (the head is in lower case); 1 when it does not say."""
    for line in head.split(b"\r\n"):
        if line.startswith(b"retry-after: "):
            return float(line[13:])
    return 1.0


async def _main(load: Load) -> None:
    print(json.dumps(await Run(load).go()))


if __name__ == "__main__":
    uvloop.run(_main(Load(**json.loads(sys.argv[1]))))
