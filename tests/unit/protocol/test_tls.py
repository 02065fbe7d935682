"""Certificates for development."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509

from nunatak.protocol.tls import development_certificate
from nunatak.transport.certificates import authority_file

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HOSTS = ("127.0.0.1", "localhost", "*.example.test")


def _certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())


def test_the_certificate_is_for_the_hosts_and_signed_by_the_authority(tmp_path: Path) -> None:
    files = development_certificate(tmp_path, hosts=HOSTS, now=NOW)

    certificate = _certificate(tmp_path)
    authority = x509.load_pem_x509_certificate(authority_file(tmp_path).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == set(HOSTS)
    certificate.verify_directly_issued_by(authority)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)


def test_only_the_owner_reads_the_keys(tmp_path: Path) -> None:
    development_certificate(tmp_path, hosts=HOSTS, now=NOW)

    for name in ("server.key", "ca.key"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_a_certificate_is_kept_until_it_ends_soon_or_hosts_are_added(tmp_path: Path) -> None:
    development_certificate(tmp_path, hosts=HOSTS, now=NOW)
    first, authority = _certificate(tmp_path), authority_file(tmp_path).read_bytes()

    development_certificate(tmp_path, hosts=HOSTS[:1], now=NOW)
    assert _certificate(tmp_path) == first
    development_certificate(tmp_path, hosts=("other.test",), now=NOW)
    second = _certificate(tmp_path)
    assert second != first
    development_certificate(tmp_path, hosts=("other.test",), now=NOW + dt.timedelta(days=380))
    assert _certificate(tmp_path) != second
    assert authority_file(tmp_path).read_bytes() == authority
