"""Certificates and tokens of instances and their callers, made for a test."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass, replace
from pathlib import Path

from nunatak.transport.address import CertificateFiles, TlsAddress
from nunatak.transport.certificates import Authority, Use, authority_file
from nunatak.transport.tls import instance_context

KINDS = ("unix", "tls")
"""Where an instance may listen."""
NAME = "instance-0.nunatak.test"
TOKEN = "a-token-of-instance-0"


@dataclass(frozen=True)
class Credentials:
    """What an instance and its caller show each other."""

    authority: Path
    instance: CertificateFiles
    caller: CertificateFiles

    def address(self, port: int) -> TlsAddress:
        """The address of an instance that listens on a port of this machine."""
        return TlsAddress(
            host="127.0.0.1",
            port=port,
            server_name=NAME,
            authority=self.authority,
            own=self.caller,
            token=TOKEN,
        )

    def context(self) -> ssl.SSLContext:
        """What the instance accepts connections with."""
        return instance_context(self.instance, self.authority)

    def document(self, port: int = 0) -> dict[str, object]:
        """The part of an instance's configuration."""
        return {
            "host": "127.0.0.1",
            "port": port,
            "token": TOKEN,
            "certificate": str(self.instance.certificate),
            "key": str(self.instance.key),
            "authority": str(self.authority),
        }


def make_credentials(folder: Path, *, name: str = NAME) -> Credentials:
    """Credentials of an authority of their own, in a folder that is made for them."""
    folder.mkdir(parents=True)
    authority = Authority(folder, name="test", now=dt.datetime.now(dt.UTC))
    made = Credentials(authority_file(folder), _files(folder, "instance"), _files(folder, "caller"))
    authority.sign(made.instance, (name,), Use.SERVER)
    authority.sign(made.caller, ("nunatak",), Use.CALLER)
    return made


def attacks(folder: Path, good: Credentials, port: int) -> dict[str, TlsAddress]:
    """Addresses of the same instance that an attacker would use, or be led to."""
    stranger = make_credentials(folder / "stranger")
    address = good.address(port)
    return {
        "another authority signed the caller": replace(address, own=stranger.caller),
        "another authority signed the instance": replace(address, authority=stranger.authority),
        "an instance's certificate as a caller's": replace(address, own=good.instance),
        "another instance's name": replace(address, server_name="instance-1.nunatak.test"),
        "another instance's token": replace(address, token="a-token-of-instance-1"),
        "no token": replace(address, token=""),
    }


def _files(folder: Path, name: str) -> CertificateFiles:
    return CertificateFiles(folder / f"{name}.pem", folder / f"{name}.key")
