"""Arguments and variables of a confined command, so that it finds its way to the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CREDENTIAL_VARIABLE = "NUNATAK_EGRESS_CREDENTIAL"
"""Holds the credential on its way to the relay, which takes it out again."""
RELAY = Path(__file__).with_name("relay.py")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def relayed(python: Path, socket: Path) -> list[str]:
    """Arguments before a command without a network: `python` runs the relay to `socket`."""
    return [str(python), "-I", "-S", str(RELAY), str(socket), CREDENTIAL_VARIABLE]


def proxy_variables(credential: str, port: int) -> Mapping[str, str]:
    """Variables for a command that reaches a proxy on this machine's loopback interface."""
    address = f"http://{credential}@127.0.0.1:{port}"
    upper = dict.fromkeys(PROXY_VARIABLES, address)
    return {**upper, **{name.lower(): address for name in upper}}
