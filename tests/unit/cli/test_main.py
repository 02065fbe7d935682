"""The command: its version, and what is said where an extra is missing."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from nunatak.cli.main import main
from nunatak.version import UNKNOWN, installed_version


def test_the_version_is_that_of_the_installed_package() -> None:
    answer = CliRunner().invoke(main, ["--version"])

    assert answer.exit_code == 0
    assert answer.output == f"nunatak, version {metadata.version('nunatak')}\n"


def test_a_tree_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)

    assert installed_version.__wrapped__() == UNKNOWN


def test_without_the_connector_sql_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "snowflake", None)

    answer = CliRunner().invoke(main, ["sql", "--home", str(tmp_path), "-q", "SELECT 1"])

    assert answer.exit_code == 2
    assert "pip install 'nunatak[cli]'" in answer.output
