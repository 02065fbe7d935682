"""Version folders written by hand, and stand-ins for the rooms that models ask."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from nunatak.catalog.engine import Database
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key, Transaction
from nunatak.models.contents.files import SourceFile
from nunatak.models.ports import Runnable
from nunatak.models.registry import Models

PREDICT: dict[str, Any] = {
    "name": "PREDICT",
    "handler": "functions.predict.infer",
    "type": "FUNCTION",
    "runtime": "python_runtime",
    "inputs": [{"name": "SL", "type": "DOUBLE"}, {"name": "SW", "type": "DOUBLE"}],
    "outputs": [{"type": "OBJECT"}],
}
EXPLAIN: dict[str, Any] = {
    "name": "EXPLAIN",
    "handler": "functions.explain.infer",
    "type": "TABLE_FUNCTION",
    "runtime": "python_runtime",
    "inputs": [{"name": "SL", "type": "DOUBLE"}],
    "outputs": [{"name": "TOTAL", "type": "DOUBLE"}, {"name": "note", "type": "STRING"}],
}
PARAMS = [
    {"name": "TEMPERATURE", "type": "DOUBLE", "default": "0.5"},
    {"name": "STYLE", "type": "STRING", "default": "'a\\'b'"},
]


def feature(name: str, kind: str = "DOUBLE", **more: Any) -> dict[str, Any]:
    """One entry of a signature."""
    return {"name": name, "type": kind, "nullable": True, **more}


def manifest(methods: Sequence[Mapping[str, Any]] = (PREDICT,), **more: Any) -> dict[str, Any]:
    """A manifest as the client writes it."""
    return {
        "manifest_version": "1.0",
        "methods": [dict(method) for method in methods],
        "runtimes": {
            "python_runtime": {
                "language": "PYTHON",
                "version": "3.11",
                "imports": ["model/"],
                "dependencies": {"pip": "runtimes/python_runtime/env/requirements.txt"},
            }
        },
        **more,
    }


def description(**more: Any) -> dict[str, Any]:
    """A model.yaml as the client writes it."""
    return {
        "version": "2023-12-01",
        "min_snowpark_ml_version": "1.0.12",
        "name": "M",
        "model_type": "sklearn",
        "task": "TABULAR_REGRESSION",
        "creation_timestamp": "2026-11-22 12:30:49.935115",
        "env": {
            "pip": "env/requirements.txt",
            "python_version": "3.11",
            "cuda_version": "12.4",
            "snowpark_ml_version": "2.6.0+abc",
        },
        "models": {},
        "signatures": {
            "predict": {
                "inputs": [feature("sl"), feature("sw")],
                "outputs": [feature("output_feature_0", "INT64", nullable=False)],
                "params": [],
                "sample_input_file_path": "sample_input_data.json",
            }
        },
        "function_properties": {},
        **more,
    }


def write_version(
    folder: Path,
    *,
    manifest_document: Mapping[str, Any] | None = None,
    model_document: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write a version's files; `files` adds some or replaces them."""
    declared = manifest_document or manifest()
    texts = {
        "MANIFEST.yml": yaml.safe_dump(dict(declared)),
        "model/model.yaml": yaml.safe_dump(dict(model_document or description())),
        "model/sample_input_data.json": '{"columns": ["sl", "sw"], "data": [[1.0, 2.0]]}',
        "model/models/M/model.pkl": "weights",
        "runtimes/python_runtime/env/requirements.txt": "scikit-learn==1.9.0\n",
    }
    for method in declared["methods"]:
        module = method["handler"].split(".")[-2]
        texts[f"functions/{module}.py"] = "MAX_BATCH_SIZE = 128\n"
    for path, text in {**texts, **(files or {})}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return folder


def sources(folder: Path) -> list[SourceFile]:
    """Everything below a folder, as a stage lists it."""
    return [
        SourceFile(file.relative_to(folder).as_posix(), file)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    ]


class Usage:
    """Says which services use a version: what the test put into `used`, by version id."""

    def __init__(self) -> None:
        self.used: dict[str, list[str]] = {}

    def services_of(
        self, transaction: Transaction, version_ids: Collection[str]
    ) -> list[tuple[str, str]]:
        """As the protocol says."""
        return [
            (version_id, service)
            for version_id in version_ids
            for service in self.used.get(version_id, [])
        ]


def where_wanted(folder: Path, target_platforms: Sequence[str] | None) -> Runnable:
    """Runs wherever the manifest says."""
    both = ("WAREHOUSE", "SNOWPARK_CONTAINER_SERVICES")
    wanted = both if target_platforms is None else tuple(target_platforms)
    return Runnable(wanted, tuple(f"{name}: not wanted" for name in both if name not in wanted))


def name(text: str) -> QualifiedName:
    """A name in DB.S unless it is qualified."""
    return QualifiedName.parse(text, database="DB", schema="S")


@contextmanager
def memory_home() -> Iterator[Path]:
    """A folder that is gone afterwards, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as home:
        yield Path(home)


def open_models(home: Path, usage: Usage | None = None) -> Models:
    """A registry on a new or existing home, with the schemas DB.S and DB.OTHER."""
    catalog = Catalog(Database.open(home / "catalog.sqlite"))
    with catalog.write() as transaction:
        keys = [Key("DATABASE", "DB"), *(Key("SCHEMA", schema, "DB") for schema in ("S", "OTHER"))]
        for key in keys:
            if transaction.find(key) is None:
                transaction.create(key, "OWNER")
    return Models(catalog, home / "models", usage=usage or Usage(), where_runnable=where_wanted)
