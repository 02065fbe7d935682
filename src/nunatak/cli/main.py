"""The `nunatak` command. Each sub-command imports what it needs when it runs, so that help is
quick."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import click

from nunatak.config import DEFAULT_HOME, DEFAULT_PORT

_HOME = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_HOME,
    show_default=True,
    envvar="NUNATAK_HOME",
    help="Folder that holds everything the server keeps.",
)


def _tell_version(context: click.Context, _parameter: click.Parameter, wanted: object) -> None:
    if wanted:
        from nunatak.version import installed_version

        click.echo(f"nunatak, version {installed_version()}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Speak Snowflake's protocol for machine-learning models, on your own machine."""


@main.command()
@_HOME
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option("--tls", is_flag=True, help="Serve https with a certificate of the server's own CA.")
@click.option("--domain", default=None, help="Give endpoints host names under this domain.")
@click.option(
    "--install-connection",
    is_flag=True,
    help="Also put the connection 'nunatak' into your own connections.toml.",
)
@click.option(
    "--allow-unconfined",
    is_flag=True,
    envvar="NUNATAK_ALLOW_UNCONFINED",
    help="Run models and builds also where they cannot be confined; else they are refused there.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="ADDRESS",
    help="Proxy (address or network) whose X-Forwarded-For tells who logs in; may be repeated.",
)
@click.option("--log-level", default="INFO", show_default=True, help="DEBUG, INFO or WARNING.")
def up(
    home: Path,
    *,
    host: str,
    port: int,
    tls: bool,
    domain: str | None,
    install_connection: bool,
    allow_unconfined: bool,
    trusted_proxies: tuple[str, ...],
    log_level: str,
) -> None:
    """Run the server in the foreground until it is told to stop (Ctrl-C or SIGTERM)."""
    from nunatak.cli.limits import load_limits
    from nunatak.config import Settings
    from nunatak.errors import InvalidArgument
    from nunatak.protocol.client_address import parse_networks

    home = home.expanduser().resolve()
    try:
        limits = load_limits(home / "limits.yaml")
        parse_networks(trusted_proxies)
    except InvalidArgument as error:
        raise click.ClickException(error.message) from error
    settings = Settings(
        home=home,
        host=host,
        port=port,
        tls=tls,
        domain=domain,
        allow_unconfined=allow_unconfined,
        trusted_proxies=trusted_proxies,
        limits=limits,
    )
    gc.disable()  # until it is ready: start-up makes what stays, and little to collect
    from nunatak.cli.up import run_server

    status = run_server(settings, install_connection=install_connection, log_level=log_level)
    # Everything is closed. Ending here skips the interpreter's own teardown, in which the query
    # engine's module reports objects that others still refer to.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@main.command()
@_HOME
@click.option("-q", "--query", required=True, help="Statement to run; '-' reads standard input.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json", "csv"]),
    default=None,
    help="How to print rows; a table on a terminal, else csv.",
)
def sql(home: Path, *, query: str, output: str | None) -> None:
    """Run a statement on the server that uses this home, and print its rows."""
    from nunatak.cli.sql import run_query

    text = sys.stdin.read() if query == "-" else query
    raise SystemExit(run_query(home.expanduser(), text, output=output))


@main.command()
@_HOME
@click.option(
    "--allow-unconfined",
    is_flag=True,
    envvar="NUNATAK_ALLOW_UNCONFINED",
    help="Tell what a server that is started so does.",
)
@click.option("--format", "output", type=click.Choice(["table", "json"]), default="table")
def doctor(home: Path, *, allow_unconfined: bool, output: str) -> None:
    """Tell what this machine can do, what is missing, and how to get it."""
    from nunatak.cli.doctor import examine

    raise SystemExit(examine(home.expanduser(), allow_unconfined=allow_unconfined, output=output))


@main.command()
@_HOME
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def backup(home: Path, folder: Path) -> None:
    """Copy the home into FOLDER, as it is at one moment, while its server runs or not.

    FOLDER is new, empty, or holds earlier backups, of which only what has changed is copied.
    """
    from nunatak.cli.copies import run_backup

    run_backup(home, folder)


@main.command()
@_HOME
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--backup", "name", default=None, help="Name of the backup; else the latest.")
def restore(home: Path, folder: Path, name: str | None) -> None:
    """Make a home, which must be new or empty, of a backup in FOLDER."""
    from nunatak.cli.copies import run_restore

    run_restore(home, folder, name=name)


@main.command()
@_HOME
def check(home: Path) -> None:
    """Read everything in a home whose server does not run, and tell what is damaged.

    The exit status is 1 when something is.
    """
    from nunatak.cli.copies import run_check

    raise SystemExit(run_check(home))


@main.group()
def admin() -> None:
    """Mend the account of a home whose server does not run."""


@admin.command("reset-password")
@_HOME
@click.option("--end-sessions", is_flag=True, help="End the sessions of all users, too.")
@click.argument("user", default="ADMIN")
def reset_password(home: Path, user: str, *, end_sessions: bool) -> None:
    """Give USER (ADMIN) a new random password, enable the user, and end their sessions.

    When nobody can act as ACCOUNTADMIN any more, the user gets that role too. Refused while a
    server uses the home.
    """
    from nunatak.cli.admin import run
    from nunatak.config import Settings

    run(Settings(home=home.expanduser().resolve()), user, end_sessions=end_sessions)


@main.command("index-hosts")
def index_hosts() -> None:
    """Print the host:port pairs of this machine's package indexes, for a network rule."""
    from nunatak.cli.doctor import print_index_hosts

    print_index_hosts()
