"""Handlers are called with the services that their signatures ask for, which a server provides."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nunatak import sql
from nunatak.access.privileges.declared import ByAction, Case, OneOf, OnTargets, Rules
from nunatak.cli.compose import assemble
from nunatak.config import Settings
from nunatak.sql.language.family.table import KindFamily
from nunatak.sql.language.functions import registered_functions
from nunatak.sql.language.injection import Injector, asked_for
from nunatak.sql.language.statement import grammars, parse_registered
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.services.service_parts import ShowInService
from nunatak.warehouse.core.statement_text import StatementText

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(sql.__path__, f"{sql.__name__}.")
]


def _classes() -> Iterator[type]:
    for module in MODULES:
        for item in vars(module).values():
            if inspect.isclass(item) and item.__module__ == module.__name__:
                yield item


def _finders(rules: Rules) -> Iterator[Callable[..., Any]]:
    for rule in rules:
        if isinstance(rule, OnTargets):
            yield rule.by
        elif isinstance(rule, OneOf):
            for case in rule.cases:
                assert isinstance(case, Case)
                yield from _finders(case.needs)
        elif isinstance(rule, ByAction):
            for _, _, needs in rule.actions:
                yield from _finders(needs)


def _families() -> Iterator[KindFamily[Any]]:
    for module in MODULES:
        yield from (item for item in vars(module).values() if isinstance(item, KindFamily))


def _handlers() -> Iterator[tuple[Callable[..., Any], int]]:
    """Every handler, with how many arguments it is given."""
    for found in _classes():
        for name, given in (("run", 2), ("apply", 3)):
            method = vars(found).get(name)
            if inspect.isfunction(method):
                yield method, given
    for function in registered_functions():
        yield function.body, 2
        yield from ((finder, 2) for finder in _finders(function.needs))
    for grammar in grammars().values():
        yield from ((finder, 2) for finder in _finders(grammar.needs))
    for family in _families():
        rows = (family.show_row, family.terse_row, family.describe_rows)
        yield from ((row, 2) for row in rows if row is not None)
        yield from ((action.act, 2) for action in family.alterations.values())
        if family.dropper is not None:
            yield family.dropper, 2
    for words in grammars():
        if words.startswith("SHOW") and words.endswith("IN SERVICE"):
            prepared = parse_registered(TokenCursor(StatementText(f"{words} s")))
            assert prepared is not None
            assert isinstance(prepared.statement, ShowInService)
            yield prepared.statement.rows, 1


HANDLERS = {
    f"{handler.__module__.removeprefix('nunatak.sql.')}.{handler.__qualname__}": (handler, given)
    for handler, given in _handlers()
}


@pytest.fixture(scope="module")
def injector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Injector]:
    """What a server composes."""
    server = assemble(Settings(home=tmp_path_factory.mktemp("home")), port=0)
    yield server.injector
    server.close()


def test_there_are_handlers_of_every_kind() -> None:
    assert len(HANDLERS) > 120
    parts = {name.rpartition(".")[0].partition(".")[0] for name in HANDLERS}
    assert {"access", "language", "models", "services", "session", "storage"} <= parts


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_a_server_provides_what_a_handler_asks_for(name: str, injector: Injector) -> None:
    handler, given = HANDLERS[name]
    for service in asked_for(handler, given):
        assert injector.get(service) is not None


@pytest.mark.parametrize("family", list(_families()), ids=lambda family: str(family.words))
def test_a_server_provides_what_keeps_a_kind(family: KindFamily[Any], injector: Injector) -> None:
    assert isinstance(injector.get(family.service), family.service)


class Lamp:
    """A service."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """A statement."""

    title: str

    def run(self, context: str, lamp: Lamp) -> tuple[str, str, Lamp]:
        """What it got."""
        return self.title, context, lamp


def test_what_is_given_comes_first_and_the_services_behind_it() -> None:
    lamp = Lamp()
    injector = Injector({Lamp: lamp})
    for title in ("a", "b"):
        assert injector.call(Reading(title).run, "here") == (title, "here", lamp)
    assert injector.call(lambda given: given, 3) == 3
    assert injector.get(Injector) is injector


def test_a_signature_is_read_once_for_all_statements_of_a_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    injector = Injector({Lamp: Lamp()})
    read: list[Any] = []
    signature = inspect.signature

    def reading(handler: Any) -> inspect.Signature:
        read.append(handler)
        return signature(handler)

    monkeypatch.setattr(inspect, "signature", reading)
    for number in range(5):
        injector.call(Reading(str(number)).run, "here")
    assert len(read) == 1


def test_a_service_that_nobody_provides_is_named() -> None:
    with pytest.raises(TypeError, match=r"Reading\.run asks for .*Lamp.* nobody provides"):
        Injector({}).call(Reading("a").run, "here")
