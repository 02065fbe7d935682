"""The operator's own limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nunatak.cli.limits import load_limits
from nunatak.cli.main import main
from nunatak.config import Limits
from nunatak.errors import InvalidArgument


def test_without_a_file_the_bounds_are_the_documented_ones(tmp_path: Path) -> None:
    assert load_limits(tmp_path / "limits.yaml") == Limits()


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("build_s: 7200\nenvironments_bytes: 500_000_000_000\n")
    assert load_limits(file) == Limits(build_s=7200.0, environments_bytes=500_000_000_000)


def test_zero_is_a_bound_where_it_means_none(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("parked_instances: 0\n")
    assert load_limits(file).parked_instances == 0


@pytest.mark.parametrize(
    "text",
    ["[1]", "{", "buildd_s: 1", "build_s: soon", "build_s: 0", "sessions: 1.5", "sessions: true"],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(text)
    with pytest.raises(InvalidArgument, match=r"limits\.yaml"):
        load_limits(file)
    ended = CliRunner().invoke(main, ["up", "--home", str(tmp_path)])
    assert ended.exit_code == 1
    assert "limits.yaml" in ended.output
