"""The gate: who calls, and may they; remembered for a second, so that most requests ask nobody.

While a token is in use its answer is renewed in the background, and no request waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from nunatak.access.authenticate import Identity
from nunatak.access.privileges.callers import UserToken, route
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.catalog.names import QualifiedName
from nunatak.errors import AccessError
from nunatak.ingress.address import PREFIX
from nunatak.services.calling.routes import Route

KEPT_S = 1.0
"""A token that was revoked, or a grant that was taken back, opens endpoints so long at most."""
RENEWED_S = 0.5
"""So long before that, a token that is in use is asked about again."""
KEPT_LIMIT = 10_000
CHECKS_AT_ONCE = 16
ENDPOINT_ROLE = "ALL_ENDPOINTS_USAGE"
ENDPOINT = UserToken("USAGE", f"the service's role {ENDPOINT_ROLE}")
"""The callers of endpoints."""
endpoint_route = route("POST", PREFIX + "{endpoint}/{method}", caller=ENDPOINT)
_SCHEMES = ("bearer ", "snowflake ")


class Authorities(Protocol):
    """The authorities on tokens and grants. The methods block."""

    def identify(self, token: str) -> Identity:
        """The holder of a token; raises AccessError."""
        ...

    def may_use(self, identity: Identity, service: QualifiedName) -> bool:
        """Whether the holder may use the endpoints of a service."""
        ...


class AccessAuthorities:
    """The access room as `Authorities`; a decision is remembered until anything changes."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._decided: tuple[int, dict[tuple[Identity, QualifiedName], bool]] = (-1, {})

    def identify(self, token: str) -> Identity:
        """Session, programmatic access and exchanged tokens are taken."""
        return self._access.authenticator.bearer(token)

    def may_use(self, identity: Identity, service: QualifiedName) -> bool:
        """Any role of the user counts, or the only one that the token may act with."""
        commits = self._access.commits
        if self._decided[0] != commits:
            self._decided = (commits, {})
        decided = self._decided[1]
        if (identity, service) not in decided:
            requirement = Requirement(
                ENDPOINT.privilege, "SERVICE_ROLE", f"{service}!{ENDPOINT_ROLE}"
            )
            roles = self._access.roles_of(identity)
            decided[identity, service] = self._access.arbiter.allows(requirement, roles)
        return decided[identity, service]


@dataclass(slots=True)
class Known:
    """A caller, and what was found out about them. `until` is on the gate's clock."""

    identity: Identity
    until: float
    services: dict[int, tuple[QualifiedName, bool]] = field(default_factory=dict)

    def may_use(self, route: Route, *, host: str) -> bool | None:
        """Whether the caller may use a route; None when that was not asked yet."""
        if self.identity.scope is not None and not _in_scope(self.identity.scope, route, host):
            return False
        found = self.services.get(route.service_id)
        return None if found is None else found[1]


class Gate:
    """Lets callers in. Belongs to one event loop. `authorization` is a header's value.

    A token that is in use is asked about again before what is known of it is too old, so that
    its requests need not wait for that.
    """

    def __init__(self, authorities: Authorities, *, clock: Callable[[], float] = monotonic) -> None:
        self._authorities = authorities
        self._clock = clock
        self._known: dict[bytes, Known] = {}
        self._asking: dict[bytes, asyncio.Task[Known]] = {}
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)

    def recall(self, authorization: bytes) -> Known | None:
        """The caller, if they are known; waits for nobody."""
        known = self._known.get(authorization)
        if known is None:
            return None
        left_s = known.until - self._clock()
        if left_s <= 0:
            return None
        if left_s < RENEWED_S and authorization not in self._asking:
            self._ask(authorization)
        return known

    async def identify(self, authorization: bytes) -> Known | None:
        """The caller; None when the header names none."""
        known = self.recall(authorization)
        if known is None and token_of(authorization) is not None:
            try:
                known = await asyncio.shield(self._ask(authorization))
            except AccessError:
                return None
        return known

    async def may_use(self, known: Known, route: Route, *, host: str) -> bool:
        """Whether a caller may use a route."""
        allowed = known.may_use(route, host=host)
        if allowed is None:
            async with self._checks:
                allowed = await asyncio.to_thread(
                    self._authorities.may_use, known.identity, route.service
                )
            known.services[route.service_id] = (route.service, allowed)
        return allowed

    def close(self) -> None:
        """Ask nothing more."""
        for task in self._asking.values():
            task.cancel()

    def _ask(self, authorization: bytes) -> asyncio.Task[Known]:
        """Ask once, however many requests with this header wait."""
        task = self._asking.get(authorization)
        if task is None:
            task = asyncio.create_task(self._asked(authorization))
            self._asking[authorization] = task
            task.add_done_callback(lambda done: self._learnt(authorization, done))
        return task

    async def _asked(self, authorization: bytes) -> Known:
        before = self._known.get(authorization)
        services = {} if before is None else dict(before.services)
        async with self._checks:
            until = self._clock() + KEPT_S
            identity, answers = await asyncio.to_thread(self._look, authorization, services)
        return Known(identity, until, answers)

    def _look(
        self, authorization: bytes, services: dict[int, tuple[QualifiedName, bool]]
    ) -> tuple[Identity, dict[int, tuple[QualifiedName, bool]]]:
        """Identity of the caller, and whether they may still use what they used before. Blocks."""
        identity = self._authorities.identify(token_of(authorization) or "")
        return identity, {
            service_id: (service, self._authorities.may_use(identity, service))
            for service_id, (service, _) in services.items()
        }

    def _learnt(self, authorization: bytes, task: asyncio.Task[Known]) -> None:
        del self._asking[authorization]
        if task.cancelled() or task.exception() is not None:
            self._known.pop(authorization, None)
            return
        if len(self._known) >= KEPT_LIMIT:
            self._known.clear()
        self._known[authorization] = task.result()


def token_of(authorization: bytes) -> str | None:
    """The token in `Snowflake Token="…"` or `Bearer …`."""
    text = authorization.decode("latin-1")
    lowered = text[:10].lower()
    scheme = next((scheme for scheme in _SCHEMES if lowered.startswith(scheme)), None)
    if scheme is None:
        return None
    value = text[len(scheme) :].strip()
    if scheme == "snowflake ":
        if value[:6].lower() != "token=":
            return None
        value = value[6:].strip()
    return value.strip('"') or None


def _in_scope(scope: str, route: Route, host: str) -> bool:
    """An exchanged token may be for one endpoint: by its address, its id, or its service."""
    return route.endpoint_id in scope or scope in (host, str(route.service))
