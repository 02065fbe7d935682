"""The account against a small model of it: whatever is granted, revoked, dropped, made again,
disabled and logged in with, in whatever order, each credential acts as the model says."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from argon2 import PasswordHasher
from hypothesis import Phase
from hypothesis import settings as tries
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nunatak.access.authenticate import Identity
from nunatak.access.bootstrap import FIRST_USER, prepare_account
from nunatak.access.credentials.passwords import Passwords
from nunatak.access.privileges.roles import ACCOUNTADMIN, PUBLIC, ROLE, USER
from nunatak.access.service import Access
from nunatak.access.sessions import SessionRecord
from nunatak.catalog.engine import Database
from nunatak.config import Settings
from nunatak.errors import AccessError, InvalidArgument, NunatakError

from .conftest import Clock

PASSWORD = "a long password"
USERS, ROLES = ("ADA",), ("R", "MID")
names, roles = st.sampled_from(USERS), st.sampled_from(ROLES)


@dataclass
class Principal:
    """A user or a role of the model; a new one of an old name is another object."""

    name: str
    holds: list[Principal] = field(default_factory=list)
    enabled: bool = True

    def all_held(self) -> list[Principal]:
        """What it holds, directly or through others."""
        found: list[Principal] = []
        waiting = list(self.holds)
        while waiting:
            role = waiting.pop()
            if role not in found:
                found.append(role)
                waiting += role.holds
        return found

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


@dataclass
class Credential:
    """A token, or the session that it or a password opened; `restriction` is a role of then."""

    user: Principal
    text: str
    restriction: Principal | None = None
    token: Credential | None = None
    master: str = ""
    ended: bool = False


class AccountMachine(RuleBasedStateMachine):
    """Applies each change to the account and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.quick = mock.patch("nunatak.catalog.engine.SYNCHRONOUS", "OFF")
        self.quick.start()  # a slow disk is not what is tested
        self.folder = tempfile.TemporaryDirectory()
        settings = Settings(home=Path(self.folder.name))
        self.database = Database.open(settings.catalog_file)
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.access = Access(self.database, settings, clock=Clock(), passwords=Passwords(hasher))
        prepare_account(self.access, settings)
        self.users: dict[str, Principal] = {}
        self.roles: dict[str, Principal] = {}
        self.tokens: list[Credential] = []
        self.sessions: list[Credential] = []
        self.numbers = itertools.count()

    @initialize()
    def begin(self) -> None:
        """The user holds a role through another one."""
        for user in USERS:
            self.make_user(user, replace=False)
        for role in ROLES:
            self.make_role(role)
        for role, kind, to in (("R", ROLE, "MID"), ("MID", USER, "ADA")):
            self._give(role, kind, to)

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()
        self.quick.stop()

    # -- changes ------------------------------------------------------------------------------

    @rule(name=names, replace=st.booleans())
    def make_user(self, name: str, replace: bool) -> None:
        settings: dict[str, str | bool | None] = {"PASSWORD": PASSWORD}
        if name in self.users and not replace:
            return
        if name in self.users:
            self.access.administration.replace_user(name, owner=ACCOUNTADMIN, settings=settings)
        else:
            self.access.users.create(name, owner=ACCOUNTADMIN, settings=settings)
        self.users[name] = Principal(name)

    @rule(name=names)
    def drop_user(self, name: str) -> None:
        if self.users.pop(name, None) is not None:
            self.access.administration.drop_user(name)

    @rule(name=names, enabled=st.booleans())
    def switch_user(self, name: str, enabled: bool) -> None:
        if name not in self.users:
            return
        self.access.administration.alter_user(name, {"DISABLED": not enabled})
        self.users[name].enabled = enabled
        for session in self.sessions:
            session.ended |= session.user is self.users[name] and not enabled

    @rule(name=roles)
    def make_role(self, name: str) -> None:
        if name not in self.roles:
            self.access.administration.create_role(name, owner=ACCOUNTADMIN)
            self.roles[name] = Principal(name)

    @rule(name=roles)
    def drop_role(self, name: str) -> None:
        dropped = self.roles.pop(name, None)
        if dropped is None:
            return
        self.access.administration.drop_role(name, heir=ACCOUNTADMIN)
        for holder in (*self.users.values(), *self.roles.values()):
            holder.holds = [role for role in holder.holds if role is not dropped]

    @rule(role=roles, kind=st.sampled_from([USER, ROLE]), to=st.data())
    def give_role(self, role: str, kind: str, to: st.DataObject) -> None:
        self._give(role, kind, to.draw(names if kind == USER else roles))

    @precondition(lambda self: self.tokens)
    @rule(name=roles)
    def make_role_again(self, name: str) -> None:
        """Another role of the name, given to who held the old one."""
        holders = (*self.users.values(), *self.roles.values())
        held_by = [holder for holder in holders if self.roles.get(name) in holder.holds]
        self.drop_role(name)
        self.make_role(name)
        for holder in held_by:
            self._give(name, USER if holder.name in USERS else ROLE, holder.name)

    @precondition(lambda self: self.tokens)
    @rule(name=names)
    def disable_user(self, name: str) -> None:
        self.switch_user(name, enabled=False)

    @rule(pick=st.data())
    def revoke_role(self, pick: st.DataObject) -> None:
        holders = [*self.users.values(), *self.roles.values()]
        given = [(holder, role) for holder in holders for role in holder.holds]
        if given:
            holder, role = pick.draw(st.sampled_from(given))
            kind = USER if holder.name in USERS else ROLE
            self.access.roles.revoke(role.name, grantee_kind=kind, grantee=holder.name)
            holder.holds = [held for held in holder.holds if held is not role]

    def _give(self, role: str, kind: str, name: str) -> None:
        holder = (self.users if kind == USER else self.roles).get(name)
        given = self.roles.get(role)
        if holder is None or given is None or holder is given or holder in given.all_held():
            return
        self.access.roles.grant(role, grantee_kind=kind, grantee=name, by="")
        if given not in holder.holds:
            holder.holds.append(given)

    # -- credentials --------------------------------------------------------------------------

    @rule(name=names, pick=st.data())
    def make_a_token_of_a_held_role(self, name: str, pick: st.DataObject) -> None:
        held = self.users[name].all_held() if name in self.users else []
        if held:
            self.make_token(name, pick.draw(st.sampled_from(held)).name)

    @rule(name=names, role=st.none() | roles)
    def make_token(self, name: str, role: str | None) -> None:
        user, restriction = self.users.get(name), self.roles.get(role or "")
        title = f"T{next(self.numbers)}"
        allowed = user is not None and (
            role is None or (restriction is not None and restriction in user.all_held())
        )
        try:
            text = self.access.tokens.add_access(name, title, role=role)
        except NunatakError:
            assert not allowed or len(self.access.tokens.access_of(name)) >= 15
            return
        assert allowed
        assert user is not None
        self.tokens.append(Credential(user, text, restriction))

    @rule(name=names)
    def log_in_with_a_password(self, name: str) -> None:
        user = self.users.get(name)
        try:
            identity = self.access.authenticator.password(
                name, PASSWORD, address=f"10.0.0.{next(self.numbers)}"
            )
        except AccessError:
            assert user is None or not user.enabled
            return
        assert user is not None
        assert user.enabled
        self._open(identity, Credential(user, ""))

    @precondition(lambda self: self.tokens)
    @rule(pick=st.data())
    def log_in_with_a_token(self, pick: st.DataObject) -> None:
        token = pick.draw(st.sampled_from(self.tokens))
        try:
            identity = self.access.authenticator.access_token(token.text)
        except AccessError:
            assert not self.expected(token)
            return
        assert self.expected(token)
        self._open(identity, Credential(token.user, "", token.restriction, token))

    def _open(self, identity: Identity, session: Credential) -> None:
        _, made = self.access.sessions.open(
            identity.user,
            restricted_to=identity.restricted_to,
            opened_by=identity.opened_by,
        )
        session.text, session.master = made.token, made.master_token
        self.sessions.append(session)

    # -- what must hold -----------------------------------------------------------------------

    def expected(self, credential: Credential) -> set[str]:
        """The names of the roles that a credential may act with, by the model."""
        user = credential.user
        if self.users.get(user.name) is not user or not user.enabled or credential.ended:
            return set()
        restriction = credential.restriction
        if restriction is None:
            return {PUBLIC} | {role.name for role in user.all_held()}
        if restriction not in user.all_held():
            return set()
        return {PUBLIC, restriction.name} | {role.name for role in restriction.all_held()}

    @invariant()
    def tokens_act_as_the_model_says(self) -> None:
        for token in self.tokens:
            try:
                found = self.access.roles_of(self.access.authenticator.bearer(token.text))
            except AccessError:
                found = frozenset()
            assert found == self.expected(token)

    @invariant()
    def sessions_act_as_the_model_says(self) -> None:
        for session in self.sessions:
            found: frozenset[str] = frozenset()
            try:
                record: SessionRecord = self.access.sessions.by_token(session.text)
                found = self.access.roles_of(record)
                assert self.access.roles_of(self.access.authenticator.bearer(session.text)) == found
            except AccessError:
                assert self._cannot_be_renewed(session)
            assert found == self.expected(session)

    def _cannot_be_renewed(self, session: Credential) -> bool:
        try:
            self.access.sessions.renew(session.master)
        except AccessError:
            return True
        return False

    @invariant()
    def somebody_can_administer(self) -> None:
        assert self.access.has_administrator()
        for change in ({"DISABLED": True}, {"PASSWORD": None}):
            try:
                self.access.administration.alter_user(FIRST_USER, change)
            except InvalidArgument:
                continue
            raise AssertionError(change)


TestAccount = AccountMachine.TestCase
TestAccount.settings = tries(
    max_examples=20, stateful_step_count=30, deadline=None, phases=(Phase.generate,)
)
