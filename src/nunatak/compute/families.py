"""Instance families: the vendor's names, and what a node of each has.

The numbers are what the vendor documents as available to workloads. An operator may change or add
families in `<home>/families.yaml`:

    CPU_X64_S: {vcpu: 4, memory_gib: 16}
    GPU_OURS: {vcpu: 16, memory_gib: 128, gpus: 2, gpu_memory_gib: 80, description: our machine}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from nunatak.catalog.names import is_unquoted
from nunatak.compute.resources import GIB, Resources
from nunatak.errors import InvalidArgument
from nunatak.untrusted import load_yaml, typed

FILE_LIMIT_BYTES = 256 * 1024
_STORAGE_GIB = 100


@dataclass(frozen=True, slots=True)
class InstanceFamily:
    """A kind of node. `gpu` is the name of its GPU model, empty without one."""

    name: str
    vcpu: float
    memory_gib: float
    gpus: int = 0
    gpu: str = ""
    gpu_memory_gib: float = 0
    description: str = ""
    storage_gib: int = _STORAGE_GIB

    @property
    def resources(self) -> Resources:
        """Resources of a node of the family where nothing limits it."""
        return Resources(self.vcpu, int(self.memory_gib * GIB), self.gpus)


def _gpu(name: str, vcpu: float, memory_gib: float, *gpus: Any) -> InstanceFamily:
    count, model, gpu_memory_gib = gpus
    return InstanceFamily(name, vcpu, memory_gib, count, model, gpu_memory_gib)


def _sized(prefix: str, per_cpu_gib: float, sizes: tuple[int, ...]) -> list[InstanceFamily]:
    """Families that are named by nominal vCPUs, of which workloads get a few less."""
    usable = {2: 1, 4: 3, 8: 6, 16: 14, 32: 28, 48: 44, 64: 60, 96: 92, 128: 124, 192: 188}
    return [
        InstanceFamily(f"{prefix}_{size}", usable[size], max(1.0, size * per_cpu_gib * 0.875))
        for size in sizes
    ]


_DOCUMENTED = [
    InstanceFamily("CPU_X64_XS", 1, 6),
    InstanceFamily("CPU_X64_S", 3, 13),
    InstanceFamily("CPU_X64_M", 6, 28),
    InstanceFamily("CPU_X64_SL", 14, 54),
    InstanceFamily("CPU_X64_L", 28, 116),
    InstanceFamily("HIGHMEM_X64_S", 6, 58),
    InstanceFamily("HIGHMEM_X64_M", 28, 240),
    InstanceFamily("HIGHMEM_X64_SL", 92, 654),
    InstanceFamily("HIGHMEM_X64_L", 124, 984),
    *_sized("GEN_X64_G2", 4, (2, 4, 8, 16, 32)),
    *_sized("GEN_ARM_G1", 4, (2, 4, 8, 16, 32)),
    *_sized("MEM_X64_G2", 8, (8, 16, 32, 48, 64, 96, 128, 192)),
    _gpu("GPU_NV_XS", 3, 26, 1, "NVIDIA T4", 16),
    _gpu("GPU_NV_S", 6, 27, 1, "NVIDIA A10G", 24),
    _gpu("GPU_NV_SM", 32, 424, 1, "NVIDIA A10", 24),
    _gpu("GPU_NV_M", 44, 178, 4, "NVIDIA A10G", 24),
    _gpu("GPU_NV_2M", 68, 858, 2, "NVIDIA A10", 24),
    _gpu("GPU_NV_3M", 44, 424, 2, "NVIDIA A100", 80),
    _gpu("GPU_NV_SL", 92, 858, 4, "NVIDIA A100", 80),
    _gpu("GPU_NV_L", 92, 1112, 8, "NVIDIA A100", 40),
    _gpu("GPU_GCP_NV_L4_1_24G", 6, 28, 1, "NVIDIA L4", 24),
    _gpu("GPU_GCP_NV_L4_4_24G", 44, 178, 4, "NVIDIA L4", 24),
    _gpu("GPU_GCP_NV_A100_8_40G", 92, 654, 8, "NVIDIA A100", 40),
    *(_gpu(f"GPU_L40S_G1_{n}", 12 * n, 112 * n, n, "NVIDIA L40S", 48) for n in (1, 2, 4, 8)),
    *(_gpu(f"GPU_R6K_G1_{n}", 12 * n, 112 * n, n, "NVIDIA RTX 6000", 96) for n in (1, 2, 4, 8)),
    *(_gpu(f"GPU_A100_G1_{n}", 12 * n, 112 * n, n, "NVIDIA A100", 80) for n in (1, 2, 4, 8)),
]


class Families:
    """The families that pools may name."""

    def __init__(self, families: Mapping[str, InstanceFamily]) -> None:
        self._families = dict(families)

    @classmethod
    def load(cls, file: Path) -> Families:
        """The documented families, changed and completed by the operator's file if it exists.

        Raises InvalidArgument when the file is malformed.
        """
        families = {family.name: family for family in _DOCUMENTED}
        if file.exists():
            families.update(_read(file))
        return cls(families)

    def all(self) -> list[InstanceFamily]:
        """Every family, by name."""
        return [self._families[name] for name in sorted(self._families)]

    def get(self, name: str) -> InstanceFamily:
        """A family by its name; raises InvalidArgument."""
        found = self._families.get(name.upper())
        if found is None:
            raise InvalidArgument(
                f"Instance family '{name}' is not known. Use one of: "
                f"{', '.join(sorted(self._families))}."
            )
        return found


class _Family(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the operator's file."""

    vcpu: Annotated[float, Meta(gt=0)]
    memory_gib: Annotated[float, Meta(gt=0)]
    gpus: Annotated[int, Meta(ge=0)] = 0
    gpu: str = ""
    gpu_memory_gib: float = 0.0
    description: str = ""


def _read(file: Path) -> dict[str, InstanceFamily]:
    if file.stat().st_size > FILE_LIMIT_BYTES:
        raise InvalidArgument(f"{file} is larger than {FILE_LIMIT_BYTES} bytes.")
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{file} is not valid YAML: {error}") from error
    document = load_yaml(text, str(file))
    if not isinstance(document, dict):
        raise InvalidArgument(f"{file} must map family names to their resources.")
    return {str(name).upper(): _family(file, str(name), entry) for name, entry in document.items()}


def _family(file: Path, name: str, entry: object) -> InstanceFamily:
    if not is_unquoted(name):
        raise InvalidArgument(f"{file}: '{name}' must be a plain name with a map of resources.")
    family = typed(entry, _Family, f"{file}: family {name}")
    return InstanceFamily(
        name.upper(),
        family.vcpu,
        family.memory_gib,
        family.gpus,
        family.gpu,
        family.gpu_memory_gib,
        family.description,
    )
