"""Grants against a small model of them: whatever is given, given on, taken back, moved, dropped and
made again, in whatever order, each role holds what the model says."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import Phase
from hypothesis import settings as tries
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nunatak.access.bootstrap import prepare_account
from nunatak.access.privileges.future import Future
from nunatak.access.privileges.grants import CurrentGrants, Taking
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.privileges.roles import ACCOUNTADMIN, ROLE
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.errors import DependentGrants, NunatakError, PrivilegeMissing
from nunatak.objects.granting.granting import Granting
from support.granting import AnyHeir
from support.places import let_use

ROLES, TABLES, PRIVILEGES = ("A", "B", "C", "D"), ("T", "U"), ("SELECT", "INSERT")
INHERITED = {"A": {"A"}, "B": {"B"}, "C": {"C"}, "D": {"D", "A"}}
roles, tables, privileges = map(st.sampled_from, (ROLES, TABLES, PRIVILEGES))
acting = st.sampled_from((*ROLES, "SECURITYADMIN", ACCOUNTADMIN))
Link = tuple[str, str, str, str]
"""Table, privilege, who holds it, who gave it."""


class GrantingMachine(RuleBasedStateMachine):
    """Applies each change to the account and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.quick = mock.patch("nunatak.catalog.engine.SYNCHRONOUS", "OFF")
        self.quick.start()  # a slow disk is not what is tested
        self.folder = tempfile.TemporaryDirectory()
        settings = Settings(home=Path(self.folder.name))
        self.catalog = Catalog(Database.open(settings.catalog_file))
        self.access = Access(self.catalog.database, settings)
        prepare_account(self.access, settings)
        self.granting = Granting(self.access, AnyHeir())
        self.owners = dict.fromkeys(TABLES, "A")
        self.links: dict[Link, bool] = {}
        self.promises: dict[tuple[str, str], bool] = {}
        self.schema_owner, self.managed = "B", False

    @initialize()
    def begin(self) -> None:
        """Tables of A, which D inherits."""
        for role in ROLES:
            self.access.roles.create(role, owner=ACCOUNTADMIN)
        self.access.roles.grant("A", grantee_kind=ROLE, grantee="D", by="")
        with self.catalog.write() as tx:
            tx.create(Key("DATABASE", "DB"), ACCOUNTADMIN)
            tx.create(Key("SCHEMA", "S", "DB"), self.schema_owner)
            for name in TABLES:
                tx.create(self.key(name), "A")
        for role in ROLES:
            let_use(self.access, "DB", "DB.S", role=role)

    def teardown(self) -> None:
        self.catalog.close()
        self.folder.cleanup()
        self.quick.stop()

    @staticmethod
    def key(name: str) -> Key:
        return Key("TABLE", name, "DB", "S")

    # -- the model ----------------------------------------------------------------------------

    def decider(self, table: str) -> str:
        """The role that decides about grants: the owner, or the schema's where it manages them."""
        return self.schema_owner if self.managed else self.owners[table]

    def giver(self, by: str, table: str, privilege: str) -> str | None:
        """Who is written down when somebody gives; None for whoever may not."""
        owner = self.owners[table]
        if by in (ACCOUNTADMIN, "SECURITYADMIN") or self.decider(table) in INHERITED[by]:
            return owner
        if self.managed:
            return None
        options = {
            link[2]
            for link, option in self.links.items()
            if link[:2] == (table, privilege) and option and link[2] in INHERITED[by]
        }
        return by if by in options else min(options, default=None)

    def holds(self, link: Link, seen: tuple[Link, ...] = ()) -> bool:
        """Whether a chain of grant options leads from the owner to it."""
        table, privilege, _, giver = link
        return giver == self.owners[table] or any(
            self.holds(other, (*seen, link))
            for other, option in self.links.items()
            if option and other[:3] == (table, privilege, giver) and other not in (*seen, link)
        )

    def prune(self) -> list[Link]:
        """Remove what nothing leads to; what was removed."""
        gone = [link for link in self.links if not self.holds(link)]
        for link in gone:
            del self.links[link]
        return gone

    # -- changes ------------------------------------------------------------------------------

    @rule(by=acting, table=tables, privilege=privileges, to=roles, option=st.booleans())
    def give(self, by: str, table: str, privilege: str, to: str, option: bool) -> None:
        giver = self.giver(by, table, privilege)
        try:
            self.granting.grant(
                [privilege],
                "TABLE",
                [f"DB.S.{table}"],
                role=to,
                by=self.access.granter(by),
                grant_option=option,
            )
        except PrivilegeMissing:
            assert giver is None
            return
        assert giver is not None
        link = (table, privilege, to, giver)
        self.links[link] = self.links.get(link, False) or option

    @rule(by=roles, table=tables, privilege=privileges, pick=st.data())
    def give_on(self, by: str, table: str, privilege: str, pick: st.DataObject) -> None:
        """By somebody who holds the grant option, where there is one."""
        options = [link[2] for link, option in self.links.items() if option]
        self.give(
            pick.draw(st.sampled_from(options)) if options else by,
            table,
            privilege,
            pick.draw(roles),
            pick.draw(st.booleans()),
        )

    @rule(
        by=acting,
        table=tables,
        privilege=privileges,
        role=roles,
        option_only=st.booleans(),
        cascade=st.booleans(),
    )
    def take(
        self, by: str, table: str, privilege: str, role: str, option_only: bool, cascade: bool
    ) -> None:
        before, owner = dict(self.links), self.owners[table]
        may = self.giver(by, table, privilege) is not None
        for link in before:
            if link[:3] != (table, privilege, role):
                continue
            manages = by == "SECURITYADMIN" or self.decider(table) in INHERITED.get(by, ())
            mine = link[3] in INHERITED.get(by, ()) and (manages or not self.managed)
            mine = mine or (manages and link[3] == owner)
            if by == ACCOUNTADMIN or mine:
                if option_only:
                    self.links[link] = False
                else:
                    del self.links[link]
        gone = self.prune()
        try:
            self.granting.revoke(
                [privilege],
                "TABLE",
                [f"DB.S.{table}"],
                role=role,
                by=self.access.granter(by),
                taking=Taking(option_only=option_only, cascade=cascade),
            )
        except PrivilegeMissing:
            assert not may
            self.links = before
        except DependentGrants:
            assert gone
            assert not cascade
            self.links = before
        else:
            assert may
            assert cascade or not gone

    @rule(by=acting, table=tables, to=roles, current=st.sampled_from(CurrentGrants))
    def move(self, by: str, table: str, to: str, current: CurrentGrants) -> None:
        owner = self.owners[table]
        on_it = [link for link in self.links if link[0] == table]
        may = by in (ACCOUNTADMIN, "SECURITYADMIN") or (
            self.decider(table) in INHERITED[by] and (not self.managed or to in INHERITED[by])
        )
        try:
            self.granting.transfer(
                "TABLE", [f"DB.S.{table}"], role=to, by=self.access.granter(by), current=current
            )
        except PrivilegeMissing:
            assert not may
            return
        except DependentGrants:
            assert on_it
            assert current is CurrentGrants.REFUSE
            return
        assert may
        self.owners[table] = to
        for link in on_it:
            option = self.links.pop(link)
            if current is CurrentGrants.COPY:
                kept = (*link[:3], to) if link[3] == owner else link
                self.links[kept] = self.links.get(kept, False) or option
        self.prune()

    @rule(role=roles)
    def make_role_again(self, role: str) -> None:
        """What it owned is its heir's; what it held is gone with what it gave on."""
        self.access.administration.drop_role(role, heir="C" if role != "C" else "B")
        heir = "C" if role != "C" else "B"
        self.promises = {key: option for key, option in self.promises.items() if key[1] != role}
        if self.schema_owner == role:
            self.schema_owner = heir
        for table, owner in self.owners.items():
            if owner == role:
                self.owners[table] = heir
                for link in [link for link in self.links if link[0] == table and link[3] == role]:
                    option, kept = self.links.pop(link), (*link[:3], heir)
                    self.links[kept] = self.links.get(kept, False) or option
        for link in [link for link in self.links if role in link[2:]]:
            del self.links[link]
        self.prune()
        self.access.administration.create_role(role, owner=ACCOUNTADMIN)
        let_use(self.access, "DB", "DB.S", role=role)
        for inheritor, held in INHERITED.items():
            for inherited in held - {inheritor}:
                if role in (inheritor, inherited):
                    self.access.roles.grant(inherited, grantee_kind=ROLE, grantee=inheritor, by="")

    @rule(table=tables, owner=roles)
    def make_table_again(self, table: str, owner: str) -> None:
        """A new one has the grants that were promised, and no others."""
        with self.catalog.write() as tx:
            tx.delete(tx.get(self.key(table)))
            tx.create(self.key(table), owner)
        self.owners[table] = owner
        self.links = {link: option for link, option in self.links.items() if link[0] != table}
        for (privilege, to), option in self.promises.items():
            self.links[table, privilege, to, owner] = option

    @rule(managed=st.booleans())
    def manage(self, managed: bool) -> None:
        with self.catalog.write() as tx:
            tx.update(tx.get(Key("SCHEMA", "S", "DB")), spec={"MANAGED_ACCESS": managed})
        self.managed = managed

    @rule(by=acting, privilege=privileges, to=roles, option=st.booleans(), gives=st.booleans())
    def promise(self, by: str, privilege: str, to: str, option: bool, gives: bool) -> None:
        """Give on tables that are yet to be made, or take that back."""
        may = by in (ACCOUNTADMIN, "SECURITYADMIN") or (
            self.managed and self.schema_owner in INHERITED[by]
        )
        future, granter = Future("TABLE", Key("SCHEMA", "S", "DB")), self.access.granter(by)
        try:
            if gives:
                self.access.future.give(
                    [privilege], future, role=to, by=granter, grant_option=option
                )
            else:
                self.access.future.take([privilege], future, role=to, by=granter)
        except PrivilegeMissing:
            assert not may
            return
        assert may
        if gives:
            self.promises[privilege, to] = self.promises.get((privilege, to), False) or option
        else:
            self.promises.pop((privilege, to), None)

    # -- what must hold -----------------------------------------------------------------------

    @invariant()
    def grants_are_as_the_model_says(self) -> None:
        found = {
            (table, grant.privilege, grant.role, grant.granted_by): grant.grant_option
            for table in TABLES
            for grant in self.access.grants.on("TABLE", f"DB.S.{table}")
        }
        assert found == self.links

    @invariant()
    def roles_may_what_the_model_says(self) -> None:
        for role in ROLES:
            for table in TABLES:
                for privilege in PRIVILEGES:
                    held = any(
                        link[:2] == (table, privilege) and link[2] in INHERITED[role]
                        for link in self.links
                    )
                    needed = Requirement(privilege, "TABLE", f"DB.S.{table}")
                    expected = held or self.owners[table] in INHERITED[role]
                    assert self.access.allows(role, needed) == expected

    @invariant()
    def nobody_gives_what_is_not_there(self) -> None:
        try:
            self.granting.grant(
                ["SELECT"], "TABLE", ["DB.S.T"], role="NOBODY", by=self.access.granter("A")
            )
        except NunatakError:
            return
        raise AssertionError("given to nobody")


TestGranting = GrantingMachine.TestCase
TestGranting.settings = tries(
    max_examples=10, stateful_step_count=30, deadline=None, phases=(Phase.generate,)
)
