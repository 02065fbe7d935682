"""Certificates for development: an authority of our own, and a server certificate it signed.

Clients are told to trust the authority's file (`REQUESTS_CA_BUNDLE`). An operator's own
certificate is used as it is.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nunatak.protocol.server import TlsFiles

_AUTHORITY_VALIDITY = dt.timedelta(days=3650)
_SERVER_VALIDITY = dt.timedelta(days=397)
_RENEW_BEFORE = dt.timedelta(days=30)
_SKEW = dt.timedelta(hours=1)


def authority_file(folder: Path) -> Path:
    """The certificate that clients trust."""
    return folder / "ca.pem"


def development_certificate(
    folder: Path, *, hosts: Sequence[str], now: dt.datetime | None = None
) -> TlsFiles:
    """The server's files in a folder; made when they are not there, end soon, or are for other
    hosts. The authority is made once, so that clients trust it once."""
    now = now or dt.datetime.now(dt.UTC)
    files = TlsFiles(folder / "server.pem", folder / "server.key")
    if not _is_good(files, hosts, now):
        authority, authority_key = _authority(folder, now)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _server_certificate(key, authority, authority_key, hosts, now)
        _write_key(files.key, key)
        chain = _pem(certificate) + _pem(authority)
        files.certificate.write_bytes(chain)
    return files


def _is_good(files: TlsFiles, hosts: Sequence[str], now: dt.datetime) -> bool:
    if not files.certificate.exists() or not files.key.exists():
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {str(name.value) for name in names}
    return set(hosts) <= known and certificate.not_valid_after_utc - _RENEW_BEFORE > now


def _authority(
    folder: Path, now: dt.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = authority_file(folder), folder / "ca.key"
    if certificate_file.exists() and key_file.exists():
        found = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        is_ours = isinstance(key, ec.EllipticCurvePrivateKey)
        if is_ours and found.not_valid_after_utc - _SERVER_VALIDITY > now:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            return found, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("nunatak development authority")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key.public_key(), now, _AUTHORITY_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    certificate_file.write_bytes(_pem(certificate))
    return certificate, key


def _server_certificate(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
    now: dt.datetime,
) -> x509.Certificate:
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    server_use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    own_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(_name(hosts[0]), authority.subject, key.public_key(), now, _SERVER_VALIDITY)
        .add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(server_use, critical=False)
        .add_extension(own_key, critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    validity: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + validity)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
