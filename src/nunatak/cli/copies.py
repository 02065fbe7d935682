"""`nunatak backup`, `nunatak restore` and `nunatak check`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from nunatak.cli.limits import load_limits
from nunatak.config import Settings
from nunatak.disk import is_disk_full
from nunatak.errors import NunatakError
from nunatak.maintenance.backup import back_up, in_words
from nunatak.maintenance.check import check
from nunatak.maintenance.restore import restore

_tell = partial(click.echo, err=True)


def run_backup(home: Path, folder: Path) -> None:
    """Make a backup and say what was copied; raises ClickException."""
    with _told(f"There is no backup: {folder} is full, or cannot be written"):
        report = back_up(_settings(home), folder.expanduser().resolve(), tell=_tell)
    click.echo(
        f"backup {report.name}: {report.files} files, {in_words(report.total_bytes)}, of which "
        f"{in_words(report.copied_bytes)} were new; changes of files waited {report.stopped_s:.3f} "
        "seconds"
    )


def run_restore(home: Path, folder: Path, *, name: str | None) -> None:
    """Restore a home and say what to do next; raises ClickException."""
    settings = _settings(home)
    with _told(f"{settings.home} is not restored; remove it"):
        restored = restore(settings, folder.expanduser().resolve(), name=name, tell=_tell)
    click.echo(
        f"{settings.home} is as backup {restored.name} was: {restored.files} files, "
        f"{in_words(restored.total_bytes)}. Start it with: nunatak up --home {settings.home}"
    )


def run_check(home: Path) -> int:
    """Print what is wrong with a home; answers the exit status, 1 for damage. Raises
    ClickException where it cannot be looked at."""
    settings, damaged = _settings(home), 0
    with _told(f"{settings.home} cannot be checked"):
        for finding in check(settings):
            damaged += finding.is_damage
            kind = "damaged" if finding.is_damage else "left over"
            click.echo(" ".join(f"{kind}: {finding.what} {finding.advice}".split()))
    try:
        load_limits(settings.home / "limits.yaml")
    except NunatakError as error:
        damaged += 1
        click.echo(f"damaged: {error.message} No server starts with it: mend or remove it.")
    click.echo(f"{settings.home} {'is damaged' if damaged else 'is whole'}.")
    return 1 if damaged else 0


def _settings(home: Path) -> Settings:
    return Settings(home=home.expanduser().resolve())


@contextmanager
def _told(problem: str) -> Iterator[None]:
    """Errors as the operator reads them."""
    try:
        yield
    except NunatakError as error:
        raise click.ClickException(error.message) from error
    except (OSError, sqlite3.Error) as error:
        why = "no space is left" if is_disk_full(error) else str(error)
        raise click.ClickException(f"{problem}: {why}.") from error
