"""Images under their digests, and what the digests are of."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

import nunatak
from nunatak.images.building.environment import Environment, Environments, size_of
from nunatak.images.building.indexes import Indexes
from nunatak.images.building.interpreters import Interpreter
from nunatak.images.building.lock import Lock, Locks, declaration_digest
from nunatak.images.image import ImageBuilder
from nunatak.images.requirements.declared import Declared, TargetPlatform
from nunatak.images.store import (
    SERVER_PACKAGES,
    ImageNeeds,
    ImageStore,
    Parts,
    inference_version,
    tree_digest,
)

LOCK = Lock(
    text="beta==2.0 \\\n    --hash=sha256:00\nalpha==1.0+cpu \\\n    --hash=sha256:01\n",
    python="3.11.7",
    platform="linux-x86_64",
    builds=False,
)
PYTHON = Interpreter(Path("/usr/bin/python3.11"), Path("/usr"), "3.11.7")


def parts(root: Path) -> Parts:
    return Parts(
        lock=LOCK,
        environment=Environment(LOCK.digest, root / LOCK.digest, 10),
        model_digest="m" * 64,
        target=TargetPlatform.CPU,
        inference_version="1",
    )


def test_a_lock_lists_its_packages_and_is_known_by_all_of_it() -> None:
    assert LOCK.packages == ("beta==2.0", "alpha==1.0+cpu")
    others = [
        replace(LOCK, text="beta==2.1\n"),
        replace(LOCK, python="3.11.8"),
        replace(LOCK, platform="linux-aarch64"),
        replace(LOCK, builds=True),
    ]
    assert len({item.digest for item in (LOCK, *others)}) == 5
    assert replace(LOCK).digest == LOCK.digest


def test_locks_are_kept_and_trimmed(tmp_path: Path) -> None:
    locks = Locks(tmp_path / "locks")
    assert locks.find("a") is None
    for key in ("a", "b", "c"):
        locks.keep(key, LOCK)
    assert locks.find("a") == LOCK
    (tmp_path / "locks" / "a.json").write_text("{half")
    assert locks.find("a") is None
    (tmp_path / "locks" / "a.json").write_text('{"text": "of another release"}')
    assert locks.find("a") is None
    locks.trim(keep=1)
    assert len(list((tmp_path / "locks").iterdir())) == 1


def test_a_declaration_is_known_by_what_it_asks_for() -> None:
    asked = Declared(target=TargetPlatform.CPU, python="3.11", pip=("b", "a"))
    key = declaration_digest(asked, PYTHON, Indexes())
    same = replace(asked, pip=("a", "b"), target=TargetPlatform.WAREHOUSE, imports=("model/",))
    assert declaration_digest(same, PYTHON, Indexes()) == key
    assert declaration_digest(replace(asked, pip=("a",)), PYTHON, Indexes()) != key
    assert declaration_digest(asked, replace(PYTHON, version="3.11.8"), Indexes()) != key
    assert declaration_digest(asked, PYTHON, Indexes(find_links=("/wheels",))) != key
    secret, other = (Indexes(default=f"https://u:{item}@a.example/s") for item in ("x", "y"))
    assert declaration_digest(asked, PYTHON, secret) == declaration_digest(asked, PYTHON, other)


def test_equal_parts_are_one_image(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    assert store.find(parts(tmp_path)) is None
    image = store.put(parts(tmp_path))
    assert store.put(parts(tmp_path)) == image
    assert store.find(parts(tmp_path)) == image
    assert image.environment == tmp_path / LOCK.digest
    assert image.python == tmp_path / LOCK.digest / "bin" / "python"
    assert list(store.environments()) == [(image.digest, LOCK.digest)]
    assert [path.name for path in store.folder.iterdir()] == [image.digest]
    store.remove(image.digest)
    assert store.find(parts(tmp_path)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"model_digest": "n" * 64},
        {"inference_version": "2"},
        {"target": TargetPlatform.GPU},
        {"lock": replace(LOCK, text="beta==3.0\n")},
    ],
)
def test_any_other_part_is_another_image(tmp_path: Path, change: dict[str, object]) -> None:
    store = ImageStore(tmp_path / "images")
    image = store.put(parts(tmp_path))
    other = Parts(**{**{name: getattr(parts(tmp_path), name) for name in _FIELDS}, **change})
    assert store.find(other) is None
    assert store.put(other).digest != image.digest


_FIELDS = ("lock", "environment", "model_digest", "target", "inference_version")


def test_a_manifest_follows_the_pattern(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    image = store.put(parts(tmp_path))
    folder = store.folder / image.digest
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["schemaVersion"] == 2
    assert [set(item) for item in manifest["layers"]] == [{"mediaType", "digest", "size"}] * 3
    config = json.loads((folder / "config.json").read_text())
    assert config["packages"] == ["beta==2.0", "alpha==1.0+cpu"]
    assert manifest["config"]["size"] == len((folder / "config.json").read_bytes())


def test_a_damaged_manifest_is_reported_without_environment(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    image = store.put(parts(tmp_path))
    (store.folder / image.digest / "manifest.json").write_text("{")
    assert list(store.environments()) == [(image.digest, "")]


def test_a_tree_is_known_by_names_contents_and_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_text("1")
    first = tree_digest(tmp_path)
    (tmp_path / "a" / "one").write_text("2")
    second = tree_digest(tmp_path)
    (tmp_path / "a" / "one").rename(tmp_path / "a" / "two")
    third = tree_digest(tmp_path)
    (tmp_path / "link").symlink_to("a")
    assert len({first, second, third, tree_digest(tmp_path)}) == 4


def test_the_inference_server_has_a_version() -> None:
    assert inference_version() == inference_version()
    assert "+" in inference_version()


@pytest.mark.parametrize("package", SERVER_PACKAGES)
def test_that_version_follows_every_package_that_the_inference_server_uses(package: str) -> None:
    home = Path(nunatak.__file__).parent
    nodes = [
        node
        for file in (home / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
    ]
    names = [it.module.split(".") for it in nodes if isinstance(it, ast.ImportFrom) and it.module]
    used = {name[1] for name in names if name[0] == "nunatak" and len(name) > 1}
    packages = {name for name in used if (home / name).is_dir()}

    assert packages <= set(SERVER_PACKAGES)
    assert package == "worker" or used


def test_environments_are_found_only_when_complete(tmp_path: Path) -> None:
    environments = Environments(tmp_path)
    assert environments.find("abc") is None
    python = tmp_path / "abc" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/env")
    assert environments.find("abc") is None
    (tmp_path / "abc" / "environment.json").write_text('{"size_bytes": 7}')
    assert environments.all() == (Environment("abc", tmp_path / "abc", 7),)
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    assert environments.find("abc") is None
    environments.remove("abc")
    environments.remove("abc")
    assert list(tmp_path.iterdir()) == []


def test_sizes_do_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 1000)
    (tmp_path / "up").symlink_to(tmp_path)
    assert 1000 <= size_of(tmp_path) < 2000


def test_an_image_says_what_it_needs(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    image = store.put(parts(tmp_path))
    assert store.needs(image.digest) == ImageNeeds(LOCK.digest, "1")
    assert store.needs("0" * 64) is None
    (store.folder / image.digest / "config.json").write_text("{half")
    assert store.needs(image.digest) is None


def test_why_nothing_can_be_started_from_an_image(tmp_path: Path) -> None:
    builder = ImageBuilder(tmp_path, indexes=Indexes(), server_version="2")
    store = ImageStore(tmp_path / "images")
    old = store.put(parts(tmp_path))
    new = store.put(replace(parts(tmp_path), inference_version="2"))
    assert "is missing" in builder.problem("0" * 64)
    assert "made for inference server 1; this is 2" in builder.problem(old.digest)
    assert "environment of image" in builder.problem(new.digest)
    environment = tmp_path / "environments" / LOCK.digest
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").touch(mode=0o700)
    (environment / "environment.json").write_text('{"size_bytes": 10}')
    assert builder.problem(new.digest) == ""
