"""Addresses of endpoints, by path and by host."""

from __future__ import annotations

import pytest

from nunatak.ingress.address import EndpointAddress, address_in_path, address_of_host


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ep/abc.snowflakecomputing.app/predict", EndpointAddress("abc", "predict")),
        ("/ep/abc.snowflake.app/predict-proba", EndpointAddress("abc", "predict-proba")),
        ("/ep/abc/predict", EndpointAddress("abc", "predict")),
        ("/ep/abc.snowflakecomputing.app", EndpointAddress("abc", "")),
        ("/ep/abc.snowflakecomputing.app/a/b", EndpointAddress("abc", "a/b")),
        ("/ep/", None),
        ("/ep/.snowflakecomputing.app/predict", None),
        ("/queries/v1/query-request", None),
    ],
)
def test_in_the_path(path: str, expected: EndpointAddress | None) -> None:
    assert address_in_path(path) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("abc.models.example.com", EndpointAddress("abc", "predict")),
        ("ABC.Models.example.com:8443", EndpointAddress("abc", "predict")),
        ("models.example.com", None),
        (".models.example.com", None),
        ("a.b.models.example.com", None),
        ("abcmodels.example.com", None),
        ("", None),
    ],
)
def test_in_the_host(host: str, expected: EndpointAddress | None) -> None:
    assert address_of_host(host, "/predict", domain="models.example.com") == expected
