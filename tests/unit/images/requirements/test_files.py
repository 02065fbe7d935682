"""Files of a version say what it needs: what is malformed is refused by its path, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nunatak.images.errors import DeclarationInvalid, GpuUnsupported
from nunatak.images.requirements.declared import TargetPlatform, read_declared
from nunatak.images.requirements.files import (
    LIST_LIMIT,
    TEXT_LIMIT_CHARS,
    CondaFile,
    ManifestFile,
    ModelFile,
    path_inside,
    read_document,
    read_text,
    runtime_of,
)

STRUCTURES: dict[str, type[Any]] = {
    "MANIFEST.yml": ManifestFile,
    "model/model.yaml": ModelFile,
    "conda.yml": CondaFile,
}


def read(root: Path, relative: str, content: object) -> Any:
    (root / "model").mkdir(exist_ok=True)
    (root / relative).write_text(yaml.safe_dump(content), "utf-8")
    return read_document(root, relative, STRUCTURES[relative])


@pytest.mark.parametrize(
    ("relative", "content", "message"),
    [
        ("MANIFEST.yml", {"runtimes": []}, "'runtimes' must be a map, not a list"),
        ("MANIFEST.yml", {"methods": {}}, "'methods' must be a list, not a map"),
        ("MANIFEST.yml", {"methods": [{}, 3]}, r"'methods\[1\]' must be a map"),
        ("MANIFEST.yml", {"methods": [{"runtime": []}]}, r"'methods\[0\]\.runtime' must be a"),
        ("model/model.yaml", {"env": []}, "'env' must be a map, not a list"),
        ("model/model.yaml", {"env": {"conda": {}}}, r"'env\.conda' must be .* a text"),
        ("model/model.yaml", {"env": {"cuda_version": []}}, r"'env\.cuda_version' must be"),
        (
            "model/model.yaml",
            {"env": {"artifact_repository_map": {"pip": []}}},
            r"'env\.artifact_repository_map\.pip' must be .* a text",
        ),
        ("conda.yml", {"dependencies": "numpy"}, "'dependencies' must be a list, not a text"),
        ("conda.yml", {"dependencies": ["a", 1]}, r"'dependencies\[1\]' must be a text or a map"),
        ("conda.yml", {"dependencies": [{"pip": 1}]}, r"'dependencies\[0\]\.pip' must be a list"),
        ("conda.yml", {"dependencies": [{"pip": [1]}]}, r"'dependencies\[0\]\.pip\[0\]' must be"),
        ("conda.yml", {"dependencies": [{"npm": []}]}, r"'dependencies\[0\]\.npm' is not known"),
        ("conda.yml", {"dependencies": [{}]}, r"'dependencies\[0\]\.pip' is missing"),
        ("conda.yml", {"channels": ["c" * (TEXT_LIMIT_CHARS + 1)]}, r"'channels\[0\]' must be"),
        ("conda.yml", {"channels": ["c"] * (LIST_LIMIT + 1)}, "'channels' must be a list of len"),
    ],
)
def test_what_is_malformed_is_refused_by_its_path(
    tmp_path: Path, relative: str, content: object, message: str
) -> None:
    with pytest.raises(DeclarationInvalid, match=f"^File {relative}: {message}"):
        read(tmp_path, relative, content)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dependencies": []}, "'dependencies' must be a map"),
        ({"dependencies": {"pip": ["r.txt"]}}, r"'dependencies\.pip' must be .* a text"),
        ({"imports": "model/"}, "'imports' must be a list"),
        ({"resource_constraint": 3}, "'resource_constraint' must be a map"),
        (
            {"resource_constraint": {"architecture": []}},
            r"'resource_constraint\.architecture' must",
        ),
        ({"version": {}}, "'version' must be .* a text"),
    ],
)
def test_a_malformed_runtime_is_refused_by_its_path(entry: object, message: str) -> None:
    with pytest.raises(DeclarationInvalid, match=rf"^File F: runtimes\.cpu: {message}"):
        runtime_of({"cpu": entry}, "cpu", "F")


@pytest.mark.parametrize("relative", STRUCTURES)
def test_null_counts_as_absent_and_unknown_keys_are_ignored(tmp_path: Path, relative: str) -> None:
    structure = STRUCTURES[relative]
    nothing = dict.fromkeys(structure.__struct_fields__)
    assert read(tmp_path, relative, {**nothing, "from_a_newer_client": [1]}) == structure()


@pytest.mark.parametrize("path", ["../r.txt", "/etc/hosts", "a/../../r.txt", "r.txt\0", "\0"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(DeclarationInvalid, match="leads out of the model version"):
        path_inside(tmp_path, Path(), path)


@pytest.mark.parametrize("kind", ["a folder", "other bytes"])
def test_what_is_no_text_is_refused_without_its_place_on_the_server(
    tmp_path: Path, kind: str
) -> None:
    if kind == "a folder":
        (tmp_path / "r.txt").mkdir()
    else:
        (tmp_path / "r.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DeclarationInvalid, match=r"r\.txt cannot be read") as refused:
        read_text(tmp_path, "r.txt")
    assert str(tmp_path) not in str(refused.value)


KEYS = ["conda", "pip", "dependencies", "imports", "version", "cuda_version", "architecture"]
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "3.11", "x", "a/b"])
PARTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=6,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(target=st.sampled_from(TargetPlatform), runtime=PARTS, env=PARTS, cpu=PARTS, conda=PARTS)
def test_whatever_the_files_hold_is_read_or_refused(
    tmp_path: Path, target: TargetPlatform, runtime: object, env: object, cpu: object, conda: object
) -> None:
    (tmp_path / "model").mkdir(exist_ok=True)
    for relative, content in (
        ("MANIFEST.yml", {"runtimes": {"python_runtime": runtime}}),
        ("model/model.yaml", {"env": env, "runtimes": {"cpu": cpu}}),
        ("x", {"dependencies": conda}),
    ):
        (tmp_path / relative).write_text(yaml.safe_dump(content), "utf-8")
    try:
        found = read_declared(tmp_path, target)
    except (DeclarationInvalid, GpuUnsupported):
        return
    assert found.python == "3.11"
