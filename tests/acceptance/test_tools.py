"""Tools that are not about models, each with its own driver: dbt, SQLAlchemy, ADBC."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.server import TOOLS, Client, Server

pytestmark = pytest.mark.acceptance


@pytest.mark.timeout(900)  # nine starts of dbt
def test_a_dbt_project_from_seed_to_documentation(
    client: Client, server: Server, tmp_path: Path
) -> None:
    found = client(
        "tools_dbt", str(tmp_path), str(server.home / "connections.toml"), generation=TOOLS
    )

    commands = [command for command in found["commands"] if command[0] != "docs"]
    assert [command[-2:] for command in commands] == [
        [True, ["pass" if "test" in command else "success"]] for command in commands
    ]
    assert (found["commands"][-1][-2], found["errors"]) == (True, None)
    assert found["columns"] == {
        "seed.trial.raw": ["ID", "NAME", "AMOUNT", "DAY"],
        "model.trial.whole": ["ID", "NAME", "AMOUNT", "DAY"],
        "model.trial.seen": ["ID", "NAME"],
        "model.trial.grown": ["ID", "NAME", "AMOUNT"],
        "snapshot.trial.kept": [
            *("ID", "NAME", "AMOUNT", "DAY"),
            *("DBT_SCD_ID", "DBT_UPDATED_AT", "DBT_VALID_FROM", "DBT_VALID_TO"),
        ],
    }


def test_tables_are_reflected(client: Client, server: Server) -> None:
    found = client("tools_sqlalchemy", str(server.home / "connections.toml"), generation=TOOLS)

    assert found == {
        "refused": "IntegrityError",
        "columns": [
            ["id", "DECIMAL(38, 0)", False, True],
            ["word", "VARCHAR(16777216)", False, False],
            ["amount", "DECIMAL(10, 2)", True, False],
        ],
        "identity": [5, 2],
        "frame": {"id": [7, 9], "word": ["a", "b"]},
        "tables": True,
    }


def test_a_driver_in_go_reads_and_writes(client: Client, server: Server) -> None:
    found = client("tools_adbc", str(server.home / "connections.toml"), generation=TOOLS)

    assert found == {
        "row": [{"D": "2024-01-02", "X": "1.5", "S": "a"}],
        "many": 300_000,
        "ingested": [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}, {"a": "3", "b": None}],
        "objects": 1,
    }
