"""Environments and images, built by the real uv from an index on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nunatak.egress.policy import EgressPolicy
from nunatak.errors import BuildFailed
from nunatak.images.building.buildlog import BuildLog, read_log
from nunatak.images.building.environment import Environment
from nunatak.images.building.indexes import Indexes
from nunatak.images.building.isolation import isolation
from nunatak.images.building.uv import Uv, find_uv
from nunatak.images.errors import (
    BuildCancelled,
    BuildTimedOut,
    HostRefused,
    HostUnreachable,
    PackageNotFound,
    QuotaExceeded,
    RequirementsConflict,
    SourceBuildFailed,
)
from nunatak.images.image import BuildRequest, ImageBuilder, ImageLimits
from nunatak.images.requirements.declared import Declared, TargetPlatform
from support.environments import make_environment
from support.packages import index, source_distribution, wheel

pytestmark = pytest.mark.process

PYTHON = ".".join(map(str, sys.version_info[:2]))


@dataclass
class Bench:
    """A home, an index on this machine, and a log per build."""

    root: Path
    address: str
    builds: int = 0

    def builder(
        self,
        *,
        limits: ImageLimits | None = None,
        find_links: Path | None = None,
        server_version: str = "1",
        in_use: tuple[str, ...] | None = None,
    ) -> ImageBuilder:
        links = (str(find_links),) if find_links else ()
        return ImageBuilder(
            self.root / "home",
            indexes=Indexes(default=self.address, find_links=links),
            limits=replace(limits or ImageLimits(), allow_unconfined=True),
            uv=Uv(find_uv(), self.root / "cache"),
            server_version=server_version,
            in_use=None if in_use is None else lambda: in_use,
        )

    def log(self) -> BuildLog:
        self.builds += 1
        return BuildLog(self.root / f"build-{self.builds}.log")

    def environment(
        self,
        *pip: str,
        builder: ImageBuilder | None = None,
        egress: EgressPolicy | None = None,
        force: bool = False,
        cancel: threading.Event | None = None,
    ) -> Environment:
        """The environment of an image, without the image."""
        made = builder or self.builder()
        with self.log() as log:
            return make_environment(
                made, declared(*pip), log, cancel=cancel, egress=egress, force=force
            )

    def request(self, pip: str) -> BuildRequest:
        """A version that declares just what `environment` is given."""
        return BuildRequest(version_root=version_folder(self.root / "versions" / pip, pip))

    def text(self) -> str:
        return read_log(self.root / f"build-{self.builds}.log")[0]


def declared(*pip: str) -> Declared:
    return Declared(target=TargetPlatform.CPU, python=PYTHON, pip=pip)


def run(environment: Environment, code: str) -> str:
    done = subprocess.run(
        [str(environment.python), "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    shop = tmp_path / "shop"
    wheel(shop, "alpha", "1.0", requires=["beta>=1"])
    wheel(shop, "alpha", "2.0", requires=["beta>=2"])
    wheel(shop, "beta", "1.0")
    wheel(shop, "beta", "2.0")
    source_distribution(shop, "sourced", "1.0", hook="")
    source_distribution(shop, "broken", "1.0", hook="raise RuntimeError('no compiler here')")
    source_distribution(shop, "endless", "1.0", hook="import time\ntime.sleep(600)")
    with index(shop) as address:
        yield Bench(tmp_path, address)


def test_a_lock_becomes_an_environment_with_exactly_its_packages(bench: Bench) -> None:
    found = bench.environment("alpha<2")
    code = "import alpha, beta, sys; print(alpha.VERSION, beta.VERSION, sys.prefix)"
    assert run(found, code) == f"1.0 2.0 {found.path}"
    assert found.path == bench.root / "home" / "environments" / found.digest
    assert found.size_bytes > 0
    lock = (found.path / "lock.txt").read_text()
    assert "alpha==1.0" in lock
    assert lock.count("--hash=sha256:") == 2
    assert run(found, "import importlib.util as u; print(u.find_spec('nunatak'))") == "None"
    assert list((found.path.parent).glob(".building-*")) == []
    assert "locked 2 packages" in bench.text()


@pytest.fixture
def arrows(bench: Bench) -> Bench:
    shop = bench.root / "wheels"
    for version in ("25.0.1", "26.0.1"):
        wheel(shop, "pyarrow", version)
    for version in ("1.26.4", "2.1.0"):
        wheel(shop, "numpy", version)
    return bench


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (("numpy==1.26.4", "pyarrow"), "1.26.4 25.0.1"),
        (("numpy<2", "pyarrow>=20"), "1.26.4 25.0.1"),
        (("numpy", "pyarrow"), "2.1.0 26.0.1"),
    ],
)
def test_an_index_need_not_know_that_pyarrow_wants_numpy_2(
    arrows: Bench, asked: tuple[str, ...], wanted: str
) -> None:
    builder = arrows.builder(find_links=arrows.root / "wheels")
    found = arrows.environment(*asked, builder=builder)
    assert run(found, "import numpy, pyarrow; print(numpy.VERSION, pyarrow.VERSION)") == wanted
    assert ("note: pyarrow<26 beside numpy<2" in arrows.text()) is ("numpy" not in asked)


def test_pins_that_leave_no_choice_are_a_conflict(arrows: Bench) -> None:
    builder = arrows.builder(find_links=arrows.root / "wheels")
    with pytest.raises(RequirementsConflict, match="pyarrow"):
        arrows.environment("numpy==1.26.4", "pyarrow==26.0.1", builder=builder)


def test_modules_are_compiled_and_shared_between_environments(bench: Bench) -> None:
    first = bench.environment("beta==2.0")
    second = bench.environment("alpha==2.0")
    compiled = [next(item.path.rglob("beta.*.pyc")) for item in (first, second)]
    assert compiled[0].samefile(compiled[1])
    assert "1 taken from other environments" in bench.text()
    assert run(second, "import beta; print(beta.__spec__.cached)") == str(compiled[1])


def test_the_same_declaration_gives_the_same_lock_until_forced(bench: Bench) -> None:
    first = bench.environment("beta")
    wheel(bench.root / "shop", "beta", "3.0")
    page = bench.root / "shop" / "simple" / "beta" / "index.html"
    page.write_text(
        page.read_text()
        + '<a href="../../beta-3.0-py3-none-any.whl">beta-3.0-py3-none-any.whl</a>\n'
    )
    assert bench.environment("beta") == first
    forced = bench.environment(
        "beta",
        force=True,
        builder=ImageBuilder(
            bench.root / "home",
            indexes=Indexes(default=bench.address),
            uv=Uv(find_uv(), bench.root / "other-cache"),
            limits=ImageLimits(allow_unconfined=True),
        ),
    )
    assert run(forced, "import beta; print(beta.VERSION)") == "3.0"
    assert first.path.is_dir()


def test_a_found_environment_needs_no_network(bench: Bench) -> None:
    first = bench.environment("beta")
    nothing = EgressPolicy.of([])
    assert bench.environment("beta", egress=nothing) == first
    found = bench.builder().assemble(bench.request("beta"))
    assert found is not None
    assert found.environment == first.path
    assert bench.builder().assemble(bench.request("alpha")) is None


def test_a_local_build_of_the_same_version_wins(bench: Bench) -> None:
    local = bench.root / "wheels"
    wheel(local, "beta", "2.0+cpu")
    found = bench.environment("beta==2.0", builder=bench.builder(find_links=local))
    assert run(found, "import beta; print(beta.VERSION)") == "2.0+cpu"


def test_source_distributions_are_built_when_there_is_no_wheel(bench: Bench) -> None:
    found = bench.environment("sourced", "beta")
    assert run(found, "import sourced; print(sourced.VERSION)") == "1.0"
    assert "resolving with source builds" in bench.text()


@pytest.mark.parametrize(
    ("pip", "error", "message"),
    [
        (("absent==1",), PackageNotFound, "'absent' was not found"),
        (("beta==9",), PackageNotFound, "No version of package 'beta'"),
        (("alpha==2.0", "beta==1.0"), RequirementsConflict, "alpha.* depends on beta>=2"),
        (("broken",), SourceBuildFailed, "'broken==1.0'.*no compiler here"),
    ],
)
def test_failures_name_the_package(
    bench: Bench, pip: tuple[str, ...], error: type[BuildFailed], message: str
) -> None:
    with pytest.raises(error, match=message):
        bench.environment(*pip)
    assert list((bench.root / "home" / "environments").glob(".building-*")) == []
    assert "error:" in bench.text()


def test_a_refused_index_is_named(bench: Bench) -> None:
    with pytest.raises(HostRefused, match=r"127\.0\.0\.1") as caught:
        bench.environment("beta", egress=EgressPolicy.of(["packages.example.com:443"]))
    host = bench.address.split("/")[2]
    assert caught.value.hosts == (host,)
    assert f"egress REFUSED: {host}" in bench.text()


def test_an_index_that_is_down_is_named(tmp_path: Path) -> None:
    with index(tmp_path / "shop") as address:
        pass
    with pytest.raises(HostUnreachable, match=address.split("/")[2]):
        Bench(tmp_path, address).environment("beta")


def test_many_who_ask_get_one_build(bench: Bench) -> None:
    builder = bench.builder()
    logs = [bench.log() for _ in range(6)]

    def ask(log: BuildLog) -> Environment:
        with log:
            return make_environment(builder, declared("alpha"), log)

    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(ask, logs))
    assert len(found) == 1
    texts = [read_log(log.path)[0] for log in logs]
    assert sum("installing 2 packages" in text for text in texts) >= 1
    assert len(list((bench.root / "home" / "environments").glob("*/environment.json"))) == 1


def test_a_cancelled_build_ends_at_once_and_leaves_nothing(bench: Bench) -> None:
    cancel = threading.Event()

    class Watched(BuildLog):
        def line(self, text: str, *, important: bool = False) -> None:
            super().line(text, important=important)
            if "source builds" in text:
                threading.Timer(0.2, cancel.set).start()

    log = Watched(bench.root / "cancelled.log")
    with log, pytest.raises(BuildCancelled):
        make_environment(bench.builder(), declared("endless"), log, cancel=cancel)
    assert list((bench.root / "home" / "environments").glob(".building-*")) == []
    assert not _processes_of(bench.root)


def test_the_time_limit_ends_a_build(bench: Bench) -> None:
    limits = ImageLimits(build_s=2.0)
    with pytest.raises(BuildTimedOut, match="build_s"):
        bench.environment("endless", builder=bench.builder(limits=limits))
    assert not _processes_of(bench.root)


@pytest.mark.parametrize("namespaces", [True, False])
def test_a_killed_server_leaves_no_process_and_the_next_one_cleans_up(
    bench: Bench, *, namespaces: bool
) -> None:
    if namespaces and not isolation().available:
        pytest.skip(isolation().detail)
    code = f"""
from pathlib import Path
from nunatak.images.building import workshop
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.requirements.declared import Declared, TargetPlatform
from nunatak.images.image import ImageBuilder
from nunatak.images.building.indexes import Indexes
from nunatak.confinement.policy import Confinement
from nunatak.images.building.isolation import isolation
from nunatak.images.building.uv import Uv, find_uv
from support.environments import make_environment
if not {namespaces}:
    workshop.isolation = lambda **_: Confinement("none", allow_unconfined=True)
root = Path({str(bench.root)!r})
builder = ImageBuilder(
    root / "home", indexes=Indexes(default={bench.address!r}), uv=Uv(find_uv(), root / "cache")
)
declared = Declared(target=TargetPlatform.CPU, python={PYTHON!r}, pip=("endless",))
make_environment(builder, declared, BuildLog(root / "build.log"))
"""
    root = Path(__file__).parents[3]
    paths = f"{root / 'src'}{os.pathsep}{root / 'tests'}"
    server = subprocess.Popen([sys.executable, "-c", code], env={"PYTHONPATH": paths})
    wait_until(lambda: "source builds" in read_log(bench.root / "build.log")[0])
    wait_until(lambda: any("builds-v0" in item for item in _processes_of(bench.root)))
    server.kill()
    server.wait()
    wait_until(lambda: not _processes_of(bench.root))
    environments = bench.root / "home" / "environments"
    assert len(list(environments.glob(".building-*"))) == 1
    bench.builder()
    assert list(environments.glob(".building-*")) == []


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _processes_of(root: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if str(root) in command:
            found.append(command)
    return found


def version_folder(root: Path, requirement: str) -> Path:
    runtime = {"language": "PYTHON", "version": PYTHON, "dependencies": {"pip": "r.txt"}}
    manifest = {"methods": [{"name": "P"}], "runtimes": {"python_runtime": runtime}}
    root.mkdir(parents=True, exist_ok=True)
    (root / "MANIFEST.yml").write_text(json.dumps(manifest))
    (root / "r.txt").write_text(requirement)
    return root


def test_an_image_is_found_again_until_something_in_it_changes(bench: Bench) -> None:
    request = BuildRequest(version_root=version_folder(bench.root / "m1", "beta==2.0"))
    builder = bench.builder()
    assert builder.find(request) is None
    with bench.log() as log:
        image = builder.build(request, log, threading.Event())
        assert builder.find(request) == image
        assert builder.build(request, log, threading.Event()) == image
        other = BuildRequest(version_root=version_folder(bench.root / "m2", "beta==2.0 # other"))
        second = builder.build(other, log, threading.Event())
        assert (second.environment, second.digest != image.digest) == (image.environment, True)
        newer = bench.builder(server_version="2")
        assert newer.find(request) is None
        third = newer.build(request, log, threading.Event())
    assert (third.environment, third.digest != image.digest) == (image.environment, True)
    manifest = bench.root / "home" / "images" / image.digest / "manifest.json"
    assert json.loads(manifest.read_text())["schemaVersion"] == 2
    assert image.python.is_file()


def test_an_image_is_assembled_only_of_an_environment_that_is_there(arrows: Bench) -> None:
    folder = version_folder(arrows.root / "m1", "beta==2.0")
    for_services = BuildRequest(version_root=folder)
    request = BuildRequest(version_root=folder, target=TargetPlatform.WAREHOUSE)
    builder = arrows.builder(find_links=arrows.root / "wheels")
    with arrows.log() as log:
        builder.build(for_services, log, threading.Event())
        assert builder.assemble(request) is None
        image = builder.build(request, log, threading.Event())
    assert run(Environment("", image.environment, 0), "import beta, pyarrow") == ""
    again = BuildRequest(
        version_root=version_folder(arrows.root / "m2", "beta==2.0"),
        target=TargetPlatform.WAREHOUSE,
        model_digest="another",
    )
    assert builder.find(again) is None

    found = builder.assemble(again)

    assert found is not None
    assert (found.environment, found.digest != image.digest) == (image.environment, True)
    assert builder.find(again) == found


def test_collection_keeps_what_is_used(bench: Bench) -> None:
    builder = bench.builder()
    with bench.log() as log:
        requests = [
            BuildRequest(version_root=version_folder(bench.root / name, pin))
            for name, pin in (("m1", "beta==1.0"), ("m2", "beta==2.0"))
        ]
        images = [builder.build(request, log, threading.Event()) for request in requests]
    warehouse = bench.environment("alpha<2")
    assert builder.collect([], grace_s=3600).environments == 0

    done = builder.collect([images[0].digest, warehouse.digest], grace_s=-1.0)

    assert (done.images, done.environments) == (1, 1)
    assert done.freed_bytes > 0
    assert builder.find(requests[0]) == images[0]
    assert builder.find(requests[1]) is None
    assert not images[1].environment.exists()
    assert warehouse.path.exists()


def test_the_quota_is_stated_and_makes_room_from_what_is_unused(bench: Bench) -> None:
    bench.environment("beta==1.0")
    tight = bench.builder(limits=ImageLimits(quota_bytes=1))
    with pytest.raises(QuotaExceeded, match="raise environments_bytes"):
        bench.environment("beta==2.0", builder=tight)
    assert bench.environment("beta==1.0", builder=tight).path.is_dir()


def test_abandoned_builds_are_removed_at_the_next_start(bench: Bench) -> None:
    folder = bench.root / "home" / "environments" / ".building-dead"
    (folder / "venv").mkdir(parents=True)
    bench.builder()
    assert not folder.exists()


def test_a_broken_environment_is_built_again(bench: Bench) -> None:
    first = bench.environment("beta")
    assert bench.builder().assemble(bench.request("beta")) is not None
    first.python.unlink()
    assert bench.builder().assemble(bench.request("beta")) is None
    assert run(bench.environment("beta"), "import beta; print(beta.VERSION)") == "2.0"
