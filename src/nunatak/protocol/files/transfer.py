"""PUT and GET: telling a client where its files go, with addresses on this server.

Clients that share no disk with the server take one kind of storage that works over plain HTTP: a
bucket whose objects have presigned URLs, which they use exactly as given. A literal PUT is sent
again for every file, with the file's name in place of the local path: by some clients always, by
others only when the first address is refused. A PUT whose stage is bound is sent once, and its
address is used for every file of the pattern. So the address for a bare name stores under that
name; the address for a path stores under the path's last part; the address for a literal pattern
takes nothing; and that for a pattern with a bound stage any number of files, each under a fresh
name (`nunatak.stages.uploads`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from nunatak.errors import AccessError, ObjectNotFound, TokenInvalid
from nunatak.protocol.files.rights import AddressRights, Asking
from nunatak.protocol.files.signing import Signer
from nunatak.stages.sources import FileSource
from nunatak.stages.uploads import UploadName, safe_name, upload_name
from nunatak.warehouse.core.results import Transfer

FILES = "/files/"
RESULTS = "/results/"
_LIFETIME_S = 6 * 3600.0
_SIGNED_HEADERS = "X-Goog-SignedHeaders"
_DIGEST_HEADER = "x-goog-meta-sfc-digest"
GENERATION_HEADER = "x-goog-if-generation-match"
NO_GENERATION = "0"
"""Of GENERATION_HEADER: the file is stored only if there is none of its name."""


class Transfers:
    """Signs addresses of files and chunks, and finds what a signed address means."""

    def __init__(
        self,
        signer: Signer,
        sources: Mapping[str, FileSource],
        *,
        rights: AddressRights,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signer = signer
        self._sources = sources
        self._rights = rights
        self._clock = clock
        self._run = secrets.token_hex(8)

    def data(
        self, transfer: Transfer, session: Asking, *, base_url: str, is_bound: bool
    ) -> dict[str, Any]:
        """The part of an answer to a session that tells its client what to move; raises
        InvalidArgument.

        `is_bound`: the stage was a bound value, so the statement cannot be sent again as it is.
        """
        common = {
            "command": "UPLOAD" if transfer.upload else "DOWNLOAD",
            "src_locations": list(transfer.sources),
            "parallel": transfer.parallel,
            "autoCompress": transfer.auto_compress,
            "sourceCompression": transfer.source_compression,
            "overwrite": transfer.overwrite,
            "threshold": 0,
            "clientShowEncryptionParameter": False,
        }
        right = self._rights.parameters(session, transfer.needs)
        if transfer.upload:
            path = self._upload_path(transfer, right, is_bound=is_bound)
            url = base_url + path
            return common | {"stageInfo": _stage_info(url, is_final=is_bound)}
        urls = [base_url + self._sign("GET", FILES + key, **right) for key in transfer.keys]
        return common | {
            "stageInfo": _stage_info(""),
            "presignedUrls": urls,
            "localLocation": transfer.local_folder,
            "encryptionMaterial": [],
        }

    def chunk_path(self, session: Asking, query_id: str, index: int, wanted: str) -> str:
        """The signed path of a result's chunk."""
        right = self._rights.parameters(session, None)
        return self._sign("GET", f"{RESULTS}{query_id}/{index}.{wanted}", **right)

    def check(self, method: str, path: str, query: str) -> dict[str, str]:
        """The parameters of a signed path; raises TokenInvalid or TokenExpired, the former also
        when the right to it has ended. Reads the catalog."""
        parameters = self._signer.check(method, path, query, now=self._clock())
        self._rights.check(parameters)
        return parameters

    def is_signed(self, method: str, path: str, query: str) -> bool:
        """Whether a path is signed for a method, whoever may use it."""
        try:
            self._signer.check(method, path, query, now=self._clock())
        except AccessError:
            return False
        return True

    def is_of_this_run(self, parameters: Mapping[str, str]) -> bool:
        """Whether an upload's address was signed since the server started. What was tried with one
        of an earlier run, nobody knows."""
        return parameters.get("run") == self._run

    def source(self, path: str) -> tuple[FileSource, str]:
        """The source and key that a path under FILES names; raises ObjectNotFound."""
        name, _, key = path.removeprefix(FILES).partition("/")
        source = self._sources.get(name)
        if source is None or not key or ".." in key.split("/"):
            raise ObjectNotFound("File", path.removeprefix(FILES))
        return source, key

    def _upload_path(self, transfer: Transfer, right: Mapping[str, str], *, is_bound: bool) -> str:
        name = upload_name(transfer.sources[0], auto_compress=transfer.auto_compress)
        extra = {"run": self._run, **right}
        if name.name is not None:
            extra["name"] = name.name
        if name.name is None and is_bound:
            extra["suffix"] = name.suffix
        if name.may_compress:
            extra["gz"] = "1"
        if not transfer.overwrite:
            # Clients that name files as skipped do so where the address admits the header.
            extra[_SIGNED_HEADERS] = f"host;{GENERATION_HEADER};{_DIGEST_HEADER}"
        return self._sign("PUT", FILES + transfer.keys[0].strip("/"), **extra)

    def _sign(self, method: str, path: str, **extra: str) -> str:
        expires_on = self._clock() + _LIFETIME_S
        return self._signer.sign(method, path, expires_on=expires_on, **extra)


def named(parameters: Mapping[str, str]) -> UploadName:
    """The upload name that signed parameters hold; raises TokenInvalid for the address of a
    pattern, on which clients repeat the statement for each file."""
    name = parameters.get("name")
    if name is None and "suffix" not in parameters:
        raise TokenInvalid("The address is of a pattern: ask for that of each file.")
    return UploadName(
        name if name is None else safe_name(name),
        parameters.get("suffix", ""),
        may_compress="gz" in parameters,
        may_replace=_SIGNED_HEADERS not in parameters,
    )


def _stage_info(url: str, *, is_final: bool = False) -> dict[str, Any]:
    # A client that sees a token does not ask again for each file; it sends the token nowhere,
    # because the address comes first.
    credentials = {"GCS_ACCESS_TOKEN": "none"} if is_final else {}
    return {
        "locationType": "GCS",
        "location": "nunatak/",
        "path": "",
        "region": "local",
        "storageAccount": None,
        "isClientSideEncrypted": False,
        "useS3RegionalUrl": False,
        "creds": credentials,
        "presignedUrl": url,
        "endPoint": None,
    }
