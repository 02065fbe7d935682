"""`nunatak admin`: what an operator does to a home whose server does not run."""

from __future__ import annotations

import tomllib

import click

from nunatak.access.bootstrap import CONNECTION, FIRST_USER, Reset, connections_file, reset_password
from nunatak.access.connections import write_connections
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.names import parse_identifier
from nunatak.config import Settings
from nunatak.errors import NunatakError
from nunatak.maintenance.home_lock import hold_home


def give_password(settings: Settings, user: str, *, end_sessions: bool = False) -> str:
    """Give a user a new password, and end their sessions, or those of all users; what to tell the
    operator. Raises NunatakError, also while a server uses the home."""
    name = parse_identifier(user)
    if not settings.catalog_file.is_file():
        raise NunatakError(f"{settings.home} is no server's home: name one with --home")
    with hold_home(settings.home):
        database = Database.open(settings.catalog_file)
        try:
            access = Access(database, settings)
            reset = reset_password(access, name)
            if end_sessions:
                access.administration.end_all_sessions()
        finally:
            database.close()
        kept_in = _write_down(settings, name, reset)
    lines = [f"login name: {reset.login_name}", f"password: {reset.password}"]
    if reset.is_made:
        lines.append(f"The account had no user {name}: it was made again.")
    if reset.is_raised:
        lines.append(f"Nobody could act as ACCOUNTADMIN: {name} holds that role now.")
    if end_sessions:
        lines.append("The sessions of all users have ended.")
    if kept_in:
        lines.append(f"The connection in {kept_in} has the new password.")
    return "\n".join(lines)


def run(settings: Settings, user: str, *, end_sessions: bool) -> None:
    """Print the new password; raises ClickException."""
    try:
        click.echo(give_password(settings, user, end_sessions=end_sessions))
    except (NunatakError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _write_down(settings: Settings, name: str, reset: Reset) -> str:
    """Put the password into the home's own connections file where that is the user's; answers the
    file, or nothing."""
    file = connections_file(settings)
    tables = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    table = tables.get(CONNECTION, {"account": settings.account, "user": FIRST_USER})
    if table.get("user") != name:
        return ""
    write_connections(file, CONNECTION, {**table, "password": reset.password})
    return str(file)
