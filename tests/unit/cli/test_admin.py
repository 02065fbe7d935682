"""The way back in for an operator: a new password while no server runs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, update

from nunatak.access.authenticate import Identity
from nunatak.access.bootstrap import prepare_account, write_own_connection
from nunatak.access.records.tables import role_grants, users
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.cli.main import main
from nunatak.config import Settings
from nunatak.errors import NunatakError, TokenInvalid
from nunatak.maintenance.home_lock import hold_home


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home that a server has used: with ADMIN, and ADA, who has no password."""
    made = Settings(home=tmp_path)
    with opened(made) as access:
        password = prepare_account(access, made)
        access.users.create("ADA", owner="ACCOUNTADMIN")
    write_own_connection(made, host="127.0.0.1", port=8085, password=password)
    return made


@contextmanager
def opened(settings: Settings) -> Iterator[Access]:
    database = Database.open(settings.catalog_file)
    yield Access(database, settings)
    database.close()


def reset(settings: Settings, *arguments: str) -> Result:
    command = ["admin", "reset-password", "--home", str(settings.home), *arguments]
    return CliRunner().invoke(main, command)


def printed(result: Result, name: str) -> str:
    assert result.exit_code == 0, result.output
    (found,) = (line for line in result.output.splitlines() if line.startswith(f"{name}: "))
    return found.removeprefix(f"{name}: ")


def login(settings: Settings, result: Result) -> Identity:
    with opened(settings) as access:
        name, password = printed(result, "login name"), printed(result, "password")
        return access.authenticator.password(name, password, address="")


def test_the_administrator_gets_a_new_password(settings: Settings) -> None:
    before = tomllib.loads((settings.home / "connections.toml").read_text())["nunatak"]
    with opened(settings) as access:
        _, tokens = access.sessions.open("ADMIN")

    result = reset(settings)

    assert login(settings, result) == Identity("ADMIN")
    after = tomllib.loads((settings.home / "connections.toml").read_text())["nunatak"]
    assert after == {**before, "password": printed(result, "password")}
    assert "connections.toml" in result.output
    with opened(settings) as access, pytest.raises(TokenInvalid):
        access.sessions.by_token(tokens.token)


@pytest.mark.parametrize("options", [(), ("--end-sessions",)])
def test_the_sessions_of_others_end_where_that_is_asked(
    settings: Settings, options: tuple[str, ...]
) -> None:
    with opened(settings) as access:
        _, tokens = access.sessions.open("ADA")
        access.sessions.by_token(tokens.token)

    result = reset(settings, *options)

    assert ("sessions of all users" in result.output) is bool(options)
    with opened(settings) as access:
        if options:
            with pytest.raises(TokenInvalid):
                access.sessions.by_token(tokens.token)
        else:
            assert access.sessions.by_token(tokens.token).user == "ADA"


def test_another_user_is_enabled_and_keeps_to_the_roles_that_they_have(settings: Settings) -> None:
    with opened(settings) as access:
        access.administration.alter_user("ADA", {"DISABLED": True, "LOGIN_NAME": "ada@example.org"})

    result = reset(settings, "ada")

    assert login(settings, result) == Identity("ADA")
    assert printed(result, "login name") == "ADA@EXAMPLE.ORG"
    assert "connections.toml" not in result.output
    with opened(settings) as access:
        assert access.roles_of(Identity("ADA")) == {"PUBLIC"}


@pytest.mark.parametrize("lost", ["user", "role", "disabled", "credential"])
def test_an_account_that_nobody_can_administer_is_mended(settings: Settings, lost: str) -> None:
    changes = {
        "user": delete(users).where(users.c.name == "ADMIN"),
        "role": delete(role_grants).where(role_grants.c.grantee == "ADMIN"),
        "disabled": update(users).values(disabled=True),
        "credential": update(users).values(password_hash=None),
    }
    database = Database.open(settings.catalog_file)
    with database.write() as connection:
        connection.execute(changes[lost])
    database.close()

    identity = login(settings, reset(settings))

    with opened(settings) as access:
        assert "ACCOUNTADMIN" in access.roles_of(identity)


def test_a_user_who_is_not_there_is_named(settings: Settings) -> None:
    for user in ("nobody", "no name"):
        result = reset(settings, user)
        assert result.exit_code == 1
        assert user.upper() in result.output.upper()


def test_a_running_server_is_left_alone(settings: Settings) -> None:
    before = settings.catalog_file.read_bytes()

    with hold_home(settings.home):
        result = reset(settings)

    assert result.exit_code == 1
    assert "another server" in result.output
    assert settings.catalog_file.read_bytes() == before


def test_a_folder_that_is_no_home_stays_as_it_is(tmp_path: Path) -> None:
    result = reset(Settings(home=tmp_path / "typo"))

    assert result.exit_code == 1
    assert "no server's home" in result.output
    assert list(tmp_path.iterdir()) == []


def test_two_do_not_hold_one_home(tmp_path: Path) -> None:
    with hold_home(tmp_path), pytest.raises(NunatakError, match="stop it"), hold_home(tmp_path):
        pass
