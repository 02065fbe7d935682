"""A home that an earlier version wrote opens, and answers what it answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.homes import ANSWERS, kept_homes, unpack
from support.server import run_script, start_server, stop_server

pytestmark = pytest.mark.acceptance

FORMER_HINT = " Role KEPT_ROLE needs SELECT on it."
"""Told apart what a role may not see from what is not there; both have the same words now."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kept", kept_homes(), ids=lambda kept: kept.name)
def test_a_home_of_an_earlier_version_answers_as_before(kept: Path, tmp_path: Path) -> None:
    server = start_server(unpack(kept, tmp_path / "home"))
    try:
        found = run_script(server, "home_content", "ask")
    finally:
        assert stop_server(server) == 0
    wanted = json.loads((kept / ANSWERS).read_text().replace(FORMER_HINT, ""))
    assert set(wanted) <= set(found)
    assert {question: found[question] for question in wanted} == wanted
