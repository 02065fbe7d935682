"""The operator's families.yaml: what is there is read, and an error names the family and entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.compute.families import FILE_LIMIT_BYTES, Families
from nunatak.errors import InvalidArgument, LimitExceeded


def test_families_are_changed_and_added(tmp_path: Path) -> None:
    file = tmp_path / "families.yaml"
    file.write_text(
        "cpu_x64_s: {vcpu: 4, memory_gib: 16}\n"
        "GPU_OURS: {vcpu: 0.5, memory_gib: 128, gpus: 2, gpu: Big, gpu_memory_gib: 80}\n"
    )
    families = Families.load(file)
    assert (families.get("CPU_X64_S").vcpu, families.get("CPU_X64_S").memory_gib) == (4, 16)
    ours = families.get("gpu_ours")
    assert (ours.vcpu, ours.gpus, ours.gpu, ours.gpu_memory_gib) == (0.5, 2, "Big", 80)
    assert families.get("CPU_X64_XS").vcpu == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must map family names"),
        ("a: [", "is not valid YAML"),
        ("'a b': {vcpu: 1, memory_gib: 1}", "'a b' must be a plain name"),
        ("A: 3", r"family A must be a map, not a whole number\."),
        ("A: {vcpu: 1}", r"family A: 'memory_gib' is missing\."),
        ("A: {vcpu: many, memory_gib: 1}", r"family A: 'vcpu' must be a number, not a text\."),
        ("A: {vcpu: 0, memory_gib: 1}", r"family A: 'vcpu' must be a number > 0"),
        ("A: {vcpu: 1, memory_gib: 1, gpus: -1}", r"family A: 'gpus' must be a whole number >= 0"),
        ("A: {vcpu: 1, memory_gib: 1, disk: 1}", r"family A: 'disk' is not known here\."),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "families.yaml"
    file.write_text(text)
    with pytest.raises(InvalidArgument, match=message):
        Families.load(file)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"#" * (FILE_LIMIT_BYTES + 1), b"a: " + b"[" * 1000]
)
def test_a_file_beyond_the_bounds_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "families.yaml"
    file.write_bytes(content)
    with pytest.raises((InvalidArgument, LimitExceeded)):
        Families.load(file)
