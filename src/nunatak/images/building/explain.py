"""Turns what uv says into an error that names the requirement, the package or the host."""

from __future__ import annotations

import re

from nunatak.egress.proxy import Refusal
from nunatak.errors import BuildFailed
from nunatak.images.errors import (
    HashMismatch,
    HostRefused,
    HostUnreachable,
    PackageNotFound,
    RequirementsConflict,
    SourceBuildFailed,
)

_REASON = re.compile(r"(?:╰─▶|cause:)\s*(Because .*)", re.S)
_ABSENT = re.compile(
    r"Because ([A-Za-z0-9_.\-]+) was not found in the (?:package registry|provided)"
)
_NO_VERSION = re.compile(r"Because (?:there is|there are) no versions? of ([A-Za-z0-9_.\-]+)")
_UNBUILT = re.compile(r"Failed to (?:build|download and build) [`']?([^`'\n]+)")
_DEPENDS = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9_.\-]*)(?:[<>=!~]=?[^\s,]*)? depends on ([A-Za-z0-9_.\-]+)"
)
_REQUIRE = re.compile(r"you require ([A-Za-z0-9][A-Za-z0-9_.\-]*)")
_NO_WHEEL = re.compile(
    r"building (?:from source|source distributions) is disabled|no usable wheels|requires building"
)
_DECORATION = " \u00d7\u2570\u2500\u25b6\u2502\u251c"
_CHATTER = ("Using ", "Resolved ", "Downloading ", "Downloaded ", "Building ", "warning:")
_INPUT_FILES = re.compile(r"\S*/(conda|pip)\.in\b")


def needs_source_build(text: str) -> bool:
    """Whether uv gave up because some package has no wheel for this platform."""
    return bool(_NO_WHEEL.search(text))


def failure(text: str, refusals: tuple[Refusal, ...], *, what: str) -> BuildFailed:
    """The error for a failed run of uv that printed `text`; `what` is the step that failed."""
    reason = _explanation(text)
    conflict = _conflict(reason) if reason else None
    refused = tuple(item.destination for item in refusals if item.reason == "refused")
    lost = tuple(item.destination for item in refusals if item.reason == "unreachable")
    if refused and not (conflict and isinstance(conflict, RequirementsConflict)):
        return HostRefused(
            f"{what} failed: the build tried to reach {', '.join(refused)}, which it is not allowed"
            " to. Add the host to a network rule of an integration of this build, or remove the"
            " dependency that asks for it.",
            hosts=refused,
        )
    if lost:
        return HostUnreachable(
            f"{what} failed: {', '.join(lost)} could not be reached. Check the network of the"
            " server, then build again.",
            hosts=lost,
        )
    if conflict:
        return conflict
    unbuilt = _UNBUILT.search(text)
    if unbuilt:
        return SourceBuildFailed(
            f"Package '{unbuilt[1]}' has no wheel for this Python and platform, and building it"
            f" from source failed: {_short(text, lines=3)} Choose a version that has a wheel.",
            package=unbuilt[1],
        )
    if "hash mismatch" in text.lower():
        return HashMismatch(
            f"{what} failed, a file is not the one that was locked: {_short(text)} Build again"
            " with force_rebuild if the index is to be trusted."
        )
    return BuildFailed(f"{what} failed: {_short(text)}")


def _explanation(text: str) -> str:
    """uv's chain of reasons, as one paragraph; empty when there is none."""
    found = _REASON.search(text)
    if not found:
        return ""
    chain = re.split(r"\n\s*\n|\n\s*hint:", found[1])[0]
    return _INPUT_FILES.sub(r"the \1 requirements", " ".join(chain.split()))


def _conflict(reason: str) -> BuildFailed:
    absent = _ABSENT.search(reason)
    if absent:
        return PackageNotFound(
            f"Package '{absent[1]}' was not found in the configured package indexes: check its"
            f" name, or configure the index that has it. ({reason})",
            package=absent[1],
        )
    names = {name for pair in _DEPENDS.findall(reason) for name in pair}
    names |= set(_REQUIRE.findall(reason))
    missing = _NO_VERSION.search(reason)
    if missing and not _DEPENDS.search(reason):
        return PackageNotFound(
            f"No version of package '{missing[1]}' in the configured package indexes meets the"
            f" requirement for this Python and platform: relax it. ({reason})",
            package=missing[1],
        )
    return RequirementsConflict(
        f"The requirements contradict each other: {reason} Relax one of them in the model's"
        " dependencies.",
        packages=tuple(sorted(names)),
    )


def _short(text: str, *, lines: int = 12) -> str:
    """The last lines that say something, without uv's decoration."""
    body = text.split("\nhint:")[0]
    stripped = (line.strip(_DECORATION) for line in body.splitlines())
    told = [line for line in stripped if line and not line.startswith(_CHATTER)]
    return " ".join(told[-lines:]) or "the program ended without a word"
