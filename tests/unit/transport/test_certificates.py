"""Certificates of our own are good for one purpose, and kept while they are good."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509

from nunatak.transport.address import CertificateFiles
from nunatak.transport.certificates import VALIDITY, Authority, Use, authority_file, is_good

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def files(folder: Path) -> CertificateFiles:
    return CertificateFiles(folder / "a.pem", folder / "a.key")


@pytest.mark.parametrize("use", list(Use))
def test_a_certificate_is_signed_for_its_names_and_its_purpose_alone(
    tmp_path: Path, use: Use
) -> None:
    Authority(tmp_path, name="ours", now=NOW).sign(files(tmp_path), ("a.test", "127.0.0.1"), use)

    made, chain = x509.load_pem_x509_certificates(files(tmp_path).certificate.read_bytes())
    authority = x509.load_pem_x509_certificate(authority_file(tmp_path).read_bytes())
    assert chain == authority
    made.verify_directly_issued_by(authority)
    purposes = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [use.value]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert files(tmp_path).key.stat().st_mode & 0o077 == 0


def test_files_are_good_for_their_names_until_they_end_soon(tmp_path: Path) -> None:
    assert not is_good(files(tmp_path), ("a.test",), NOW)
    Authority(tmp_path, name="ours", now=NOW).sign(files(tmp_path), ("a.test",), Use.SERVER)
    assert is_good(files(tmp_path), ("a.test",), NOW)
    assert not is_good(files(tmp_path), ("a.test", "b.test"), NOW)
    assert not is_good(files(tmp_path), ("a.test",), NOW + VALIDITY - dt.timedelta(days=29))


def test_an_authority_stays_until_it_would_end_before_what_it_signs(tmp_path: Path) -> None:
    Authority(tmp_path, name="ours", now=NOW)
    first = authority_file(tmp_path).read_bytes()
    Authority(tmp_path, name="ours", now=NOW + dt.timedelta(days=3000))
    assert authority_file(tmp_path).read_bytes() == first
    Authority(tmp_path, name="ours", now=NOW + dt.timedelta(days=3400))
    assert authority_file(tmp_path).read_bytes() != first
