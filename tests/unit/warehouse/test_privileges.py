"""Privileges of statements on tables: every kind declares what it needs, and no other kind runs."""

from __future__ import annotations

from typing import cast

import pytest
from sqlglot import exp

from nunatak.access.privileges.declared import in_words
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.privileges import CHANGES, authorise
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.query.information_schema import VIEWS
from nunatak.warehouse.sources import QUERY_TABLES


class Running:
    """An execution without a guard, which allows everything."""

    hooks = Hooks()


def test_a_kind_of_statement_that_declares_nothing_does_not_run() -> None:
    execution = cast("Execution", Running())
    for kind in (exp.Kill, exp.Grant, exp.Command):
        with pytest.raises(KeyError):
            authorise(execution, kind())
    for known in CHANGES:
        authorise(execution, known())


def test_what_the_warehouse_answers_itself_declares_what_it_needs() -> None:
    needs = [item.needs for item in CHANGES.values()]
    needs += [item.needs for item in VIEWS.values()]
    needs += [item.needs for item in QUERY_TABLES.values()]

    assert len(needs) > 20
    assert all(in_words(item) for item in needs)
