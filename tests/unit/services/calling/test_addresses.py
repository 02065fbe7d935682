"""Addresses that clients are shown lead to this server, never to the vendor's domain."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nunatak.config import Settings
from nunatak.services.calling.addresses import NOT_YET, Addresses
from nunatak.services.documents.specification import parse_specification

VENDOR = ("snowflakecomputing.com", "snowflakecomputing.app", "snowflake.app", "snowflake.com")
PATH = "/db/s/repo"


def addresses(*, public: str | None, domain: str | None) -> Addresses:
    found = Addresses(Settings(home=Path("/home"), domain=domain))
    found.public = public
    return found


@pytest.mark.parametrize(
    ("public", "domain", "host"),
    [
        ("127.0.0.1:8085", None, "127.0.0.1:8085"),
        ("models.example.com:443", None, "models.example.com:443"),
        ("127.0.0.1:8085", "models.example.com", "registry.models.example.com"),
        (None, None, "registry.invalid"),
    ],
)
def test_a_repository_is_at_this_server(public: str | None, domain: str | None, host: str) -> None:
    url = addresses(public=public, domain=domain).repository_url(PATH)
    assert url == host + PATH
    # As the command line takes the host out of it, to log in there.
    assert urlsplit(f"//{url}").netloc == host


@pytest.mark.parametrize("domain", [None, "models.example.com"])
def test_no_address_is_of_the_vendors_domain(domain: str | None) -> None:
    for public in ("127.0.0.1:8085", None):
        made = addresses(public=public, domain=domain)
        shown = [made.repository_url(PATH), made.ingress_url("abc")]
        for url in shown:
            host = urlsplit(f"//{url}").hostname or ""
            assert url == NOT_YET or not host.endswith(VENDOR)


@pytest.mark.parametrize(
    "host",
    ["", "nunatak.registry.snowflakecomputing.com", "127.0.0.1:8085", "registry.example.com"],
)
def test_images_are_named_with_and_without_a_host(host: str) -> None:
    image = f"{host}{PATH}/model-inference@sha256:{'0' * 64}"
    text = f"spec: {{containers: [{{name: main, image: '{image}'}}]}}"
    container = parse_specification(text)
    assert (container.repository, container.image) == (PATH, "0" * 64)
