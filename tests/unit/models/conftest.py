"""A registry with its own home, and version folders to make models from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.models.contents.files import SourceFile
from nunatak.models.registry import Models
from support.model_versions import Usage, memory_home, open_models, sources, write_version


@pytest.fixture
def usage() -> Usage:
    return Usage()


@pytest.fixture
def home() -> Iterator[Path]:
    with memory_home() as folder:
        yield folder


@pytest.fixture
def models(home: Path, usage: Usage) -> Iterator[Models]:
    opened = open_models(home, usage)
    yield opened
    opened.catalog.close()


@pytest.fixture
def files(tmp_path: Path) -> list[SourceFile]:
    """The files of a small version, as they lie in a stage."""
    return sources(write_version(tmp_path / "stage"))
