"""The first start, and the connections file of the official clients."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nunatak.access.bootstrap import connections_file, prepare_account, write_own_connection
from nunatak.access.connections import (
    install_connection,
    merged,
    user_connections_file,
    write_connections,
)
from nunatak.access.credentials.passwords import Passwords
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.config import Settings
from nunatak.errors import InvalidArgument

TABLE: dict[str, str | int] = {"account": "NUNATAK", "port": 8085, "password": 'a"b\\c'}
OTHERS = """# mine
[default]
account = "other"  # keep this comment

[nunatak]
account = "old"
stray = 1

[last.nested]
x = [1, 2]
"""


def test_the_first_start_makes_the_account_once(
    database: Database, settings: Settings, passwords: Passwords
) -> None:
    access = Access(database, settings, passwords=passwords)

    password = prepare_account(access, settings)

    assert password is not None
    assert prepare_account(access, settings) is None
    assert access.authenticator.password("admin", password, address="").user == "ADMIN"
    assert access.users.get("ADMIN").default_role == "ACCOUNTADMIN"


def test_the_password_stays_in_the_file_at_the_next_start(settings: Settings) -> None:
    write_own_connection(settings, host="127.0.0.1", port=1, password="first secret")

    table = write_own_connection(settings, host="127.0.0.1", port=2, password=None)

    file = connections_file(settings)
    assert (table["password"], table["port"]) == ("first secret", 2)
    assert tomllib.loads(file.read_text())["nunatak"] == table
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_other_tables_and_comments_stay(tmp_path: Path) -> None:
    file = tmp_path / "connections.toml"
    file.write_text(OTHERS)

    write_connections(file, "nunatak", TABLE)

    text = file.read_text()
    assert "keep this comment" in text
    assert "stray" not in text
    assert tomllib.loads(text) == {
        "default": {"account": "other"},
        "nunatak": TABLE,
        "last": {"nested": {"x": [1, 2]}},
    }


def test_writing_twice_changes_nothing() -> None:
    once = merged(OTHERS, "nunatak", TABLE)

    assert merged(once, "nunatak", TABLE) == once


@pytest.mark.parametrize("text", ["this is not TOML", "[nunatak", "a = 1\na = 2\n"])
def test_a_file_that_is_not_toml_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "connections.toml"
    file.write_text(text)

    with pytest.raises(InvalidArgument, match="not valid TOML"):
        write_connections(file, "nunatak", TABLE)

    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "text",
    [
        "nunatak.account = 'x'\nother = 1\n",
        "nunatak = { account = 'x' }\n",
        "[nunatak.sub]\nx = 1\n",
        "[nunatak]\nz = 1\n[b]\n[nunatak.sub]\nx = 1\n[[nunatak.y]]\nq = 1\n",
        "[[nunatak]]\naccount = 'x'\n",
        "nunatak.a = 1\nb = 2\nnunatak.c = 3\n[z]\nnunatak = 1\n",
        "# mine\n['nunatak'] # this\naccount = 'x' # that\n\n# of b\n[b]\n",
    ],
)
def test_however_a_table_is_written_it_is_the_one_that_changes(tmp_path: Path, text: str) -> None:
    file = tmp_path / "connections.toml"
    file.write_text(text)

    write_connections(file, "nunatak", TABLE)

    assert tomllib.loads(file.read_text()) == {**tomllib.loads(text), "nunatak": TABLE}
    assert all(part in file.read_text() for part in ("# mine", "# of b") if part in text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@example("\x7f")
@example("a\nb\t\x01")
def test_any_text_survives_as_a_value(value: str) -> None:
    text = merged("", "nunatak", {"password": value})

    assert tomllib.loads(text)["nunatak"]["password"] == value


def test_the_clients_folder_is_found(tmp_path: Path) -> None:
    existing = tmp_path / "home"
    existing.mkdir()
    elsewhere = {"SNOWFLAKE_HOME": str(tmp_path / "none"), "XDG_CONFIG_HOME": str(tmp_path)}

    assert user_connections_file({"SNOWFLAKE_HOME": str(existing)}).parent == existing
    assert user_connections_file(elsewhere) == tmp_path / "snowflake" / "connections.toml"


def test_a_connection_is_installed_where_the_clients_look(tmp_path: Path) -> None:
    environment = {"SNOWFLAKE_HOME": str(tmp_path / "none"), "XDG_CONFIG_HOME": str(tmp_path)}

    file = install_connection("nunatak", TABLE, environment=environment)

    assert tomllib.loads(file.read_text()) == {"nunatak": TABLE}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
