"""uv's words, recorded, and what we make of them."""

from __future__ import annotations

import pytest

from nunatak.egress.proxy import Refusal
from nunatak.errors import BuildFailed
from nunatak.images.building.explain import failure, needs_source_build
from nunatak.images.errors import (
    HashMismatch,
    HostRefused,
    HostUnreachable,
    PackageNotFound,
    RequirementsConflict,
    SourceBuildFailed,
)

CONFLICT = """error: No solution found when resolving dependencies
  cause: Because left-lib>=2.6.0 depends on pandas>=2.1.4,<3 and you require pandas==3.0.0, we can \
conclude that your requirements and left-lib>=2.6.0 are incompatible.
         And because you require left-lib==2.6.0, we can conclude that your requirements are \
unsatisfiable."""
OLDER_CONFLICT = """  \u00d7 No solution found when resolving dependencies:
  ╰─▶ Because left-lib==2.6.0 depends on pandas<3 and you require
      pandas==3.0.0, we can conclude that left-lib==2.6.0 cannot be used.

hint: Pre-releases are available"""
ABSENT = """error: No solution found when resolving dependencies
  cause: Because no-such-lib was not found in the package registry and you require \
no-such-lib==1, we can conclude that your requirements are unsatisfiable."""
NO_VERSION = """error: No solution found when resolving dependencies
  cause: Because there is no version of pandas==99 and you require pandas==99, we can conclude \
that your requirements are unsatisfiable."""
UNBUILT = """Using Python 3.11.7 environment at: venv
error: Failed to build `left-lib==0.33.0`
  cause: The build backend returned an error

         [stderr]
         TypeError: unexpected keyword argument 'dry_run'

hint: Build failures usually indicate a problem with the package or the build environment"""
TUNNEL = """error: Request failed after 3 retries in 7.0s
  cause: tunnel error: unsuccessful"""
HASH = """error: Failed to read `left-lib==1.0`
  cause: Hash mismatch for `left-lib==1.0`"""


@pytest.mark.parametrize("text", [CONFLICT, OLDER_CONFLICT])
def test_a_conflict_names_both_sides(text: str) -> None:
    found = failure(text, (), what="Resolving")
    assert isinstance(found, RequirementsConflict)
    assert found.packages == ("left-lib", "pandas")
    assert "depends on pandas" in found.message
    assert "you require pandas==3.0.0" in found.message
    assert "hint" not in found.message


@pytest.mark.parametrize(("text", "name"), [(ABSENT, "no-such-lib"), (NO_VERSION, "pandas")])
def test_a_missing_package_is_named(text: str, name: str) -> None:
    found = failure(text, (), what="Resolving")
    assert isinstance(found, PackageNotFound)
    assert found.package == name
    assert name in found.message


def test_a_package_that_does_not_build_is_named_with_its_last_words() -> None:
    found = failure(UNBUILT, (), what="Installing")
    assert isinstance(found, SourceBuildFailed)
    assert found.package == "left-lib==0.33.0"
    assert "TypeError: unexpected keyword argument 'dry_run'" in found.message


def test_hosts_are_named() -> None:
    refused = failure(TUNNEL, (Refusal("a.example:443", "refused"),), what="Resolving")
    assert isinstance(refused, HostRefused)
    assert refused.hosts == ("a.example:443",)
    assert "network rule" in refused.message
    lost = failure(TUNNEL, (Refusal("a.example:443", "unreachable"),), what="Resolving")
    assert isinstance(lost, HostUnreachable)
    assert "a.example:443" in lost.message


def test_a_conflict_is_not_blamed_on_a_host() -> None:
    refusals = (Refusal("a.example:443", "refused"),)
    assert isinstance(failure(CONFLICT, refusals, what="Resolving"), RequirementsConflict)
    assert isinstance(failure(ABSENT, refusals, what="Resolving"), HostRefused)


def test_other_failures_keep_uvs_last_words() -> None:
    assert isinstance(failure(HASH, (), what="Installing"), HashMismatch)
    found = failure("Resolved 3 packages in 1ms\nerror: disk full", (), what="Installing")
    assert type(found) is BuildFailed
    assert found.message == "Installing failed: error: disk full"
    assert "without a word" in failure("", (), what="Installing").message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Because x==1 has no usable wheels, we can conclude", True),
        ("building from source is disabled", True),
        (ABSENT, False),
    ],
)
def test_it_is_told_when_only_source_would_do(text: str, expected: bool) -> None:
    assert needs_source_build(text) is expected
