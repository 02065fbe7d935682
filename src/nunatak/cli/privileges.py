"""The page of privileges: what every statement, function and route requires, as they declare it.

`python -m nunatak.cli.privileges > docs/privileges.md` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping

from sqlglot import exp

from nunatak.access.privileges.callers import caller_in_words, registered_routes
from nunatak.access.privileges.declared import in_words
from nunatak.ingress import handler, metrics  # noqa: F401  their routes are registered there
from nunatak.protocol import app  # noqa: F401  all others are
from nunatak.sql import frontend  # noqa: F401  statements and functions are
from nunatak.sql.language.functions import registered_functions
from nunatak.sql.language.statement import grammars
from nunatak.warehouse.privileges import CHANGES, READS
from nunatak.warehouse.query.information_schema import VIEWS
from nunatak.warehouse.sources import QUERY_TABLES

_WORDS: Mapping[type[exp.Expr], str] = {exp.TruncateTable: "TRUNCATE", exp.Transaction: "BEGIN"}
_HEAD = """# Privileges

What every statement, function and route requires, as it is declared where it registers. Nothing
registers without. How a privilege is decided: [access.md](access.md).

This page is written by `python -m nunatak.cli.privileges`, and a test holds it against the code.
"""


def statements() -> Iterator[tuple[str, str]]:
    """Requirements of statements that are known by their words."""
    for words, grammar in grammars().items():
        yield words, in_words(grammar.needs)


def engine_statements() -> Iterator[tuple[str, str]]:
    """Requirements of statements of the query engine."""
    yield "every statement, for what it reads", in_words(READS)
    for kind, changes in CHANGES.items():
        yield _WORDS.get(kind, kind.__name__.upper()), in_words(changes.needs)


def functions() -> Iterator[tuple[str, str]]:
    """Requirements of functions."""
    for function in registered_functions():
        yield f"{function.name} ({function.form})", in_words(function.needs)
    for name, table in QUERY_TABLES.items():
        yield f"{name} (TABLE({name}(…)))", in_words(table.needs)
    for name, view in VIEWS.items():
        yield f"{name} (table of INFORMATION_SCHEMA)", in_words(view.needs)


def routes() -> Iterator[tuple[str, str]]:
    """Callers that the routes allow."""
    for found in sorted(registered_routes(), key=lambda route: (route.path, route.method)):
        yield f"`{found.method} {found.path}`", caller_in_words(found.caller)


def page() -> str:
    """The whole page."""
    sections = {
        "Statements by their words": ("statement", "requires", statements()),
        "Statements on tables": ("statement", "requires", engine_statements()),
        "Functions": ("function", "requires", functions()),
        "Routes": ("route", "who may call it", routes()),
    }
    return _HEAD + "".join(
        f"\n## {title}\n\n{_table(name, needs, rows)}"
        for title, (name, needs, rows) in sections.items()
    )


def _table(name: str, needs: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {name} | {needs} |", "| --- | --- |"]
    lines += [f"| {first} | {second} |" for first, second in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
