"""Reads conda's notation of a dependency and writes the same constraint for PyPI.

conda writes ``[channel::]name[ constraint[ build]]`` or ``name=version=build``; constraints know
``=1.2`` (any 1.2), ``1.2.*``, ``>=1,<2`` and ``1.2|1.3``. PyPI's notation (PEP 440) has no "or",
and no builds: the former is refused, the latter are left out and reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from nunatak.images.errors import DeclarationInvalid
from nunatak.images.requirements.conda_names import Stand, counterpart

LINE_LIMIT_CHARS = 2_000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_BRACKETS = re.compile(r"\[(?P<inner>[^\]]*)\]$")
_KEYED = re.compile(r"(version|build)\s*=\s*['\"]([^'\"]*)['\"]")
_OPERATOR = re.compile(r"(===|==|!=|>=|<=|~=|>|<|=)?\s*(.+)")
_VERSION = re.compile(r"[A-Za-z0-9_.+!\-]+(\.\*|\*)?|\*")


@dataclass(frozen=True, slots=True)
class CondaDependency:
    """A dependency in conda's terms; `channel`, `constraint` and `build` may be empty."""

    name: str
    constraint: str = ""
    build: str = ""
    channel: str = ""

    def __str__(self) -> str:
        prefix = f"{self.channel}::" if self.channel else ""
        parts = (f"{prefix}{self.name}", self.constraint, self.build)
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class PypiDependency:
    """A conda dependency on PyPI: `requirement` is empty when nothing is to be installed."""

    requirement: str
    note: str
    """What was left out or renamed, for the build log; may be empty."""


def parse_conda(text: str) -> CondaDependency:
    """Read one line of conda's ``dependencies``; raises DeclarationInvalid."""
    if len(text) > LINE_LIMIT_CHARS:
        raise DeclarationInvalid(f"A conda dependency has at most {LINE_LIMIT_CHARS} characters.")
    channel, _, rest = text.strip().rpartition("::")
    found = _NAME.match(rest)
    if found is None:
        raise DeclarationInvalid(f"Conda dependency '{text}' does not start with a package name.")
    name, tail = found.group(), rest[found.end() :].strip()
    keyed = _BRACKETS.search(tail)
    if keyed:
        values = dict(_KEYED.findall(keyed["inner"]))
        if not values:
            raise DeclarationInvalid(f"Conda dependency '{text}': only version and build are read.")
        return CondaDependency(name, values.get("version", ""), values.get("build", ""), channel)
    constraint, build = _constraint_and_build(tail)
    return CondaDependency(name, constraint, build, channel)


def translate(dependency: CondaDependency) -> PypiDependency:
    """The PyPI requirement for `dependency`; raises DeclarationInvalid when there is none."""
    found = counterpart(dependency.name)
    if found.stand is Stand.MISSING:
        raise DeclarationInvalid(
            f"Conda package '{dependency.name}' is not a Python package and has no counterpart on"
            " PyPI: remove it from conda_dependencies, or provide it on the machine itself."
        )
    if found.stand is Stand.NOT_NEEDED:
        return PypiDependency("", f"conda package {dependency.name} is not needed here, left out")
    notes = []
    if found.stand is Stand.RENAMED:
        notes.append(f"conda package {dependency.name} is {found.pypi} on PyPI")
    if dependency.build:
        notes.append(f"build '{dependency.build}' of {dependency.name} has no meaning on PyPI")
    if found.extra:
        notes.append(f"conda package {dependency.name} is {found.pypi}[{found.extra}] on PyPI")
    extra = f"[{found.extra}]" if found.extra else ""
    try:
        requirement = Requirement(f"{found.pypi}{extra}{_specifiers(dependency)}")
    except InvalidRequirement as error:
        raise DeclarationInvalid(
            f"Conda dependency '{dependency}' has a name that no package on PyPI can have."
        ) from error
    return PypiDependency(str(requirement), "; ".join(notes))


def _constraint_and_build(tail: str) -> tuple[str, str]:
    """Split what follows the name: ``=1.2=py311_0``, ``1.2 py311_0``, ``>=1, <2``."""
    if re.match(r"=[^=]", tail) and tail.count("=") == 2 and not re.search(r"[<>!~,|]", tail):
        version, build = tail[1:].split("=")
        return f"=={version.strip()}", build.strip()
    tail = re.sub(r"\s*([,|])\s*", r"\1", tail)
    tail = re.sub(r"([<>=!~])\s+", r"\1", tail)
    constraint, _, build = tail.partition(" ")
    return constraint, build.strip()


def _specifiers(dependency: CondaDependency) -> SpecifierSet:
    if "|" in dependency.constraint:
        raise DeclarationInvalid(
            f"Conda dependency '{dependency}' allows alternatives with '|', which PyPI"
            " requirements cannot say: give one range."
        )
    parts = [part for part in dependency.constraint.split(",") if part]
    try:
        return SpecifierSet(",".join(filter(None, (_specifier(part) for part in parts))))
    except (InvalidSpecifier, ValueError) as error:
        raise DeclarationInvalid(
            f"Conda dependency '{dependency}' has a version constraint that cannot be expressed"
            " for PyPI: use =, ==, !=, >=, <=, > or < with a plain version."
        ) from error


def _specifier(part: str) -> str:
    """One comma-separated part, in PEP 440; empty when it allows everything."""
    found = _OPERATOR.fullmatch(part.strip())
    if found is None or not _VERSION.fullmatch(found[2].strip()):
        raise ValueError(part)
    operator, version = found[1] or "", found[2].strip()
    if version == "*":
        return ""
    any_patch = version.endswith("*")
    base = version.rstrip("*").rstrip(".")
    if operator == "=" or (operator == "" and any_patch):
        return f"=={base}.*"
    if operator == "":
        return f"=={base}"
    # conda reads ">=1.2.*" as ">=1.2"; only equality keeps the star
    return f"{operator}{base}.*" if any_patch and operator in ("==", "!=") else f"{operator}{base}"
