"""Addresses of endpoints, by path and by host."""

from __future__ import annotations

import pytest

from nunatak.ingress.address import Address, address_in_path, address_of_host


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ep/abc.snowflakecomputing.app/predict", Address("abc", "predict")),
        ("/ep/abc.snowflake.app/predict-proba", Address("abc", "predict-proba")),
        ("/ep/abc/predict", Address("abc", "predict")),
        ("/ep/abc.snowflakecomputing.app", Address("abc", "")),
        ("/ep/abc.snowflakecomputing.app/a/b", Address("abc", "a/b")),
        ("/ep/", None),
        ("/ep/.snowflakecomputing.app/predict", None),
        ("/queries/v1/query-request", None),
    ],
)
def test_in_the_path(path: str, expected: Address | None) -> None:
    assert address_in_path(path) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("abc.models.example.com", Address("abc", "predict")),
        ("ABC.Models.example.com:8443", Address("abc", "predict")),
        ("models.example.com", None),
        (".models.example.com", None),
        ("a.b.models.example.com", None),
        ("abcmodels.example.com", None),
        ("", None),
    ],
)
def test_in_the_host(host: str, expected: Address | None) -> None:
    assert address_of_host(host, "/predict", domain="models.example.com") == expected
