"""Declared dependencies, read from the files of a version as the clients write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nunatak.images.errors import DeclarationInvalid, GpuUnsupported
from nunatak.images.requirements.conda_specs import CondaDependency
from nunatak.images.requirements.declared import TargetPlatform, read_declared, read_requirements

REPOSITORY = "SNOWFLAKE.SNOWPARK.PYPI_SHARED_REPOSITORY"


def write(root: Path, name: str, content: object) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")


def version(root: Path, *, dependencies: dict[str, Any], **runtime: Any) -> Path:
    """A version whose manifest has one runtime."""
    entry = {"language": "PYTHON", "version": "3.11", "imports": ["model/"], **runtime}
    entry["dependencies"] = dependencies
    document = {
        "manifest_version": "1.0",
        "methods": [{"name": "PREDICT", "handler": "functions.predict.infer"}],
        "runtimes": {"python_runtime": entry},
    }
    write(root, "MANIFEST.yml", document)
    return root


def conda_file(*dependencies: object, channels: tuple[str, ...] = ()) -> dict[str, Any]:
    vendor = "https://repo.example.com/pkgs/snowflake"
    return {"channels": [vendor, *channels, "nodefaults"], "dependencies": list(dependencies)}


def test_conda_form_for_the_warehouse(tmp_path: Path) -> None:
    root = version(
        tmp_path,
        dependencies={"conda": "runtimes/r/env/conda.yml", "pip": "runtimes/r/env/r.txt"},
        imports=["model/", "runtimes/r/snowflake-ml-python.zip"],
        resource_constraint={"architecture": "x86"},
    )
    content = conda_file("python==3.11.*", "scikit-learn<1.10,>=1.9", {"pip": ["left-pad==1"]})
    write(root, "runtimes/r/env/conda.yml", content)
    write(root, "runtimes/r/env/r.txt", "Right_Pad>=2\n")

    found = read_declared(root, TargetPlatform.WAREHOUSE)

    assert found.python == "3.11"
    assert found.conda == (CondaDependency("scikit-learn", "<1.10,>=1.9"),)
    assert found.pip == ("left-pad==1", "Right_Pad>=2")
    assert found.channels == ()
    assert found.imports == (
        "model",
        "runtimes/r/snowflake-ml-python.zip",
    )
    assert found.architecture == "x86"
    assert found.requirements()[0] == ("scikit-learn<1.10,>=1.9",)


def test_the_warehouse_has_pyarrow_whatever_is_declared(tmp_path: Path) -> None:
    root = version(tmp_path, dependencies={"pip": "r.txt"})
    write(root, "r.txt", "pyarrow<20\n")
    found = read_declared(root, TargetPlatform.WAREHOUSE).in_the_warehouse()
    assert found.requirements()[1] == ("pyarrow", "pyarrow<20")


def test_pip_form_with_its_repository(tmp_path: Path) -> None:
    root = version(
        tmp_path,
        dependencies={"pip": "r.txt", "artifact_repository_map": {"pip": REPOSITORY}},
    )
    write(root, "r.txt", "xgboost==3.2.0\n# a remark\n\nnumpy>=1.23 ; python_version > '3'\n")

    found = read_declared(root, TargetPlatform.WAREHOUSE)

    assert found.artifact_repository == REPOSITORY
    assert found.pip == ("xgboost==3.2.0", 'numpy>=1.23; python_version > "3"')


def services(root: Path, runtimes: dict[str, Any], **env: Any) -> Path:
    version(root, dependencies={"pip": "warehouse.txt"})
    write(root, "warehouse.txt", "from-manifest")
    write(root, "model/env/r.txt", "from-model-env==1")
    write(root, "model/runtimes/cpu/env/r.txt", "from-cpu==1")
    write(root, "model/runtimes/gpu/env/r.txt", "from-gpu==1")
    document = {"name": "M", "env": {"pip": "env/r.txt", "python_version": "3.12", **env}}
    write(root, "model/model.yaml", {**document, "runtimes": runtimes})
    return root


def runtime(name: str) -> dict[str, Any]:
    return {"imports": [], "dependencies": {"pip": f"runtimes/{name}/env/r.txt"}}


def test_services_prefer_the_runtime_of_their_target(tmp_path: Path) -> None:
    root = services(tmp_path, {"cpu": runtime("cpu"), "gpu": runtime("gpu")}, cuda_version="12.4")

    assert read_declared(root, TargetPlatform.CPU).pip == ("from-cpu==1",)
    assert read_declared(root, TargetPlatform.CPU).python == "3.12"
    gpu = read_declared(root, TargetPlatform.GPU)
    assert (gpu.pip, gpu.cuda) == (("from-gpu==1",), "12.4")
    assert read_declared(root, TargetPlatform.WAREHOUSE).pip == ("from-manifest",)


def test_services_fall_back_to_the_model_then_to_the_manifest(tmp_path: Path) -> None:
    root = services(tmp_path, {})
    assert read_declared(root, TargetPlatform.CPU).pip == ("from-model-env==1",)
    (root / "model" / "model.yaml").unlink()
    assert read_declared(root, TargetPlatform.CPU).pip == ("from-manifest",)


def test_gpu_on_a_cpu_model_is_refused(tmp_path: Path) -> None:
    root = services(tmp_path, {"cpu": runtime("cpu")})
    with pytest.raises(GpuUnsupported, match="'M' declares a CPU runtime only"):
        read_declared(root, TargetPlatform.GPU)


def test_an_index_of_the_version_counts_for_gpu_only(tmp_path: Path) -> None:
    address = "https://wheels.example.com/cu124"
    root = services(
        tmp_path, {"gpu": runtime("gpu")}, cuda_version="12.4", pip_extra_index_urls=[address]
    )
    assert read_declared(root, TargetPlatform.GPU).extra_indexes == (address,)
    assert read_declared(root, TargetPlatform.CPU).extra_indexes == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e .", "option '-e'"),
        ("--index-url https://x.example", "option '--index-url'"),
        ("--extra-index-url=https://x.example", "option '--extra-index-url'"),
        ("-r other.txt", "option '-r'"),
        ("pkg @ https://x.example/p.whl", "'pkg' names an address"),
        ("pkg @ file:///etc/passwd", "'pkg' names an address"),
        ("https://x.example/p.whl", "not a package requirement"),
        ("./local", "not a package requirement"),
        ("/etc/passwd", "not a package requirement"),
        ("git+https://x.example/p.git", "not a package requirement"),
        ("python==3.11", "'python' is no package"),
        ("cuda", "'cuda' is no package"),
        ("numpy \\\n --hash=sha256:00", "not a package requirement"),
        ("numpy; " + "(" * 1_500, "not a package requirement"),
        ("numpy; " + "(" * 5_000, "at most 2000 characters"),
    ],
)
def test_only_packages_of_an_index_are_taken(line: str, message: str) -> None:
    with pytest.raises(DeclarationInvalid, match=message):
        read_requirements(line)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("- a list", "must be a map, not a list"),
        ("a: [", "not valid YAML"),
        ("methods: []", "no runtime 'python_runtime'"),
        ("runtimes: {python_runtime: 3}", r"runtimes\.python_runtime must be a map"),
        ("runtimes: {python_runtime: null}", "names no Python version"),
        ("runtimes: {python_runtime: {version: new}}", "not of the form"),
        ("runtimes: {python_runtime: {version: '3.7'}}", "Python 3.7 is not supported"),
        (
            "runtimes: {python_runtime: {version: '3.11', dependencies: {pip: ../r.txt}}}",
            "leads out of the model version",
        ),
        (
            "runtimes: {python_runtime: {version: '3.11', dependencies: {pip: /etc/hosts}}}",
            "leads out of the model version",
        ),
        (
            "runtimes: {python_runtime: {version: '3.11', dependencies: {pip: r.txt}}}",
            "has no file r.txt",
        ),
    ],
)
def test_broken_manifests_are_explained(tmp_path: Path, manifest: str, message: str) -> None:
    write(tmp_path, "MANIFEST.yml", manifest)
    with pytest.raises(DeclarationInvalid, match=message):
        read_declared(tmp_path, TargetPlatform.WAREHOUSE)


def test_a_link_out_of_the_version_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "v"
    version(root, dependencies={"pip": "r.txt"})
    secret = tmp_path / "secret.txt"
    secret.write_text("numpy")
    (root / "r.txt").symlink_to(secret)
    with pytest.raises(DeclarationInvalid, match="leads out"):
        read_declared(root, TargetPlatform.WAREHOUSE)


def test_disagreeing_python_versions_are_refused(tmp_path: Path) -> None:
    root = version(tmp_path, dependencies={"conda": "conda.yml"})
    write(root, "conda.yml", conda_file("python=3.10"))
    with pytest.raises(DeclarationInvalid, match=r"says Python 3\.11"):
        read_declared(root, TargetPlatform.WAREHOUSE)


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    root = version(tmp_path, dependencies={"pip": "r.txt"})
    write(root, "r.txt", "#" * 2_000_000)
    with pytest.raises(DeclarationInvalid, match="larger than"):
        read_declared(root, TargetPlatform.WAREHOUSE)


@pytest.mark.parametrize("given", [3, "text", {"a": 1}, [3], True])
@pytest.mark.parametrize("entry", ["imports", "pip_extra_index_urls", "channels"])
def test_what_is_no_list_of_texts_is_refused(tmp_path: Path, given: object, entry: str) -> None:
    if entry == "channels":
        root = version(tmp_path, dependencies={"conda": "conda.yml"})
        write(root, "conda.yml", {"channels": given, "dependencies": []})
    elif entry == "imports":
        root = services(tmp_path, {"gpu": {**runtime("gpu"), "imports": given}}, cuda_version="12")
    else:
        indexes: dict[str, Any] = {"pip_extra_index_urls": given}
        root = services(tmp_path, {"gpu": runtime("gpu")}, cuda_version="12.4", **indexes)
    target = TargetPlatform.WAREHOUSE if entry == "channels" else TargetPlatform.GPU
    inner = isinstance(given, list)
    wanted = rf"'{entry}\[0\]' must be a text" if inner else f"'{entry}' must be a list"
    if entry == "pip_extra_index_urls":
        wanted = wanted.replace("'pip", r"'env\.pip")
    with pytest.raises(DeclarationInvalid, match=wanted):
        read_declared(root, target)
