"""Which proxy the machine itself must use."""

from __future__ import annotations

import pytest

from nunatak.egress.policy import HostPort
from nunatak.egress.upstream import Upstream, upstream_for

PROXY = HostPort("proxy.example", 3128)


@pytest.mark.parametrize(
    ("variables", "destination", "expected"),
    [
        ({}, "a.example:443", None),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "a.example:443", Upstream(PROXY)),
        ({"https_proxy": "proxy.example"}, "a.example:443", Upstream(PROXY)),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "a.example:80", None),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, "a.example:80", Upstream(PROXY)),
        ({"ALL_PROXY": "http://proxy.example:3128"}, "a.example:8443", Upstream(PROXY)),
        ({"ALL_PROXY": "socks5://proxy.example:1080"}, "a.example:443", None),
        ({"ALL_PROXY": "http://proxy.example"}, "localhost:443", None),
        ({"ALL_PROXY": "http://proxy.example", "NO_PROXY": ".example"}, "a.example:443", None),
        ({"ALL_PROXY": "http://proxy.example", "NO_PROXY": "b.example"}, "a.example:443", PROXY),
        ({"ALL_PROXY": "http://proxy.example", "NO_PROXY": "*"}, "a.example:443", None),
        ({"ALL_PROXY": "http://proxy.example", "NO_PROXY": "ample"}, "a.example:443", PROXY),
        ({"ALL_PROXY": "http://proxy.example", "NO_PROXY": "a.example:443"}, "a.example:443", None),
        ({"ALL_PROXY": "http://proxy.example", "NO_PROXY": "a.example:80"}, "a.example:443", PROXY),
        (
            {"ALL_PROXY": "http://user:p%40ss@proxy.example"},
            "a.example:443",
            Upstream(PROXY, "Basic dXNlcjpwQHNz"),
        ),
    ],
)
def test_it_follows_the_variables(
    variables: dict[str, str], destination: str, expected: Upstream | HostPort | None
) -> None:
    wanted = Upstream(expected) if isinstance(expected, HostPort) else expected
    assert upstream_for(HostPort.parse(destination), variables) == wanted
