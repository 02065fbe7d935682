"""What callers of an instance see, from the bytes of a request to the bytes of its answer."""

import asyncio
import base64
import gc
import hashlib
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.codecs import arrow
from nunatak.inference.codecs.arrow import ArrowReader
from nunatak.inference.core import errors
from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.signature import ModelMethod, SignatureField
from nunatak.inference.scheduling.batcher import BatchPolicy
from nunatak.inference.scheduling.outcomes import STATUS
from nunatak.inference.server.service import InferenceService
from nunatak.transport.admission.admission import Admission, AdmissionDecision, AdmissionPolicy
from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.heads import HttpLimits
from support.front import Answer, FakePool, FakeTransport, answers, fields, method, post, service

pytestmark = pytest.mark.looptime


class Client:
    """A connection to a service, without a socket."""

    def __init__(self, target: InferenceService, *, trusted: bool = True) -> None:
        self.transport = FakeTransport()
        clock = asyncio.get_running_loop().time
        shared = Connections(target, HttpLimits(body_bytes=10_000_000), clock=clock)
        self.connection = Connection(shared, trusted=trusted)
        self.transport.set_protocol(self.connection)
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.transport.deliver(data)

    @property
    def answers(self) -> list[Answer]:
        return answers(self.transport.sent)

    async def ask(self, data: bytes, *, within_s: float = 10.0) -> Answer:
        """Send and wait for one more answer."""
        before = len(self.answers)
        self.send(data)
        async with asyncio.timeout(within_s):
            while len(self.answers) == before:  # noqa: ASYNC110 - the clock is virtual
                await asyncio.sleep(0.001)
        return self.answers[before]


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n\r\n".encode()


@asynccontextmanager
async def serving(
    pool: FakePool | None = None, *methods: ModelMethod, **changes: Any
) -> AsyncIterator[InferenceService]:
    made = service(pool or FakePool(), *methods, **changes)
    try:
        yield made
    finally:
        await made.dispatcher.stop()


@pytest.mark.asyncio
async def test_a_prediction_is_answered_row_by_row() -> None:
    async with serving() as target:
        answer = await Client(target).ask(post({"data": [[4, 1, 2], [2, 3, 4]]}))
        assert answer.status == 200
        assert answer.json == {
            "data": [[4, {"output_feature_0": 3.0}], [2, {"output_feature_0": 7.0}]]
        }


@pytest.mark.parametrize("path", ["/predict", "/PREDICT", "/predict/", "/predict?x=1"])
@pytest.mark.asyncio
async def test_the_path_of_a_method_has_several_spellings(path: str) -> None:
    async with serving() as target:
        assert (await Client(target).ask(post({"data": [[0, 1, 2]]}, path=path))).status == 200


@pytest.mark.asyncio
async def test_dashes_and_underscores_are_alike_in_paths() -> None:
    async with serving(FakePool(), method(name="__CALL__")) as made:
        for path in ("/--call--", "/__call__"):
            assert (await Client(made).ask(post({"data": [[0, 1, 2]]}, path=path))).status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (post({"data": [[0, 1]]}), 400, "BAD_INPUT"),
        (post(b"{"), 400, "BAD_INPUT"),
        (post({}, path="/nothing"), 404, "NOT_FOUND"),
        (get("/predict"), 405, "METHOD_NOT_ALLOWED"),
        (post({"data": []}, headers={"X-Nunatak-Deadline-Ms": "soon"}), 400, "BAD_INPUT"),
        (post({"data": []}, headers={"X-Nunatak-Deadline-Ms": "nan"}), 400, "BAD_INPUT"),
        (post({"data": []}, headers={"X-Nunatak-Class": "royal"}), 400, "BAD_INPUT"),
        (post({"data": []}, headers={"Content-MD5": "AAAA"}), 400, "BAD_INPUT"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n", 413, "BODY_TOO_LARGE"),
        (post(b"x", headers={"Content-Type": "application/vnd.apache.arrow.stream"}),
         400, "BAD_INPUT"),
    ],
)  # fmt: skip
@pytest.mark.asyncio
async def test_a_bad_request_is_answered_with_its_reason(
    request_bytes: bytes, status: int, code: str
) -> None:
    async with serving() as target:
        answer = await Client(target).ask(request_bytes)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        assert target.admission.inside == 0


@pytest.mark.asyncio
async def test_a_right_digest_is_accepted() -> None:
    async with serving() as target:
        body = b'{"data": [[0, 1, 2]]}'
        digest = base64.b64encode(hashlib.md5(body).digest()).decode()
        assert (await Client(target).ask(post(body, headers={"Content-MD5": digest}))).status == 200


@pytest.mark.asyncio
async def test_no_rows_need_no_model() -> None:
    async with serving() as target:
        answer = await Client(target).ask(post({"data": []}))
        assert (answer.status, answer.json) == (200, {"data": []})


@pytest.mark.asyncio
async def test_the_request_id_of_the_caller_comes_back() -> None:
    async with serving() as target:
        answer = await Client(target).ask(post({"data": []}, headers={"X-Request-Id": "abc-1"}))
        assert answer.headers["x-request-id"] == "abc-1"


ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


@pytest.mark.asyncio
async def test_arrow_comes_and_goes_without_text() -> None:
    async with serving() as target:
        table = pa.table({"x": pa.array([1.0, None]), "y": pa.array([2, 3])})
        answer = await Client(target).ask(post(stream(table), headers=ARROW))
        got = pa.ipc.open_stream(answer.body).read_all()
        assert got.column_names == ["output_feature_0"]
        assert got.column(0).to_pylist()[0] == 3.0
        assert np.isnan(got.column(0).to_pylist()[1])


@pytest.mark.asyncio
async def test_arrow_columns_that_do_not_fit_are_refused() -> None:
    async with serving() as target:
        for table in (pa.table({"x": [1.0]}), pa.table({"x": ["a"], "y": [1.0]})):
            answer = await Client(target).ask(post(stream(table), headers=ARROW))
            assert answer.status == 400


def packed(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


ZEROS = pa.array(np.zeros(10_000))
EXPANDING = [
    packed(pa.table({"a": ZEROS, "b": ZEROS}), compression="zstd"),
    packed(pa.table({"a": ZEROS.dictionary_encode(), "b": ZEROS})),
    packed(pa.table({"a": pa.nulls(10_000_000), "b": pa.nulls(10_000_000)})),
    packed(
        pa.table(
            {name: pa.RunEndEncodedArray.from_arrays([2_000_000_000], [1.0]) for name in ("a", "b")}
        )
    ),
]


@pytest.mark.parametrize("body", EXPANDING, ids=["compressed", "dictionary", "nulls", "runs"])
@pytest.mark.asyncio
async def test_arrow_that_grows_when_it_is_read_is_refused(body: bytes) -> None:
    async with serving() as target:
        assert (await Client(target).ask(post(body, headers=ARROW))).status == 400


@given(st.data())
def test_no_bytes_make_the_arrow_reader_raise_anything_else(data: st.DataObject) -> None:
    body = bytearray(stream(pa.table({"a": [1.0, None], "b": [1, 2]})))
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(errors.BadInput):
        ArrowReader(method()).read(bytes(body[: data.draw(st.integers(0, len(body)))]))


@pytest.mark.asyncio
async def test_arrow_rows_may_differ_in_their_parameters() -> None:
    pool = FakePool()
    async with serving(
        pool, method(params=(SignatureField("T", "DOUBLE", ColumnKind.FLOAT64, 0.5),))
    ) as made:
        table = pa.table({"a": [1.0, 2.0, 3.0], "b": [0.0, 0.0, 0.0], "T": [0.1, 0.1, 0.2]})
        answer = await Client(made).ask(post(stream(table), headers=ARROW))
        got = pa.ipc.open_stream(answer.body).read_all().column(0).to_pylist()
        assert got == [1.1, 2.1, 3.2]
        assert [batch.rows for batch in pool.batches] == [2, 1]


def failing(columns: Columns) -> Columns:
    """A model that does not bear a 13."""
    if 13.0 in np.asarray(columns.columns[0].values):
        raise errors.ModelError("ValueError: thirteen", "Traceback ...")
    values = np.asarray(columns.columns[0].values)
    return Columns((Column("output_feature_0", ColumnKind.FLOAT64, values),), columns.rows)


@pytest.mark.asyncio
async def test_a_bad_row_fails_only_its_own_caller() -> None:
    async with serving(FakePool(model=failing)) as made:
        clients = [Client(made) for _ in range(8)]
        asked = [
            client.ask(post({"data": [[0, 13 if number == 5 else number, 0]]}))
            for number, client in enumerate(clients)
        ]
        got = await asyncio.gather(*asked)
        assert [answer.status for answer in got] == [200] * 5 + [500] + [200] * 2
        assert got[5].json["error"]["message"] == "ValueError: thirteen"
        values = [a.json["data"][0][1]["output_feature_0"] for a in got if a.status == 200]
        assert values == [0, 1, 2, 3, 4, 6, 7]


@pytest.mark.asyncio
async def test_the_answer_after_the_deadline_names_the_stage() -> None:
    async with serving(FakePool(seconds=5)) as made:
        soon = post({"data": [[0, 1, 2]]}, headers={"X-Nunatak-Deadline-Ms": "100"})
        first = asyncio.create_task(Client(made).ask(post({"data": [[0, 1, 2]]})))
        await asyncio.sleep(0.01)
        late = [await asyncio.create_task(Client(made).ask(soon)) for _ in range(2)]
        assert [answer.status for answer in late] == [504, 504]
        assert (
            "queued" in late[1].json["error"]["message"]
            or "running" in late[1].json["error"]["message"]
        )
        assert (await first).status == 200


@pytest.mark.asyncio
async def test_a_client_that_leaves_is_not_computed_for() -> None:
    pool = FakePool(seconds=1, size=1, ready=1)
    async with serving(pool, batching=BatchPolicy(slots=1, workers=1)) as made:
        busy, gone = Client(made), Client(made)
        first = asyncio.create_task(busy.ask(post({"data": [[0, 1, 2]]})))
        await asyncio.sleep(0.01)
        gone.send(post({"data": [[0, 3, 4]]}))
        await asyncio.sleep(0.01)
        gone.connection.connection_lost(None)
        assert (await first).status == 200
        await asyncio.sleep(3)
        assert len(pool.batches) == 1
        assert made.admission.inside == 0


@pytest.mark.asyncio
async def test_over_capacity_the_answer_says_when_to_come_back() -> None:
    policy = AdmissionPolicy(memory_bytes=10**9, least_burst=2, least_steady=1)
    async with serving(FakePool(seconds=1), admission=policy) as made:
        clients = [Client(made) for _ in range(10)]
        got = await asyncio.gather(*(client.ask(post({"data": [[0, 1, 2]]})) for client in clients))
        refused = [answer for answer in got if answer.status == 503]
        assert refused
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert all(answer.json["error"]["code"] == "AT_CAPACITY" for answer in refused)
        assert sum(answer.status == 200 for answer in got) == 10 - len(refused)


@pytest.mark.asyncio
async def test_rows_that_come_too_late_are_refused_when_they_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, returning, ask = FakePool(seconds=2), [], Admission.ask

    def watched(admission: Admission, *args: Any, **named: Any) -> AdmissionDecision:
        returning.append(named["returning"])
        return ask(admission, *args, **named)

    monkeypatch.setattr(Admission, "ask", watched)
    async with serving(pool, batching=BatchPolicy(slots=1, workers=1, max_rows=2)) as made:
        for rows in (1, 2) * 5:
            made.dispatcher.batcher.cost("PREDICT").observe(rows, float(rows))
        two = {"data": [[0, 1, 2], [1, 3, 4]]}
        first = [asyncio.create_task(Client(made).ask(post(two))) for _ in range(2)]
        await asyncio.sleep(0.01)
        soon = {"X-Nunatak-Deadline-Ms": "3000"}
        hurried = Client(made)
        late = await hurried.ask(post(two, headers=soon))
        assert (late.status, late.json["error"]["code"]) == (503, "AT_CAPACITY")
        assert late.headers["retry-after"] == "4"
        assert [answer.status for answer in await asyncio.gather(*first)] == [200, 200]
        assert (made.admission.inside, made.admission.held_bytes) == (0, 0)
        assert len(pool.batches) == 2
        await asyncio.sleep(4)
        assert (await hurried.ask(post(two))).status == 200
        assert returning == [False, False, False, True]


@pytest.mark.asyncio
async def test_bulk_requests_wait_instead_of_being_refused() -> None:
    policy = AdmissionPolicy(memory_bytes=10**9, bulk_requests=1)
    pool = FakePool(seconds=1)
    async with serving(pool, admission=policy) as made:
        bulk = {"X-Nunatak-Class": "bulk"}
        asked = [Client(made).ask(post({"data": [[0, n, 0]]}, headers=bulk)) for n in range(4)]
        got = await asyncio.gather(*asked)
        assert [answer.status for answer in got] == [200] * 4
        assert pool.most_running == 1


@pytest.mark.asyncio
async def test_a_large_request_is_cut_and_put_together_again() -> None:
    pool = FakePool(seconds=0.1)
    async with serving(pool, batching=BatchPolicy(slots=2, workers=2, max_rows=10)) as made:
        rows = [[n, n, 0] for n in range(95)]
        answer = await Client(made).ask(post({"data": rows}))
        assert [row[1]["output_feature_0"] for row in answer.json["data"]] == list(range(95))
        assert all(batch.rows <= 10 for batch in pool.batches)


@pytest.mark.asyncio
async def test_an_instance_is_ready_when_every_worker_is() -> None:
    pool = FakePool(ready=1)
    async with serving(pool) as made:
        assert (await Client(made).ask(get("/healthz"))).status == 503
        assert (await Client(made).ask(post({"data": [[0, 1, 2]]}))).json["error"][
            "code"
        ] == "NOT_READY"
        pool.ready = 2
        assert (await Client(made).ask(get("/healthz"))).status == 200
        assert (await Client(made).ask(post({"data": [[0, 1, 2]]}))).status == 200


@pytest.mark.asyncio
async def test_callers_over_tcp_need_the_token() -> None:
    async with serving(FakePool(), token="secret") as made:
        body: Any = {"data": [[0, 1, 2]]}
        right = {"Authorization": "Bearer secret"}
        for headers, status in ((None, 401), ({"Authorization": "Bearer x"}, 401), (right, 200)):
            client = Client(made, trusted=False)
            assert (await client.ask(post(body, headers=headers))).status == status
        assert (await Client(made, trusted=False).ask(get("/status"))).status == 401


@pytest.mark.asyncio
async def test_metrics_and_status_tell_what_happened() -> None:
    async with serving() as target:
        client = Client(target)
        await client.ask(post({"data": [[0, 1, 2], [1, 3, 4]]}))
        await client.ask(post(b"{"))
        told = (await client.ask(get("/metrics"))).json
        samples = [sample for family in told for sample in family["samples"]]
        assert ["nunatak_inference_requests_total", {"outcome": "answered"}, 1] in samples
        assert ["nunatak_inference_requests_total", {"outcome": "bad_input"}, 1] in samples
        assert ["nunatak_inference_rows_total", {}, 2] in samples
        assert ["nunatak_inference_batch_rows_bucket", {"le": "2"}, 1] in samples
        status = (await client.ask(get("/status"))).json
        assert status["workers"]["ready"] == 2
        assert status["bulk_slots"] == target.settings.batching.workers
        assert status["in_flight"] == 0
        assert status["last_request"] is not None


@pytest.mark.asyncio
async def test_utilisation_is_the_share_of_time_that_processors_computed() -> None:
    async with serving(FakePool(seconds=5), processors=2) as target:
        asked = asyncio.create_task(Client(target).ask(post({"data": [[0, 1, 2]]})))
        await asyncio.sleep(10)
        target.tick(asyncio.get_running_loop().time())
        await asked
        assert target.utilisation == pytest.approx(0.25, abs=0.01)


@pytest.mark.asyncio
async def test_values_that_json_lacks_are_null_or_text() -> None:
    def odd(columns: Columns) -> Columns:
        values = np.array([np.nan, np.inf, 1.5])
        whole = Column("i", ColumnKind.INT64, np.array([1, 2, 3]), np.array([False, True, False]))
        return Columns(
            (
                Column("f", ColumnKind.FLOAT64, values),
                whole,
                Column("b", ColumnKind.BINARY, [b"hi", None, b""]),
                Column("j", ColumnKind.JSON, [{"a": [1]}, None, "x"]),
                Column(
                    "t", ColumnKind.TIMESTAMP, np.array(["2020-01-01T00:00:00.5"] * 3, "M8[ns]")
                ),
            ),
            3,
        )

    outputs = fields(f="DOUBLE", i="BIGINT", b="BINARY", j="VARIANT", t="TIMESTAMP_NTZ")
    asked = method(fields(a="DOUBLE"), outputs=outputs)
    async with serving(FakePool(model=odd), asked) as made:
        answer = await Client(made).ask(post({"data": [[0, 1], [1, 2], [2, 3]]}))
        time = "2020-01-01 00:00:00.5"
        assert [row[1] for row in answer.json["data"]] == [
            {"f": None, "i": 1, "b": "aGk=", "j": {"a": [1]}, "t": time},
            {"f": "Infinity", "i": None, "b": None, "j": None, "t": time},
            {"f": 1.5, "i": 3, "b": "", "j": "x", "t": time},
        ]


def test_every_error_has_a_status() -> None:
    subclasses = set(errors.InferenceError.__subclasses__())
    # These never reach a caller: they end the start, become WorkerLost, and end the process.
    unseen = {errors.ConfigError, errors.LayoutError, errors.CannotPark}
    assert subclasses - STATUS.keys() == unseen


@pytest.mark.asyncio
async def test_rows_are_let_go_once_they_are_answered() -> None:
    kept: list[weakref.ref[Any]] = []

    def remembered(columns: Columns) -> Columns:
        values = np.zeros(columns.rows)
        kept.append(weakref.ref(values))
        return Columns((Column("output_feature_0", ColumnKind.FLOAT64, values),), columns.rows)

    gc.disable()  # whatever is let go is let go without it
    try:
        async with serving(FakePool(model=remembered)) as target:
            for _ in range(3):
                answer = await Client(target).ask(post({"data": [[0, 1, 2], [1, 3, 4]]}))
                assert answer.status == 200
            await asyncio.sleep(0.01)
            assert [reference() for reference in kept] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.asyncio
async def test_chunks_over_the_limit_are_told_so() -> None:
    async with serving() as target:
        client = Client(target)
        head = b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.send(head + b"a7d8c0\r\n" + bytes(0xA7D8C0))
        assert [answer.status for answer in client.answers] == [413]
        assert target.admission.inside == 0


@pytest.mark.asyncio
async def test_arrow_with_a_name_that_is_no_unicode_is_refused() -> None:
    stream = arrow.write(Columns((Column("name", ColumnKind.FLOAT64, np.zeros(1)),) * 2, 1))
    async with serving() as target:
        headers = {"Content-Type": "application/vnd.apache.arrow.stream"}
        body = stream.replace(b"name", b"nam\xff")
        answer = await Client(target).ask(post(body, headers=headers))
        assert answer.status == 400
        assert "no Arrow stream" in answer.json["error"]["message"]


@pytest.mark.asyncio
async def test_a_body_that_we_fail_to_read_leaves_nothing_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("nunatak.inference.server.bodies.ArrowReader.read", fail)
    async with serving() as target:
        headers = {"Content-Type": "application/vnd.apache.arrow.stream"}
        answer = await Client(target).ask(post(b"x", headers=headers))
        assert (answer.status, answer.json["error"]["code"]) == (500, "INTERNAL")
        assert (target.admission.inside, target.admission.held_bytes) == (0, 0)


@pytest.mark.asyncio
async def test_an_answer_that_breaks_its_declared_type_fails_only_its_own_caller() -> None:
    def moody(columns: Columns) -> Columns:
        values: list[Any] = list(np.asarray(columns.columns[0].values))
        words = ["high" if value == 13 else value for value in values]
        return Columns((Column("output_feature_0", ColumnKind.JSON, words),), columns.rows)

    async with serving(FakePool(model=moody)) as made:
        bodies = [post({"data": [[0, value, 0]]}) for value in (1, 13, 2)]
        bodies.append(post(stream(pa.table({"a": [13.0], "b": [0.0]})), headers=ARROW))
        got = await asyncio.gather(*(Client(made).ask(body) for body in bodies))
        assert [answer.status for answer in got] == [200, 500, 200, 500]
        for answer in (got[1], got[3]):
            assert answer.json["error"]["message"] == (
                "the model answered \"high\" for the output 'output_feature_0' (DOUBLE): expected "
                "a number"
            )
