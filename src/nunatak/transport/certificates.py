"""Certificates of our own: an authority in a folder, and what it signs, for servers and callers.

A certificate is good for one of the two: what an instance shows its callers does not let it call.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nunatak.transport.address import CertificateFiles

VALIDITY = dt.timedelta(days=397)
"""Of what an authority signs."""
_AUTHORITY_VALIDITY = dt.timedelta(days=3650)
_RENEW_BEFORE = dt.timedelta(days=30)
_SKEW = dt.timedelta(hours=1)


class Use(Enum):
    """The purpose of a certificate: it is good for no other."""

    SERVER = ExtendedKeyUsageOID.SERVER_AUTH
    CALLER = ExtendedKeyUsageOID.CLIENT_AUTH


def authority_file(folder: Path) -> Path:
    """The certificate of the folder's authority, which others are told to trust."""
    return folder / "ca.pem"


class Authority:
    """A certificate authority of our own; made once in its folder, so that others trust it once."""

    def __init__(self, folder: Path, *, name: str, now: dt.datetime) -> None:
        """One that ends before what it would sign is replaced. Raises OSError."""
        self._now = now
        self._certificate, self._key = _authority(folder, name, now)

    def sign(self, files: CertificateFiles, names: Sequence[str], use: Use) -> None:
        """Write a new key and its certificate; the first of the names is its subject. Raises
        OSError."""
        key, authority_key = ec.generate_private_key(ec.SECP256R1()), self._key
        public = key.public_key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        certificate = (
            _builder(_name(names[0]), self._certificate.subject, public, self._now, VALIDITY)
            .add_extension(x509.SubjectAlternativeName([_host(h) for h in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use.value]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(issuer, critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        _write_key(files.key, key)
        files.certificate.write_bytes(_pem(certificate) + _pem(self._certificate))


def is_good(files: CertificateFiles, names: Sequence[str], now: dt.datetime) -> bool:
    """Whether the files are there, for all of the names, and the certificate does not end soon."""
    if not files.certificate.exists() or not files.key.exists():
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    names_in = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {str(name.value) for name in names_in}
    return set(names) <= known and certificate.not_valid_after_utc - _RENEW_BEFORE > now


def _authority(
    folder: Path, title: str, now: dt.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = authority_file(folder), folder / "ca.key"
    if certificate_file.exists() and key_file.exists():
        found = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if (
            isinstance(key, ec.EllipticCurvePrivateKey)
            and found.not_valid_after_utc - VALIDITY > now
        ):
            return found, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(title)
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
