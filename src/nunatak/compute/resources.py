"""Amounts of processors, memory and GPUs, as specifications write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nunatak.errors import InvalidArgument

_UNITS = {
    "": 1,
    "K": 1000,
    "M": 1000**2,
    "G": 1000**3,
    "T": 1000**4,
    "KI": 1024,
    "MI": 1024**2,
    "GI": 1024**3,
    "TI": 1024**4,
}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?\Z", re.IGNORECASE)
_CPU = re.compile(r"\d+(?:\.\d+)?m?\Z")
_ROUNDING = 1e-9
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount: processors (a fraction is allowed), bytes of memory, whole GPUs."""

    cpus: float = 0.0
    memory_bytes: int = 0
    gpus: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.cpus + other.cpus, self.memory_bytes + other.memory_bytes, self.gpus + other.gpus
        )

    def __sub__(self, other: Resources) -> Resources:
        return Resources(
            self.cpus - other.cpus, self.memory_bytes - other.memory_bytes, self.gpus - other.gpus
        )

    def fits(self, free: Resources) -> bool:
        """Whether this amount is no more than `room`."""
        return (
            self.cpus <= free.cpus + _ROUNDING
            and self.memory_bytes <= free.memory_bytes
            and self.gpus <= free.gpus
        )

    def __str__(self) -> str:
        gpus = f", {self.gpus} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU, {self.memory_bytes / GIB:.1f} GiB{gpus}"


def parse_cpus(text: str | float) -> float:
    """Processors from `"2"`, `0.5` or `"500m"`; raises InvalidArgument."""
    written = str(text).strip()
    if not _CPU.match(written):
        raise InvalidArgument(f"'{text}' is not a number of CPUs: write 2, 0.5 or 500m.")
    cpus = float(written[:-1]) / 1000 if written.endswith("m") else float(written)
    if cpus <= 0:
        raise InvalidArgument("The number of CPUs must be above 0.")
    return cpus


def parse_memory(text: str | int) -> int:
    """Bytes from `"4Gi"`, `"4GiB"`, `"500M"` or a number of bytes; raises InvalidArgument."""
    match = _MEMORY.match(str(text).strip())
    if match is None:
        raise InvalidArgument(f"'{text}' is not an amount of memory: write 4Gi or 512Mi.")
    size_bytes = int(float(match.group(1)) * _UNITS[match.group(2).upper()])
    if size_bytes <= 0:
        raise InvalidArgument("The amount of memory must be above 0.")
    return size_bytes


def parse_gpus(text: str | int) -> int:
    """A whole number of GPUs from `"1"` or `1`; raises InvalidArgument."""
    written = str(text).strip()
    if not written.isdigit() or int(written) < 1:
        raise InvalidArgument(f"'{text}' is not a number of GPUs: write a whole number above 0.")
    return int(written)
