"""Unit tests do not survive a power failure, so they do not wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nunatak.catalog import engine


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Let the catalog's commits return before they are on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "SYNCHRONOUS", "OFF")
        yield
