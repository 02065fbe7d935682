"""Bounds between packages that package indexes lack, and conda's channels have.

A package may refuse to be imported beside another's version although its metadata says nothing of
it. What a resolver chose without knowing is looked through, and resolved again within the bound.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

_PINNED = re.compile(r"([A-Za-z0-9_.\-]+)==([^\s;]+)")


@dataclass(frozen=True, slots=True)
class Bound:
    """Beside a version of `other` as stated, `package` must be `within`."""

    package: str
    within: str
    other: str
    beside: SpecifierSet

    @property
    def constraint(self) -> str:
        """The bound as a line of a constraints file."""
        return f"{self.package}{self.within}"


BOUNDS = (Bound("pyarrow", "<26", "numpy", SpecifierSet("<2")),)
"""pyarrow 26 and later: "requires NumPy 2.0 or newer", which their metadata do not say."""


def broken(packages: Sequence[str], bounds: Sequence[Bound] = BOUNDS) -> tuple[Bound, ...]:
    """The bounds that a set of packages, each ``name==version``, does not keep."""
    pinned = [match.groups() for match in map(_PINNED.fullmatch, packages) if match is not None]
    versions: dict[str, str] = {canonicalize_name(name): version for name, version in pinned}
    return tuple(
        bound
        for bound in bounds
        if bound.package in versions
        and bound.other in versions
        and bound.beside.contains(versions[bound.other], prereleases=True)
        and not SpecifierSet(bound.within).contains(versions[bound.package], prereleases=True)
    )
