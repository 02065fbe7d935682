"""Which destinations a policy allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import InvalidArgument
from nunatak.images.egress import EgressPolicy, HostPort


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Packages.Example.com", HostPort("packages.example.com", 443)),
        ("packages.example.com:8443", HostPort("packages.example.com", 8443)),
        ("packages.example.com.:443", HostPort("packages.example.com", 443)),
        ("[2001:db8::1]:80", HostPort("2001:db8::1", 80)),
        ("192.0.2.7:443", HostPort("192.0.2.7", 443)),
    ],
)
def test_reads_destinations(text: str, expected: HostPort) -> None:
    assert HostPort.parse(text) == expected
    assert HostPort.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", ":443", "a b:443", "host:0", "host:65536", "host:x", "a:1:2", "http://x", "*:443"]
)
def test_refuses_what_is_no_destination(text: str) -> None:
    with pytest.raises(InvalidArgument):
        HostPort.parse(text)


def test_pairs_are_exact() -> None:
    policy = EgressPolicy.of(["a.example:443", "b.example:8080"])
    assert policy.allows(HostPort("a.example", 443))
    assert not policy.allows(HostPort("a.example", 8080))
    assert not policy.allows(HostPort("b.example", 443))
    assert not policy.allows(HostPort("x.a.example", 443))


def test_anywhere_is_one_port_and_not_this_machine() -> None:
    policy = EgressPolicy.of(["0.0.0.0:443"])
    anyone = HostPort("any.example", 443)
    assert policy.allows(anyone)
    assert not policy.allows(HostPort("any.example", 80))
    assert policy.allows_address(anyone, "192.0.2.7")
    for address in ("127.0.0.1", "::1", "169.254.169.254", "fe80::1%eth0", "::ffff:127.0.0.1"):
        assert not policy.allows_address(anyone, address)


def test_anywhere_works_on_the_documented_ports_only() -> None:
    assert not EgressPolicy.of(["0.0.0.0:22"]).allows(HostPort("any.example", 22))


def test_a_listed_host_may_be_this_machine() -> None:
    policy = EgressPolicy.of(["localhost:8081"])
    assert policy.allows_address(HostPort("localhost", 8081), "127.0.0.1")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = HostPort.parse(text)
    except InvalidArgument:
        return
    assert HostPort.parse(str(found)) == found
