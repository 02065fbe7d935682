"""The way out of an instance's workers: a proxy in this process that goes by a file.

Whoever manages the instance replaces the file when what is allowed changes. While nobody does, what
was allowed last stays so. A file that is missing or cannot be read allows nothing.
"""

import asyncio
import logging
import queue
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import msgspec

from nunatak.egress.inside import CREDENTIAL_VARIABLE, proxy_variables
from nunatak.egress.policy import BadDestination, EgressPolicy
from nunatak.egress.proxy import EgressProxy, Refusal

logger = logging.getLogger(__name__)

LOOK_S = 0.5
_OWN = "localhost,127.0.0.1,::1"
"""What the workers reach without the proxy: their own loopback interface."""
_NOTES = 10_000
_NOTHING = EgressPolicy(frozenset())


class EgressConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``policy`` is the file with the destinations, ``{"hosts": ["name:port", …]}``; ``socket``
    where workers without a network of their own find the proxy, null for those that have one."""

    policy: str
    socket: str | None = None


class _Policy(msgspec.Struct, frozen=True):
    hosts: list[str]


class WayOut:
    """The proxy of one instance; use it as a context manager around its workers' lives."""

    def __init__(self, config: EgressConfig, *, variables: Mapping[str, str] | None = None) -> None:
        """``variables`` may name a proxy of the machine, by default this process's do."""
        self._file = Path(config.policy)
        self._state: tuple[int, int] | None = None
        self._notes: queue.Queue[str] = queue.Queue(_NOTES)
        self._socket = None if config.socket is None else Path(config.socket)
        self._proxy = EgressProxy(
            self._read(), self._socket, on_refusal=self._refused, variables=variables
        )

    def __enter__(self) -> "WayOut":
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)
        self._proxy.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._proxy.close()

    @property
    def variables(self) -> Mapping[str, str]:
        """Variables that the workers' environment needs."""
        own = {"NO_PROXY": _OWN, "no_proxy": _OWN}
        if self._proxy.port is None:  # the relay beside the workers makes the rest of it
            return {**own, CREDENTIAL_VARIABLE: self._proxy.credential}
        return {**own, **proxy_variables(self._proxy.credential, self._proxy.port)}

    async def watch(self, tell: Callable[[str], None]) -> None:
        """Follow the file and hand notes to ``tell``, until cancelled."""
        try:
            while True:
                self.look(tell)
                await asyncio.sleep(LOOK_S)
        finally:
            self.look(tell)

    def look(self, tell: Callable[[str], None]) -> None:
        """Take another policy over if there is one; hand on what was noted since the last look."""
        if self._current() != self._state:
            self._proxy.allow(self._read())
        while not self._notes.empty():
            tell(self._notes.get_nowait())

    def _read(self) -> EgressPolicy:
        self._state = self._current()
        try:
            policy = EgressPolicy.of(
                msgspec.json.decode(self._file.read_bytes(), type=_Policy).hosts
            )
        except (OSError, msgspec.DecodeError, BadDestination) as error:
            self._note(f"egress: nothing is allowed, the list of hosts cannot be read: {error}")
            return _NOTHING
        self._note(f"egress: allowed is {', '.join(sorted(map(str, policy.allowed))) or 'nothing'}")
        return policy

    def _current(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _refused(self, refusal: Refusal) -> None:
        if refusal.reason == "refused":
            hint = "not allowed by the integrations of this service"
            self._note(f"egress REFUSED: {refusal.destination} ({hint})")
        else:
            self._note(f"egress unreachable: {refusal.destination}")

    def _note(self, text: str) -> None:
        logger.info("%s", text)
        try:
            self._notes.put_nowait(text)
        except queue.Full:
            logger.warning("notes about egress are lost: nobody reads them")
