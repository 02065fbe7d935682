"""Bounds that package indexes lack."""

from __future__ import annotations

import pytest

from nunatak.images.requirements.bounds import broken


@pytest.mark.parametrize(
    ("packages", "constraints"),
    [
        (["numpy==1.26.4", "pyarrow==26.0.1"], ["pyarrow<26"]),
        (["NumPy==1.26.4", "PyArrow==27.0.0", "pandas==2.2.0"], ["pyarrow<26"]),
        (["numpy==1.26.4", "pyarrow==26.0.0.dev1"], ["pyarrow<26"]),
        (["numpy==1.26.4", "pyarrow==25.0.1"], []),
        (["numpy==2.0.0", "pyarrow==26.0.1"], []),
        (["pyarrow==26.0.1"], []),
        (["numpy==1.26.4"], []),
        ([], []),
    ],
)
def test_what_a_resolver_chose_without_knowing_is_seen(
    packages: list[str], constraints: list[str]
) -> None:
    assert [bound.constraint for bound in broken(packages)] == constraints
