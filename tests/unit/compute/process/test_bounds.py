"""How many processes an instance may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.compute.process.bounds import InstanceBounds
from nunatak.compute.spec import InstanceSpec, LiveInputs


@pytest.mark.parametrize(
    ("workers", "egress", "expected"),
    [(None, None, 100 + 2 * (9 + 4)), (1, None, 110), (3, (), 100 + 128 + 14)],
)
def test_it_grows_with_what_must_run(
    monkeypatch: pytest.MonkeyPatch,
    workers: int | None,
    egress: tuple[str, ...] | None,
    expected: int,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    spec = InstanceSpec(
        id="a",
        service="S",
        python=("p",),
        model_dir=Path("/m"),
        methods=(),
        num_workers=workers,
        live=LiveInputs(egress=egress),
    )
    assert InstanceBounds(processes=100).processes_of(spec) == expected
