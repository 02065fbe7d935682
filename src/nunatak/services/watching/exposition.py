"""Counters of instances, read from what they tell, and the Prometheus text of all of them.

An instance tells its counters as JSON: it keeps them as plain numbers and needs no library for
them. The text is made once, where it is asked for, by prometheus_client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from prometheus_client import Metric, generate_latest
from prometheus_client.registry import Collector

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]
"""A sample's name and its labels, in the order in which they were told."""
COUNTERS = frozenset({"counter", "histogram"})
"""Kinds of families whose samples only grow, and so may be added up over processes that ended."""


class Family(msgspec.Struct, frozen=True):
    """The family of all samples of one metric."""

    name: str
    kind: str
    text: str


class _Told(msgspec.Struct, frozen=True):
    """A family as an instance tells it, with its samples: name, labels, value."""

    name: str
    kind: str
    text: str
    samples: list[tuple[str, dict[str, str], float]]


@dataclass(frozen=True, slots=True)
class Exposition:
    """Counters at one moment. `families` are by the names of their samples."""

    families: Mapping[str, Family] = field(default_factory=dict)
    samples: Mapping[Key, float] = field(default_factory=dict)

    def counters(self) -> dict[Key, float]:
        """The samples that only grow."""
        return {
            key: value
            for key, value in self.samples.items()
            if key[0] in self.families and self.families[key[0]].kind in COUNTERS
        }


def read_counters(told: str) -> Exposition:
    """Counters that an instance tells of, from JSON; raises ValueError for anything else."""
    families: dict[str, Family] = {}
    samples: dict[Key, float] = {}
    for item in msgspec.json.decode(told, type=list[_Told]):
        family = Family(item.name, item.kind, item.text)
        for name, labels, value in item.samples:
            families[name] = family
            samples[name, tuple(labels.items())] = value
    return Exposition(families, samples)


def write_exposition(families: Mapping[str, Family], samples: Iterable[tuple[Key, float]]) -> str:
    """A page of Prometheus text, the samples of each family together under its description.

    `families` are by the names of their samples; a sample of none is left out.
    """
    metrics: dict[str, Metric] = {
        family.name: _metric(family) for family in dict.fromkeys(families.values())
    }
    for (name, labels), value in samples:
        if name in families:
            metrics[families[name].name].add_sample(name, dict(labels), value)
    return generate_latest(_Page([it for it in metrics.values() if it.samples])).decode()


class _Page(Collector):
    """Metrics that are there already, as prometheus_client collects them."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._metrics


def _metric(family: Family) -> Metric:
    """The library names a counter without the ending that its samples have."""
    name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    return Metric(name, family.text, family.kind)
