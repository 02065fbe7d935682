"""The decision who may grant and revoke: pure functions.

Grants on an object are links from the role that gave to the role that holds. The owner's begin
every chain; a role that holds a privilege with the grant option gives it on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from nunatak.access.privileges.holding import ACCOUNTADMIN
from nunatak.access.privileges.requirement import ALL

SYSTEM = ""
"""The grantor of what every account has from its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granter:
    """Role that would grant: the current one, all that it has with it, and whether it holds
    MANAGE GRANTS on the account."""

    primary: str
    roles: frozenset[str]
    manages: bool

    @property
    def is_administrator(self) -> bool:
        """Whether it may do everything."""
        return ACCOUNTADMIN in self.roles


@dataclass(frozen=True, slots=True)
class Securable:
    """An object as granting on it sees it: the role that owns it, and the one that alone decides
    about grants on it in the place of its owner, where there is one."""

    owner: str | None
    manager: str | None = None

    @property
    def root(self) -> str:
        """The grantor of what is granted in the name of the owner."""
        return self.owner or ACCOUNTADMIN


@dataclass(frozen=True, slots=True)
class Link:
    """Grant of one privilege on one object."""

    grantee: str
    granted_by: str
    grant_option: bool


def grantor(
    privilege: str, *, by: Granter, on: Securable, held: Iterable[tuple[str, str]]
) -> str | None:
    """The role that is written down as the giver of a privilege; None for whoever may not give it.

    `held` are the privileges, each with its role, that are held with the grant option. Who has
    the owner, or MANAGE GRANTS, gives in the owner's name; others as the role that holds the grant
    option, which counts for nothing where a manager decides.
    """
    if (on.manager or on.root) in by.roles:
        return on.root
    if on.manager is None:
        options = {role for given, role in held if given in (privilege, ALL) and role in by.roles}
        if options:
            return by.primary if by.primary in options else min(options)
    return on.root if by.manages or by.is_administrator else None


def revocable(*, by: Granter, on: Securable) -> Collection[str] | None:
    """The givers whose grants somebody may take back: the roles that they have, and the owner
    where they act in its name. None is all of them."""
    if by.is_administrator:
        return None
    acts_for_owner = by.manages or (on.manager or on.root) in by.roles
    if on.manager is not None and not acts_for_owner:
        return ()
    return by.roles | ({on.root, ACCOUNTADMIN, SYSTEM} if acts_for_owner else frozenset())


def dependents(
    links: Mapping[int, Link], taken: Collection[int], *, on: Securable, option_only: bool
) -> frozenset[int]:
    """The links that were given in consequence of those that are taken, or whose grant option is,
    and that no other chain from the owner holds."""
    after = {
        number: replace(link, grant_option=link.grant_option and number not in taken)
        for number, link in links.items()
        if option_only or number not in taken
    }
    return _held_up(links, on) - _held_up(after, on) - frozenset(taken)


def _held_up(links: Mapping[int, Link], on: Securable) -> frozenset[int]:
    """The links that a chain of grant options leads to from the owner."""
    givers = {on.root, ACCOUNTADMIN, SYSTEM}
    found: set[int] = set()
    while True:
        fresh = {number for number, link in links.items() if link.granted_by in givers} - found
        if not fresh:
            return frozenset(found)
        found |= fresh
        givers |= {links[number].grantee for number in fresh if links[number].grant_option}


def refused_transfer(
    to: str, heir_roles: Collection[str], *, by: Granter, on: Securable, lends_rights: bool
) -> str | None:
    """Reason why somebody may not make a role the owner of an object; None when they may.
    `heir_roles` are the role with all that it inherits; an object `lends_rights` that acts with its
    owner's."""
    if by.is_administrator:
        return None
    if ACCOUNTADMIN in heir_roles and lends_rights:
        return f"role '{to}' has {ACCOUNTADMIN}, which alone gives what acts with its rights"
    if by.manages:
        return None
    if (on.manager or on.root) not in by.roles:
        whose = "OWNERSHIP of its schema, which has managed access," if on.manager else "OWNERSHIP"
        return f"{whose} or MANAGE GRANTS on the account is needed"
    if on.manager is not None and to not in by.roles:
        return (
            f"its schema has managed access, and role '{to}' is not the schema's owner's: "
            "MANAGE GRANTS on the account is needed"
        )
    if lends_rights and to not in by.roles:
        return f"it would act with the rights of role '{to}': MANAGE GRANTS is needed"
    return None


def may_give_role(role_roles: Collection[str], *, by: Granter, owner: str | None) -> bool:
    """Whether somebody may give a role, with all that it inherits, to others and take it back. One
    that has ACCOUNTADMIN is its owner's to give, whatever else somebody manages."""
    if by.is_administrator or (owner is not None and owner in by.roles):
        return True
    return by.manages and ACCOUNTADMIN not in role_roles
