"""The bytes themselves: uploads, downloads and chunks of results, streamed in bounded memory.

What a driver says of a file in its metadata headers (a digest, say) is kept by an object store and
not judged: some drivers state the digest of nothing for a stream, and repeat a refused stream with
what is left of it, which is nothing.
"""

from __future__ import annotations

import asyncio
import filecmp
import hashlib
import logging
import os
import tempfile
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from nunatak.access.privileges.callers import SignedAddress, route
from nunatak.disk import Disk, is_disk_full, settle
from nunatak.errors import (
    AccessError,
    DiskFull,
    InvalidArgument,
    LimitExceeded,
    NunatakError,
    ObjectNotFound,
    QueryForgotten,
)
from nunatak.protocol.files.transfer import (
    FILES,
    GENERATION_HEADER,
    NO_GENERATION,
    RESULTS,
    Transfers,
    named,
)
from nunatak.protocol.results.answers import JSON, json_chunk
from nunatak.protocol.results.result_store import ResultStore
from nunatak.stages.upload_attempts import UploadAttempts
from nunatak.stages.uploads import UploadName

_LOGGER = logging.getLogger(__name__)
_CHUNK_TYPE = "binary/octet-stream"
"""Of every chunk, whatever its format: one of JSON rows is no JSON document, and drivers that see
that type parse it, fail and ask again."""
Endpoint = Callable[[Request], Awaitable[Response]]


class FileRoutes:
    """Handlers of the signed addresses. Their statuses are those of an object store: clients take
    404 as final, and ask the statement again for a fresh address after a 400."""

    def __init__(
        self,
        transfers: Transfers,
        results: ResultStore,
        *,
        disk: Disk,
        scratch: Path,
        upload_bytes: int,
    ) -> None:
        self._transfers = transfers
        self._results = results
        self._disk = disk
        self._scratch = scratch
        self._upload_bytes = upload_bytes
        self._creating = threading.Lock()
        self._attempts = UploadAttempts()

    @route("PUT", FILES + "{key:path}", caller=SignedAddress("PUT"))
    async def upload(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """PUT of one file; 412 where it may not replace another one that is there."""
        path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
        name, address = named(parameters), f"{path}?{query}"
        is_first = self._transfers.is_of_this_run(parameters) and address not in self._attempts
        if name.name is not None:
            self._attempts.add(address)
        upload = _Upload(self._upload_bytes)
        try:
            self._disk.check_writes("the upload")
            await upload.receive(request, self._scratch)
            if upload.size_bytes == 0 and not is_first:
                raise InvalidArgument(
                    "An upload was repeated with nothing in it, so nothing is stored: repeat the "
                    "PUT statement."
                )
            answer = await self._keep(request, path, name, upload)
        except BaseException:
            self._attempts.add(address)
            raise
        finally:
            upload.discard()
        if upload.size_bytes == 0:
            self._attempts.discard(address)
        return answer

    async def _keep(
        self, request: Request, path: str, name: UploadName, upload: _Upload
    ) -> Response:
        """Give a whole upload its place. A client that says so is told of a file that is there
        already, also of an equal one; others may repeat an upload whose answer was lost."""
        source, folder = self._transfers.source(path)
        key = f"{folder}/{name.resolved(upload.head)}"
        place = await asyncio.to_thread(source.place, key)
        asks_for_none = request.headers.get(GENERATION_HEADER) == NO_GENERATION
        if name.may_replace and not asks_for_none:
            await asyncio.to_thread(upload.move_to, place)
        elif not await asyncio.to_thread(self._create, upload, place):
            if asks_for_none or not await asyncio.to_thread(upload.equals, place):
                return PlainTextResponse("There is a file of that name.", status_code=412)
            return Response(status_code=200)
        await asyncio.to_thread(
            source.stored, key, size_bytes=upload.size_bytes, md5=upload.md5.hexdigest()
        )
        return Response(status_code=200)

    # before GET, which would take HEAD too
    @route("HEAD", FILES + "{key:path}", caller=SignedAddress("PUT"))
    async def look(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """HEAD of an address for a PUT: whether there is a file already that it would replace."""
        name = named(parameters)
        source, folder = self._transfers.source(request.scope["path"])
        if name.name is None or name.may_compress:
            return Response(status_code=404)  # what it will be called, its content tells
        await asyncio.to_thread(source.open_path, f"{folder}/{name.name}")
        return Response(status_code=200)

    def _create(self, upload: _Upload, place: Path) -> bool:
        """Give an upload its name if no file has it."""
        with self._creating:
            if place.is_file():
                return False
            upload.move_to(place)
            return True

    @route("GET", FILES + "{key:path}", caller=SignedAddress("GET", not_for="PUT"))
    async def download(self, request: Request, _: Mapping[str, str]) -> Response:
        """GET of one file."""
        source, key = self._transfers.source(request.scope["path"])
        file = await asyncio.to_thread(source.open_path, key)
        return FileResponse(file, media_type="application/octet-stream")

    @route("GET", RESULTS + "{key:path}", caller=SignedAddress("GET"))
    async def chunk(self, request: Request, _: Mapping[str, str]) -> Response:
        """GET of a part of a result."""
        path = request.scope["path"]
        query_id, _, name = path.removeprefix(RESULTS).partition("/")
        index, _, wanted = name.partition(".")
        if wanted == JSON:
            body = await asyncio.to_thread(self._json_chunk, query_id, int(index))
            return Response(body, media_type=_CHUNK_TYPE)
        file = self._results.chunk_path(query_id, int(index))
        if not file.exists():
            raise QueryForgotten(f"The result of statement {query_id} is not kept any more.")
        return FileResponse(file, media_type=_CHUNK_TYPE)

    def _json_chunk(self, query_id: str, index: int) -> bytes:
        return json_chunk(self._results.chunk(query_id, index), self._results.get(query_id))


class _Upload:
    """A file on its way: kept in a scratch folder until it is whole, then renamed."""

    def __init__(self, limit_bytes: int) -> None:
        self.size_bytes = 0
        self.head = b""
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._limit_bytes = limit_bytes
        self._temporary: Path | None = None

    async def receive(self, request: Request, folder: Path) -> None:
        """Stream the body to a file in the folder."""
        handle, name = tempfile.mkstemp(dir=folder)
        self._temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            try:
                async for part in request.stream():
                    await asyncio.to_thread(self._write, stream, part)
            except ClientDisconnect as error:
                raise InvalidArgument("The upload was broken off.") from error

    def equals(self, place: Path) -> bool:
        """Whether the file at a place has the same content."""
        assert self._temporary is not None
        return place.is_file() and filecmp.cmp(self._temporary, place, shallow=False)

    def move_to(self, place: Path) -> None:
        """Give the file its name; replaces what was there."""
        assert self._temporary is not None
        settle(self._temporary, place)

    def discard(self) -> None:
        """Remove what was not moved."""
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _write(self, stream: IO[bytes], part: bytes) -> None:
        self.size_bytes += len(part)
        if self.size_bytes > self._limit_bytes:
            raise LimitExceeded(
                f"The file is larger than {self._limit_bytes} bytes (limits.upload_bytes)."
            )
        self.head = self.head or part[:8]
        self.md5.update(part)
        stream.write(part)


async def answered(endpoint: Endpoint, request: Request) -> Response:
    """The answer, or the status of an object store for what went wrong."""
    try:
        return await endpoint(request)
    except (ObjectNotFound, QueryForgotten) as error:
        return PlainTextResponse(error.message, status_code=404)
    except AccessError as error:
        return PlainTextResponse(error.message, status_code=400)
    except LimitExceeded as error:
        return PlainTextResponse(error.message, status_code=413)
    except NunatakError as error:
        # 422 ends the transfer; the clients would repeat 400, 403, 408, 429 and every 5xx.
        return PlainTextResponse(error.message, status_code=422)
    except (OSError, ValueError) as error:
        if is_disk_full(error):
            return PlainTextResponse(DiskFull("the upload").message, status_code=413)
        number = uuid.uuid4().hex[:12]
        _LOGGER.exception("a file transfer failed; incident %s", number)
        text = f"The transfer failed; incident {number}. The server's log tells more."
        return PlainTextResponse(text, status_code=422)
