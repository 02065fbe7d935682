"""A front end for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.front_end import Front


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Rooms of their own for one test."""
    made = Front(tmp_path)
    yield made
    made.close()
