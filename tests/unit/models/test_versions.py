"""Whatever is done to a model, its names lead somewhere: FIRST, LAST, DEFAULT and every alias."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nunatak.errors import StatementError
from nunatak.models.versions import SYSTEM_ALIASES
from support.model_versions import (
    Usage,
    memory_home,
    name,
    open_models,
    sources,
    write_version,
)

M = name("M")
VERSIONS = st.sampled_from(["A", "B", "C", "D", "a"])
ALIASES = st.sampled_from(["X", "Y", "A"])
ANYTHING = st.one_of(VERSIONS, ALIASES, st.sampled_from(["DEFAULT", "FIRST", "LAST", "first"]))


class Statements(RuleBasedStateMachine):
    """Random ALTER statements. The test keeps its own books: names in order of creation, the
    default, who is live, and the alias of each version."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        home = self.stack.enter_context(memory_home())
        self.usage = Usage()
        self.models = open_models(home, self.usage)
        self.stack.callback(self.models.catalog.close)
        self.files = sources(write_version(home / "stage"))
        self.order: list[str] = []
        self.default = ""
        self.live: set[str] = set()
        self.aliases: dict[str, str] = {}

    def teardown(self) -> None:
        self.stack.close()

    def lead(self, written: str) -> str | None:
        """Where a name must lead."""
        if written in self.order:
            return written
        committed = [item for item in self.order if item not in self.live] or self.order
        system = {"DEFAULT": self.default, "FIRST": committed[0], "LAST": committed[-1]}
        return system.get(written.upper()) or self.aliases.get(written.upper())

    @initialize(version=VERSIONS)
    def create(self, version: str) -> None:
        self.models.maker.create(M, version, files=self.files, owner="R")
        self.order, self.default = [version], version

    @rule(version=VERSIONS, live=st.booleans())
    def add(self, version: str, live: bool) -> None:
        try:
            if live:
                self.models.maker.add_live_version(M, version)
            else:
                self.models.maker.add_version(M, version, files=self.files)
        except StatementError:
            assert version in self.order or version.upper() in self.aliases
            return
        self.order.append(version)
        if live:
            self.live.add(version)

    @rule(written=ANYTHING)
    def drop(self, written: str) -> None:
        found = self.lead(written)
        try:
            self.models.dropper.drop_version(M, written)
        except StatementError:
            assert found is None or found == self.default
            return
        assert found is not None
        assert found != self.default
        self.order.remove(found)
        self.live.discard(found)
        self.aliases = {key: value for key, value in self.aliases.items() if value != found}

    @rule(written=ANYTHING, alias=st.one_of(ALIASES, st.sampled_from(SYSTEM_ALIASES)))
    def set_alias(self, written: str, alias: str) -> None:
        found = self.lead(written)
        taken = alias in SYSTEM_ALIASES or alias in [item.upper() for item in self.order]
        try:
            self.models.editor.set_alias(M, written, alias)
        except StatementError:
            assert found is None or taken
            return
        assert found is not None
        assert not taken
        self.aliases = {key: value for key, value in self.aliases.items() if value != found}
        self.aliases[alias] = found

    @rule(written=ANYTHING)
    def unset_alias(self, written: str) -> None:
        found = self.lead(written)
        try:
            self.models.editor.unset_alias(M, written)
        except StatementError:
            assert found not in self.aliases.values()
            return
        self.aliases = {key: value for key, value in self.aliases.items() if value != found}

    @rule(written=ANYTHING)
    def set_default(self, written: str) -> None:
        found = self.lead(written)
        try:
            self.models.editor.set_default(M, written)
        except StatementError:
            assert found is None or found in self.live
            return
        assert found is not None
        self.default = found

    @rule(written=ANYTHING, to=VERSIONS)
    def rename(self, written: str, to: str) -> None:
        found = self.lead(written)
        try:
            self.models.editor.rename_version(M, written, to)
        except StatementError:
            assert found is None or to in self.order or to.upper() in self.aliases
            return
        assert found is not None
        self.order[self.order.index(found)] = to
        self.default = to if self.default == found else self.default
        self.live = {to if item == found else item for item in self.live}
        self.aliases = {key: to if item == found else item for key, item in self.aliases.items()}

    @invariant()
    def every_name_leads_where_it_must(self) -> None:
        if not self.order:
            return
        model = self.models.get(M)
        assert [version.name for version in model.versions] == self.order
        for alias in (*SYSTEM_ALIASES, *self.aliases):
            assert model.get(alias).name == self.lead(alias)
        assert model.default.name == self.default

    @invariant()
    def what_is_shown_is_what_resolves(self) -> None:
        if not self.order:
            return
        model = self.models.get(M)
        for alias, version in model.aliases().items():
            assert model.get(alias).name == version
        shown = [alias for item in model.versions for alias in model.aliases_of(item)]
        assert sorted(shown) == sorted([*SYSTEM_ALIASES, *self.aliases])
        assert len(set(self.aliases.values())) == len(self.aliases)

    @invariant()
    def each_version_has_its_folder_and_nothing_else_has(self) -> None:
        folders = {item.name for item in self.models.folders.root.iterdir() if item.is_dir()}
        found = self.models.find(M)
        assert folders == {item.id for item in (found.versions if found else ())}


Statements.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestStatements = Statements.TestCase
