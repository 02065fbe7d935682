"""Doubles and small tools for tests of the inference server's front."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.errors import CannotPark
from nunatak.inference.core.signature import ModelMethod, SignatureField, kind_of
from nunatak.inference.scheduling.batcher import BatchPolicy
from nunatak.inference.server.admin_endpoints import pages_of
from nunatak.inference.server.service import InferenceService, ServiceSettings
from nunatak.inference.workers.pool import PoolSnapshot, Start
from nunatak.transport.admission.admission import AdmissionPolicy

Model = Callable[[Columns], Columns]


def fields(**types: str) -> tuple[SignatureField, ...]:
    """Fields from names and SQL types."""
    return tuple(
        SignatureField(name, sql_type, kind_of(sql_type)) for name, sql_type in types.items()
    )


def method(
    inputs: tuple[SignatureField, ...] | None = None,
    *,
    params: tuple[SignatureField, ...] = (),
    name: str = "PREDICT",
    outputs: tuple[SignatureField, ...] | None = None,
    wide: bool = False,
    max_batch_rows: int | None = None,
) -> ModelMethod:
    """A method of two numbers and one output, unless told otherwise."""
    return ModelMethod(
        name=name,
        path=name.lower(),
        inputs=fields(a="DOUBLE", b="DOUBLE") if inputs is None else inputs,
        params=params,
        outputs=fields(output_feature_0="DOUBLE") if outputs is None else outputs,
        wide=wide,
        max_batch_rows=max_batch_rows,
    )


def total(columns: Columns) -> Columns:
    """A model: the sum of all numeric columns, row by row."""
    numeric = [np.asarray(c.values, np.float64) for c in columns.columns if c.kind in _NUMERIC]
    values = np.sum(numeric, axis=0) if numeric else np.zeros(columns.rows)
    return Columns((Column("output_feature_0", ColumnKind.FLOAT64, values),), columns.rows)


_NUMERIC = (ColumnKind.FLOAT64, ColumnKind.INT64)


@dataclass
class FakePool:
    """A pool whose workers take ``seconds`` a batch and compute ``model``; counts its batches."""

    model: Model = total
    seconds: float = 0.0
    size: int = 2
    ready: int = 2
    batches: list[Columns] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    started: int = 0
    parked: int = 0
    stopped: int = 0
    refusal: str = ""
    lost: "asyncio.Future[str] | None" = None

    async def start(self) -> None:
        """Count it."""
        self.started += 1

    async def predict(
        self, method: str, columns: Columns, *, deadline: float, request_id: str
    ) -> Columns:
        """Wait on the loop's clock, then compute."""
        self.batches.append(columns)
        self.began.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.seconds)
            return self.model(columns)
        finally:
            self.running -= 1

    async def park(self, *, grace_s: float) -> asyncio.Future[str]:
        """The model stays, unless ``lost`` is set; the workers are gone until the next start."""
        if self.refusal:
            raise CannotPark(self.refusal)
        self.parked += 1
        self.lost = asyncio.get_running_loop().create_future()
        return self.lost

    async def stop(self, *, grace_s: float) -> None:
        """Count it."""
        self.stopped += 1

    def snapshot(self) -> PoolSnapshot:
        """All workers ready, unless told otherwise."""
        return PoolSnapshot(
            size=self.size,
            ready=self.ready,
            busy=self.running,
            restarts=0,
            pids=(),
            pss_bytes=0,
            failure="",
            start=Start.FORKED,
            start_reason="",
        )


def settings(*methods: ModelMethod, **changes: Any) -> ServiceSettings:
    """Settings of a service of the given methods; any field may be changed."""
    values: dict[str, Any] = {
        "service": "DB.S.SVC",
        "instance_id": "0",
        "methods": methods or (method(),),
        "token": None,
        "default_deadline_s": 60.0,
        "max_body_bytes": 1024 * 1024,
        "batching": BatchPolicy(slots=1, workers=2),
        "admission": AdmissionPolicy(memory_bytes=64 * 1024 * 1024),
    }
    return ServiceSettings(**(values | changes))


class FakeTransport(asyncio.Transport):
    """Keeps what is written; knows whether it was closed and whether reading is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.closed = False
        self.reading = True
        self.protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is told from now on."""
        self.protocol = protocol

    def deliver(self, data: bytes) -> None:
        """Bytes come; whoever is told takes them as a socket's transport gives them."""
        while data:
            protocol = self.protocol
            if not isinstance(protocol, asyncio.BufferedProtocol):
                assert isinstance(protocol, asyncio.Protocol)
                protocol.data_received(data)
                return
            buffer = memoryview(protocol.get_buffer(-1))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            data = data[size:]
            protocol.buffer_updated(size)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Nothing is known."""
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep the bytes."""
        self.sent += data

    def can_write_eof(self) -> bool:
        """A socket can."""
        return True

    def write_eof(self) -> None:
        """The other side sees an end."""
        self.closed = True

    def pause_reading(self) -> None:
        """No data until resumed."""
        self.reading = False

    def resume_reading(self) -> None:
        """Data again."""
        self.reading = True

    def close(self) -> None:
        """Closed after what was written."""
        self.closed = True

    def abort(self) -> None:
        """Closed at once."""
        self.closed = True


@dataclass(frozen=True)
class Answer:
    """One answer as a client sees it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


def answers(sent: bytes | bytearray) -> list[Answer]:
    """Cut a stream of answers with stated lengths into answers; interim ones are kept too."""
    found, rest = [], bytes(sent)
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        size = int(headers.get("content-length", "0"))
        found.append(Answer(int(first.split()[1]), headers, rest[:size]))
        rest = rest[size:]
    return found


def post(body: Any, *, path: str = "/predict", headers: Mapping[str, str] | None = None) -> bytes:
    """A POST request; anything but bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"POST {path} HTTP/1.1\r\nContent-Length: {len(data)}\r\n{lines}\r\n".encode() + data


def service(pool: FakePool, *methods: ModelMethod, **changes: Any) -> InferenceService:
    """A service on the running loop."""
    loop = asyncio.get_running_loop()
    made = InferenceService(settings(*methods, **changes), pool, loop=loop, clock=loop.time)
    made.pages = pages_of(made)
    return made


def instance_document(directory: Path, **changes: Any) -> dict[str, Any]:
    """What the compute runtime writes into ``instance.json``."""
    document: dict[str, Any] = {
        "service": "DB.S.SVC",
        "instance_id": "0",
        "directory": str(directory),
        "socket": str(directory / "front.sock"),
        "python": ["python"],
        "model_dir": str(directory / "model"),
        "methods": [
            {
                "name": "PREDICT",
                "handler": "functions.predict.infer",
                "inputs": [{"name": "a", "type": "DOUBLE"}, {"name": "b", "type": "DOUBLE"}],
                "outputs": [{"name": "output_feature_0", "type": "DOUBLE", "nullable": True}],
                "path": "predict",
            }
        ],
        "num_workers": 2,
    }
    return document | changes
