"""Package indexes that this machine is configured with.

Read at run time from pip's configuration (files and ``PIP_*``) and uv's (``uv.toml`` and
``UV_*``), so that whoever set the machine up for pip or uv has set it up for builds as well. uv's
settings come first, an environment variable wins over a file, extra indexes and find-links of
both take part. Several indexes are searched as pip does it: the best version of all of them.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from nunatak.egress.policy import HostPort

_PIP_SECTIONS = ("global", "install")


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """Package indexes, in addresses that may hold credentials (see `shown`).

    `default` None means uv's own default index. `find_links` are folders, pages or files;
    `insecure_hosts` may be spoken to without a valid certificate.
    """

    default: str | None = None
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    insecure_hosts: tuple[str, ...] = ()
    certificates: Path | None = None
    no_index: bool = False

    def environment(self) -> dict[str, str]:
        """Variables that uv is told: addresses with credentials stay out of `ps`."""
        values = {
            "UV_DEFAULT_INDEX": self.default or "",
            "UV_INDEX": " ".join(self.extra),
            "UV_FIND_LINKS": ",".join(self.find_links),
            "UV_INSECURE_HOST": " ".join(self.insecure_hosts),
            "UV_NO_INDEX": "1" if self.no_index else "",
            "SSL_CERT_FILE": str(self.certificates) if self.certificates else "",
        }
        return {name: value for name, value in values.items() if value}

    def paths(self) -> tuple[Path, ...]:
        """Files and folders of this machine that a build must be able to read."""
        found = [local_path(item) for item in (self.default or "", *self.extra, *self.find_links)]
        folders = [path for path in found if path is not None]
        # a simple index refers to its files by relative links, which may lead beside it
        folders = [path.parent if path.name == "simple" else path for path in folders]
        if self.certificates:
            folders.append(self.certificates.resolve())
        return tuple(path for path in dict.fromkeys(folders) if path.exists())

    def remote(self) -> tuple[str, ...]:
        """Addresses of the indexes that are reached over the network."""
        listed = (self.default or "", *self.extra, *self.find_links)
        return tuple(item for item in listed if urlsplit(item).scheme in ("http", "https"))

    def shown(self) -> str:
        """All of it in one line, credentials left out, for logs and digests."""
        parts = [f"default={without_credentials(self.default)}"] if self.default else []
        parts += [f"extra={without_credentials(item)}" for item in self.extra]
        parts += [f"find-links={without_credentials(item)}" for item in self.find_links]
        return " ".join([*parts, "no-index"] if self.no_index else parts) or "uv's default index"


def local_path(address: str) -> Path | None:
    """The path that `address` (a path or a file address) stands for, or None."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(address).expanduser() if address and not parts.scheme else None


def without_credentials(address: str) -> str:
    """`address` with user and password taken out."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def host_of(address: str) -> HostPort | None:
    """The destination that an http(s) `address` leads to, or None."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return HostPort(parts.hostname.lower(), parts.port or (443 if parts.scheme == "https" else 80))


def from_machine(
    environment: Mapping[str, str] | None = None, *, files: Iterable[Path] | None = None
) -> Indexes:
    """The configuration of this machine, or of the given variables and files (for tests)."""
    variables = os.environ if environment is None else environment
    pip = _pip_options(variables, files)
    uv = _uv_options(variables, files)
    default = uv.default or (pip.get("index-url") or [""])[-1] or None
    certificates = variables.get("SSL_CERT_FILE") or (pip.get("cert") or [""])[-1]
    return Indexes(
        default=default,
        extra=_merged(uv.extra, pip.get("extra-index-url")),
        find_links=_merged(uv.find_links, pip.get("find-links")),
        insecure_hosts=_merged(uv.insecure_hosts, pip.get("trusted-host")),
        certificates=Path(certificates) if certificates else None,
        no_index=uv.no_index or (pip.get("no-index") or ["0"])[-1].lower() in ("1", "true", "yes"),
    )


def _merged(first: Iterable[str], second: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *(second or ())]))


def _pip_options(
    variables: Mapping[str, str], files: Iterable[Path] | None
) -> dict[str, list[str]]:
    """pip's options by their long names; later sources replace earlier ones, as in pip."""
    options: dict[str, list[str]] = {}
    for path in _pip_files(variables) if files is None else files:
        if path.suffix == ".toml" or not path.is_file():
            continue
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, "utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself reports a broken file; builds go on without it
        for section in _PIP_SECTIONS:
            if parser.has_section(section):
                options |= {
                    name.replace("_", "-"): value.split() for name, value in parser.items(section)
                }
    options |= {
        name[4:].lower().replace("_", "-"): value.split()
        for name, value in variables.items()
        if name.startswith("PIP_") and value.strip()
    }
    return options


def _pip_files(variables: Mapping[str, str]) -> list[Path]:
    """Files that pip reads, least important first."""
    home = Path(variables.get("HOME") or "/nonexistent")
    chosen = variables.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    shared = (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    own = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    found = [Path(folder) / "pip" / "pip.conf" for folder in shared if folder]
    found += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", own / "pip" / "pip.conf"]
    found.append(Path(sys.prefix) / "pip.conf")
    return [*found, Path(chosen)] if chosen else found


def _uv_options(variables: Mapping[str, str], files: Iterable[Path] | None) -> Indexes:
    found = Indexes()
    for path in _uv_files(variables) if files is None else files:
        if path.suffix == ".toml" and path.is_file():
            found = _with_uv_file(found, path)
    default = variables.get("UV_DEFAULT_INDEX") or variables.get("UV_INDEX_URL")
    extra = f"{variables.get('UV_INDEX', '')} {variables.get('UV_EXTRA_INDEX_URL', '')}".split()
    links = re.split(r"[,\s]+", variables.get("UV_FIND_LINKS", "").strip())
    hosts = variables.get("UV_INSECURE_HOST", "").split()
    return replace(
        found,
        default=_plain(default) if default else found.default,
        extra=tuple(_plain(item) for item in extra) or found.extra,
        find_links=tuple(filter(None, links)) or found.find_links,
        insecure_hosts=tuple(hosts) or found.insecure_hosts,
        no_index=found.no_index or variables.get("UV_NO_INDEX", "") in ("1", "true"),
    )


def _uv_files(variables: Mapping[str, str]) -> list[Path]:
    """Files that uv reads outside of projects, least important first."""
    if variables.get("UV_NO_CONFIG"):
        return []
    if variables.get("UV_CONFIG_FILE"):
        return [Path(variables["UV_CONFIG_FILE"])]
    home = Path(variables.get("HOME") or "/nonexistent")
    own = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    shared = (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    found = [Path("/etc/uv/uv.toml"), *(Path(item) / "uv" / "uv.toml" for item in shared if item)]
    return [*found, own / "uv" / "uv.toml"]


def _with_uv_file(found: Indexes, path: Path) -> Indexes:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return found  # uv itself reports a broken file; builds go on without it
    listed = [item for item in document.get("index", ()) if isinstance(item, dict)]
    pip = document.get("pip", {})

    def value(name: str) -> Any:
        return document.get(name) or pip.get(name)

    defaults = [str(item["url"]) for item in listed if item.get("default") and item.get("url")]
    plain = [
        str(item["url"])
        for item in listed
        if item.get("url") and not item.get("default") and not item.get("explicit")
    ]
    extra = [*plain, *map(str, value("extra-index-url") or ())]
    return replace(
        found,
        default=(defaults or [value("index-url")])[0] or found.default,
        extra=tuple(extra) or found.extra,
        find_links=tuple(map(str, value("find-links") or ())) or found.find_links,
        insecure_hosts=tuple(map(str, document.get("allow-insecure-host") or ()))
        or found.insecure_hosts,
        no_index=bool(value("no-index")) or found.no_index,
    )


def _plain(index: str) -> str:
    """An index of ``UV_INDEX`` may be written ``name=address``."""
    name, mark, address = index.partition("=")
    return address if mark and re.fullmatch(r"[A-Za-z0-9_\-]+", name) else index
