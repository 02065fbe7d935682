"""The text format of Prometheus, read and written: samples by name and labels, families by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]
"""A sample's name and its labels, in the order in which they are written."""
_SAMPLE = re.compile(
    r"([A-Za-z_:][\w:]*)(?:\{(.*)\})? "
    r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|Inf|NaN))\Z"
)
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_PARTS = ("_bucket", "_sum", "_count")
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
COUNTERS = frozenset({"counter", "histogram"})
"""Kinds of families whose samples only grow, and so may be added up over processes that ended."""


@dataclass(frozen=True, slots=True)
class Family:
    """What is told of all samples of one metric."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Exposition:
    """One page. `families` are by name."""

    families: Mapping[str, Family] = field(default_factory=dict)
    samples: Mapping[Key, float] = field(default_factory=dict)

    def family_of(self, name: str) -> Family | None:
        """The family of a sample, which for a histogram's parts has a shorter name."""
        shorter = (name.removesuffix(part) for part in _PARTS if name.endswith(part))
        return next((self.families[it] for it in (name, *shorter) if it in self.families), None)

    def counters(self) -> dict[Key, float]:
        """The samples that only grow."""
        return {
            key: value
            for key, value in self.samples.items()
            if (family := self.family_of(key[0])) is not None and family.kind in COUNTERS
        }


def parse_exposition(text: str) -> Exposition:
    """Read a page; lines that are no samples are left out."""
    families: dict[str, Family] = {}
    texts: dict[str, str] = {}
    samples: dict[Key, float] = {}
    for line in text.split("\n"):
        if line.startswith("# HELP "):
            name, _, texts[name] = line[7:].partition(" ")
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            families[name] = Family(name, kind, texts.get(name, ""))
        elif (match := _SAMPLE.match(line)) is not None:
            samples[match[1], _labels(match[2] or "")] = float(match[3])
    return Exposition(families, samples)


def write_exposition(families: Iterable[Family], samples: Iterable[tuple[Key, float]]) -> str:
    """A page, the samples of each family together under its description."""
    page = Exposition({family.name: family for family in families})
    lines: dict[str, list[str]] = {name: [] for name in page.families}
    for (name, labels), value in samples:
        family = page.family_of(name)
        if family is not None:
            written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
            lines[family.name].append(f"{name}{{{written}}} {_number(value)}")
    out: list[str] = []
    for family in page.families.values():
        if lines[family.name]:
            out += [f"# HELP {family.name} {family.text}", f"# TYPE {family.name} {family.kind}"]
            out += lines[family.name]
    return "\n".join(out) + "\n"


def _labels(text: str) -> Labels:
    return tuple((name, _unescaped(value)) for name, value in _LABEL.findall(text))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda match: _ESCAPED.get(match[0], match[0]), text)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
