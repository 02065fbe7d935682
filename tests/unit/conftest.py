"""Unit tests do not survive a power failure, so they do not wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.catalog import engine

HERE = Path(__file__).parent
SLOW = {
    "access/test_access_model.py",
    "cli/test_admin.py",
    "inference/codecs/test_json_codec.py",
    "inference/scheduling/test_dispatcher.py",
    "inference/scheduling/test_let_go.py",
    "models/test_versions.py",
    "objects/test_table_guard.py",
    "protocol/sessions/test_standing.py",
    "sql/language/test_creation.py",
    "sql/language/test_functions.py",
    "sql/language/test_ownership.py",
    "sql/services/test_service_inputs.py",
    "sql/services/test_service_statements.py",
    "sql/storage/test_exact_names.py",
    "sql/storage/test_show_tables.py",
    "sql/storage/test_stage_access.py",
    "sql/test_deep_statements.py",
    "sql/test_endings.py",
    "sql/test_full_disk.py",
    "sql/test_odd_statements.py",
    "sql/test_statement_sessions.py",
    "sql/test_view_rights.py",
    "transport/shm/test_frames.py",
    "warehouse/copy/test_copy.py",
    "warehouse/model_calls/test_functions.py",
    "warehouse/model_calls/test_random_model_calls.py",
    "warehouse/parsing/test_bound_values.py",
    "warehouse/parsing/test_wide_statements.py",
    "warehouse/query/test_exact_columns.py",
    "warehouse/query/test_exact_names.py",
    "warehouse/rewrite/functions/test_averages.py",
    "warehouse/rewrite/functions/test_formats.py",
    "warehouse/rewrite/functions/test_random.py",
    "warehouse/rewrite/functions/test_value_functions.py",
    "warehouse/rewrite/functions/test_vendor_functions.py",
    "warehouse/rewrite/functions/test_weeks.py",
    "warehouse/rewrite/test_conversions.py",
    "warehouse/rewrite/test_once.py",
    "warehouse/rewrite/test_values.py",
    "warehouse/statements/test_binary.py",
    "warehouse/statements/test_replacing.py",
    "warehouse/tables/test_load_history.py",
    "warehouse/test_queries.py",
    "warehouse/test_statements.py",
}
"""Modules that take seconds, by what was measured: properties, comparisons, wide statements."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow modules, which `make unit` leaves out."""
    for item in items:
        if item.path.is_relative_to(HERE) and str(item.path.relative_to(HERE)) in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Let the catalog's commits return before they are on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "SYNCHRONOUS", "OFF")
        yield
