"""Connections with TLS: a bounded number shake hands, and none of them is left behind."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from nunatak.protocol.tls import development_certificate
from nunatak.transport.certificates import authority_file
from nunatak.transport.listening import TlsListener, listen

LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Run = Callable[[Coroutine[Any, Any, None]], None]
LIMIT = 4


class Greeter(asyncio.Protocol):
    """Says a word and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hands are shaken."""
        cast("asyncio.Transport", transport).write(b"hello")  # uvloop's is no subclass
        transport.close()


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[TlsListener]:
    files = development_certificate(folder, hosts=["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    made = TlsListener(listen("127.0.0.1", 0), context, Greeter, shutdown_s=2.0, handshakes=LIMIT)
    async with asyncio.timeout(20):
        yield made
        made.close()
        await asyncio.sleep(0.01)


async def greeted(folder: Path, port: int) -> bytes:
    context = ssl.create_default_context(cafile=authority_file(folder))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    word = await reader.read()
    writer.close()
    return word


async def hung_up(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has broken off without a word."""
    with suppress(ConnectionError):
        assert await reader.read() == b""


@LOOPS
@pytest.mark.parametrize("silent", [LIMIT - 1, LIMIT, 5 * LIMIT])
def test_who_shakes_hands_is_served_however_many_only_pretend_to(
    run: Run, tmp_path: Path, silent: int
) -> None:
    async def play() -> None:
        async with listening(tmp_path) as made:
            opened = [await asyncio.open_connection("127.0.0.1", made.port) for _ in range(silent)]
            for _ in range(3):
                assert await greeted(tmp_path, made.port) == b"hello"
            broken_off = opened[: max(0, silent + 1 - LIMIT)]
            for reader, _ in broken_off:
                await hung_up(reader)
            kept = opened[len(broken_off) :]
            assert not any(reader.at_eof() for reader, _ in kept)
            made.close()
            for reader, writer in opened:
                await hung_up(reader)
                writer.close()

    run(play())


@LOOPS
def test_what_does_not_speak_tls_costs_nobody_anything(run: Run, tmp_path: Path) -> None:
    async def play() -> None:
        async with listening(tmp_path) as made:
            for _ in range(2 * LIMIT):
                reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                with suppress(ConnectionError):
                    assert b"hello" not in await reader.read()
                writer.close()
            assert await greeted(tmp_path, made.port) == b"hello"

    run(play())


@LOOPS
def test_after_it_was_closed_nobody_listens(run: Run, tmp_path: Path) -> None:
    async def play() -> None:
        async with listening(tmp_path) as made:
            port = made.port
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    run(play())
