"""Addresses of instances: where one listens, and what it takes to be let in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

_MEMORY_SUFFIX = ".bulk"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket file of this machine. Only who may open the file can connect, so that neither a
    certificate nor a token is needed; large bodies may go in memory files."""

    path: Path

    @property
    def memory_path(self) -> Path:
        """The socket file beside it that takes memory files, if the instance does."""
        return self.path.with_suffix(_MEMORY_SUFFIX)

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files of a certificate, with its chain, and of its private key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsAddress:
    """A host and a port, of this machine or another. Both sides show a certificate, and the caller
    a token that is good for this instance alone."""

    host: str
    port: int
    server_name: str
    """What the instance's certificate is made out to; `host` need not be."""
    authority: Path
    """The certificate of who signs those of instances."""
    own: CertificateFiles
    """The caller's, which the instance's authority for callers has signed."""
    token: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Address = UnixAddress | TlsAddress
