"""TLS between callers and instances: version 1.3, with a certificate of each side."""

from __future__ import annotations

import ssl
from pathlib import Path

from nunatak.transport.address import CertificateFiles


def caller_context(own: CertificateFiles, authority: Path) -> ssl.SSLContext:
    """For callers: `authority` signs the certificates of instances. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks the server's name
    return _with_files(context, own, authority)


def instance_context(own: CertificateFiles, authority: Path) -> ssl.SSLContext:
    """For instances: `authority` signs the certificates of callers. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # connections are kept; none is resumed without a certificate
    return _with_files(context, own, authority)


def _with_files(context: ssl.SSLContext, own: CertificateFiles, authority: Path) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cafile=authority)
    context.load_cert_chain(own.certificate, own.key)
    return context
