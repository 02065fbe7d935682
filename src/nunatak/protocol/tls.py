"""Certificates for development: an authority of our own, and a server certificate it signed.

Clients are told to trust the authority's file (`REQUESTS_CA_BUNDLE`). An operator's own
certificate is used as it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from nunatak.transport.address import CertificateFiles
from nunatak.transport.certificates import Authority, Use, is_good

_NAME = "nunatak development authority"


def development_certificate(
    folder: Path, *, hosts: Sequence[str], now: dt.datetime | None = None
) -> CertificateFiles:
    """The server's files in a folder; made when they are not there, end soon, or are for other
    hosts. The authority is made once, so that clients trust it once."""
    now = now or dt.datetime.now(dt.UTC)
    files = CertificateFiles(folder / "server.pem", folder / "server.key")
    if not is_good(files, hosts, now):
        Authority(folder, name=_NAME, now=now).sign(files, hosts, Use.SERVER)
    return files
