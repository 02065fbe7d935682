"""Which destinations a policy allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.egress.policy import BadDestination, EgressPolicy, HostPort


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
    with pytest.raises(BadDestination):
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
    assert policy.allows_address(anyone, "8.8.8.8")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fe80::1%eth0",
        "::ffff:127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "100.64.0.1",
        "fd00::1",
        "0.0.0.0",
    ],
)
def test_anywhere_means_public_addresses(address: str) -> None:
    policy = EgressPolicy.of(["0.0.0.0:443"])
    assert not policy.allows_address(HostPort("any.example", 443), address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "10.0.0.1", "0.0.0.0", "0"]
)
def test_an_address_in_any_spelling_is_known_before_it_is_handed_on(host: str) -> None:
    assert not EgressPolicy.of(["0.0.0.0:443"]).allows(HostPort.parse(f"{host}:443"))


def test_a_listed_name_may_lead_into_a_private_network_but_not_to_this_machine() -> None:
    policy, listed = EgressPolicy.of(["intern.example:443"]), HostPort("intern.example", 443)
    assert policy.allows_address(listed, "10.1.2.3")
    for address in ("127.0.0.1", "127.0.0.53", "::1", "169.254.169.254", "224.0.0.1"):
        assert not policy.allows_address(listed, address)
    both = EgressPolicy.of(["intern.example:443", "127.0.0.53:443"])
    assert both.allows_address(listed, "127.0.0.53")
    assert not both.allows_address(listed, "127.0.0.1")


def test_anywhere_works_on_the_documented_ports_only() -> None:
    assert not EgressPolicy.of(["0.0.0.0:22"]).allows(HostPort("any.example", 22))


def test_a_listed_host_may_be_this_machine() -> None:
    policy = EgressPolicy.of(["localhost:8081"])
    assert policy.allows_address(HostPort("localhost", 8081), "127.0.0.1")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = HostPort.parse(text)
    except BadDestination:
        return
    assert HostPort.parse(str(found)) == found
