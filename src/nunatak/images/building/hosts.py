"""Hosts that a package index needs: its own, and those that its pages link files from."""

from __future__ import annotations

import html
import re
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from nunatak.egress.policy import HostPort
from nunatak.images.building.indexes import Indexes, host_of, without_credentials

TIMEOUT_S = 20.0
LIMIT_BYTES = 2 * 1024 * 1024
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_LINK = re.compile(r"""(?:"url"\s*:\s*"|href\s*=\s*["'])([^"']+)["']""")


def index_hosts(
    indexes: Indexes,
    *,
    default_index: str | None = None,
    names: Iterable[str] = (),
    linked: Callable[[Indexes, str, str], frozenset[HostPort]] | None = None,
) -> frozenset[HostPort]:
    """Destinations that builds need: the indexes themselves and where their files lie.

    `default_index` is uv's own default (`uv.default_index`), used when none is configured.
    `linked(indexes, index, name)` looks one page of an index up for the hosts of its files; by
    default over the network.
    """
    look = linked or _linked_hosts
    default = () if indexes.default or indexes.no_index or not default_index else (default_index,)
    found: set[HostPort] = set()
    for address in (*default, *indexes.remote()):
        host = host_of(address)
        if host is not None:
            found.add(host)
        for name in dict.fromkeys([*list(names)[:2], "pip"]):
            more = look(indexes, address, name)
            found |= more
            if more:
                break
    return frozenset(found)


def linked_addresses(index: str, name: str, *, certificates: Path | None = None) -> tuple[str, ...]:
    """Addresses of the page of `name` in `index` after redirects, and of one file per host.

    Empty when the index does not answer or does not have the package.
    """
    request = urllib.request.Request(  # noqa: S310  http(s) only, checked by the caller
        f"{without_credentials(index).rstrip('/')}/{name}/", headers={"Accept": _ACCEPT}
    )
    parts = urlsplit(index)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {b64encode(pair.encode()).decode()}")
    context = ssl.create_default_context(cafile=str(certificates) if certificates else None)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310
            final = answer.geturl()
            text = answer.read(LIMIT_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError, urllib.error.URLError):
        return ()
    by_host = {urlsplit(final).netloc: final}
    for link in _LINK.findall(text):
        address = urljoin(final, html.unescape(link))
        by_host.setdefault(urlsplit(address).netloc, address)
    return tuple(by_host.values())


_known: dict[str, frozenset[HostPort]] = {}
"""What was found out about an index; one that did not answer is asked again next time."""


def _linked_hosts(indexes: Indexes, address: str, name: str) -> frozenset[HostPort]:
    if address not in _known:
        pages = linked_addresses(address, name, certificates=indexes.certificates)
        found = frozenset(host for host in map(host_of, pages) if host is not None)
        if not found:
            return found
        _known[address] = found
    return _known[address]
