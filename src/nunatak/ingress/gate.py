"""Who calls, and may they: remembered for a second, so that most requests ask nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from nunatak.access.authenticate import Identity
from nunatak.access.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.names import QualifiedName
from nunatak.errors import AccessError
from nunatak.services.routes import Route

KEPT_S = 1.0
"""A token that was revoked, or a grant that was taken back, opens endpoints so long at most."""
KEPT_LIMIT = 10_000
CHECKS_AT_ONCE = 16
ENDPOINT_ROLE = "ALL_ENDPOINTS_USAGE"
_SCHEMES = ("bearer ", "snowflake ")


class Authorities(Protocol):
    """Who knows tokens and grants. The methods block."""

    def identify(self, token: str) -> Identity:
        """The holder of a token; raises AccessError."""
        ...

    def may_use(self, identity: Identity, service: QualifiedName) -> bool:
        """Whether the holder may use the endpoints of a service."""
        ...


class AccessAuthorities:
    """The access room as `Authorities`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def identify(self, token: str) -> Identity:
        """Session, programmatic access and exchanged tokens are taken."""
        return self._access.authenticator.bearer(token)

    def may_use(self, identity: Identity, service: QualifiedName) -> bool:
        """Any role of the user counts, or the only one that the token may act with."""
        requirement = Requirement("USAGE", "SERVICE_ROLE", f"{service}!{ENDPOINT_ROLE}")
        roles = self._access.roles_of(identity.user, restricted_to=identity.restricted_to)
        return any(self._access.allows(role, requirement) for role in sorted(roles))


@dataclass(slots=True)
class _Known:
    identity: Identity
    until: float
    may_use: dict[int, bool] = field(default_factory=dict)


class Gate:
    """Lets callers in. Belongs to one event loop."""

    def __init__(self, authorities: Authorities, *, clock: Callable[[], float] = monotonic) -> None:
        self._authorities = authorities
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[_Known]] = {}
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)

    async def identify(self, authorization: str) -> Identity | None:
        """The caller that an Authorization header names; None when it names none."""
        token = token_of(authorization)
        if token is None:
            return None
        known = self._known.get(token)
        if known is None or known.until <= self._clock():
            try:
                known = await self._ask(token)
            except AccessError:
                return None
        return known.identity

    async def may_use(self, authorization: str, route: Route, *, host: str) -> bool:
        """Whether the caller, who was identified before, may use a route."""
        token = token_of(authorization) or ""
        known = self._known.get(token)
        if known is None or not _in_scope(known.identity, route, host):
            return False
        allowed = known.may_use.get(route.service_id)
        if allowed is None:
            async with self._checks:
                allowed = await asyncio.to_thread(
                    self._authorities.may_use, known.identity, route.service
                )
            known.may_use[route.service_id] = allowed
        return allowed

    async def _ask(self, token: str) -> _Known:
        """Ask once, however many requests with this token wait."""
        task = self._asking.get(token)
        if task is None:
            task = asyncio.create_task(self._identified(token))
            self._asking[token] = task
            task.add_done_callback(lambda _: self._asking.pop(token, None))
        return await asyncio.shield(task)

    async def _identified(self, token: str) -> _Known:
        async with self._checks:
            identity = await asyncio.to_thread(self._authorities.identify, token)
        if len(self._known) >= KEPT_LIMIT:
            self._known.clear()
        known = _Known(identity, self._clock() + KEPT_S)
        self._known[token] = known
        return known


def token_of(authorization: str) -> str | None:
    """The token in `Snowflake Token="…"` or `Bearer …`."""
    lowered = authorization[:10].lower()
    scheme = next((scheme for scheme in _SCHEMES if lowered.startswith(scheme)), None)
    if scheme is None:
        return None
    value = authorization[len(scheme) :].strip()
    if scheme == "snowflake ":
        if value[:6].lower() != "token=":
            return None
        value = value[6:].strip()
    return value.strip('"') or None


def _in_scope(identity: Identity, route: Route, host: str) -> bool:
    """An exchanged token may be for one endpoint: by its address, its id, or its service."""
    scope = identity.scope
    if scope is None:
        return True
    return route.endpoint_id in scope or scope in (host, str(route.service))
