"""When a parked instance was started just as another one would be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nunatak.compute.spec import InstanceSpec, LiveInputs
from nunatak.services.model import instance_spec as starting
from nunatak.services.model.instance_spec import launch_digest

SPEC = InstanceSpec(
    id="1-2",
    service="DB.S.SVC",
    python=("python",),
    model_dir=Path("/m"),
    methods=(),
    env={"A": "1"},
    live=LiveInputs(egress=("a:443",), secret_files={"/keys": {"password": "old"}}),
)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "1-3"},
        {"instance_id": "1"},
        {"labels": {"owner": "service"}},
        {"live": LiveInputs(egress=("b:443",), secret_files={"/keys": {"password": "new"}})},
    ],
)
def test_what_can_be_told_anew_makes_no_difference(changes: dict[str, object]) -> None:
    assert launch_digest(replace(SPEC, **changes)) == launch_digest(SPEC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"python": ("other",)},
        {"model_dir": Path("/other")},
        {"env": {"A": "2"}},
        {"secret_env": {"PASSWORD": "x"}},
        {"num_workers": 3},
        {"cpus": 1.0},
        {"memory_limit_bytes": 1},
        {"log_level": "DEBUG"},
        {"live": LiveInputs(secret_files=SPEC.live.secret_files)},
        {"live": LiveInputs(egress=("a:443",), secret_files={"/other": {}})},
    ],
)
def test_everything_else_does(changes: dict[str, object]) -> None:
    assert launch_digest(replace(SPEC, **changes)) != launch_digest(SPEC)  # type: ignore[arg-type]


def test_a_secret_cannot_be_guessed_from_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    holds = replace(SPEC, secret_env={"PASSWORD": "x"})
    before = launch_digest(holds)
    assert launch_digest(replace(holds, secret_env={"PASSWORD": "y"})) != before
    assert launch_digest(holds) == before
    monkeypatch.setattr(starting, "_OF_THIS_PROCESS", b"another process")
    assert launch_digest(holds) != before
