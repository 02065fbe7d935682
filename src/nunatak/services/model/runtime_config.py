"""Runtime configuration of instances: what they may reach and which secrets they hold, read at a
start and kept up to date.

Running instances follow the catalog: another list of hosts, a rule or an integration that was
altered, disabled or dropped, and another value of a secret that is shown as a file. Nothing of it
restarts an instance.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from nunatak.catalog.store import Catalog, Key, Transaction
from nunatak.compute.runtime import Runtime
from nunatak.compute.spec import LiveInputs
from nunatak.errors import NunatakError
from nunatak.services.model.integrations import reachable
from nunatak.services.model.secret_uses import SecretReader
from nunatak.services.model.snapshot import Service, Snapshot
from nunatak.services.model.spec import SecretUse
from nunatak.services.model.vault import KIND as SECRET

_log = logging.getLogger(__name__)
_Marks = tuple[tuple[str, ...], tuple[tuple[int, int] | None, ...]]
"""What inputs were made of: hosts, and the ids and revisions of the secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartInputs:
    """The inputs of a new instance."""

    live: LiveInputs = field(default_factory=LiveInputs)
    secret_env: Mapping[str, str] = field(default_factory=dict, repr=False)


class LiveSource:
    """Reads inputs from the catalog and hands them on; `refresh` belongs to one thread."""

    def __init__(self, *, catalog: Catalog, runtime: Runtime, secrets: SecretReader) -> None:
        self._catalog = catalog
        self._runtime = runtime
        self._secrets = secrets
        self._given: dict[str, _Marks] = {}

    def for_start(self, service: Service, runtime_id: str) -> StartInputs:
        """For an instance that starts now; raises ObjectNotFound or PrivilegeMissing for a secret
        that cannot be opened."""
        self._given.pop(runtime_id, None)
        uses, owner = service.spec.secrets, service.record.owner
        with self._catalog.read() as tx:
            return StartInputs(
                live=LiveInputs(
                    egress=_hosts(tx, service),
                    secret_files=self._secrets.files(tx, uses, owner=owner),
                ),
                secret_env=self._secrets.environment(tx, uses, owner=owner),
            )

    def refresh(self, snapshot: Snapshot, *, busy: Collection[str]) -> None:
        """Tell running instances what has changed for them; those that are `busy` come later."""
        running = {item.runtime_id: item for item in snapshot.instances if item.status.started}
        for gone in self._given.keys() - running.keys():
            self._given.pop(gone, None)
        for name, item in running.items():
            service = snapshot.service_of(item)
            if service is None or name in busy or not item.alive:
                continue
            if service.spec.integrations or any(use.directory for use in service.spec.secrets):
                self._refresh(name, service)

    def notes(self, service: Service) -> list[str]:
        """Notes on a service's integrations and secrets that do not hold now, in words for
        people."""
        uses, owner = service.spec.secrets, service.record.owner
        with self._catalog.read() as tx:
            problems = self._secrets.problems(tx, uses, owner=owner)
            notes = [*reachable(tx, service.spec.integrations)[1], *problems]
        if service.spec.integrations:
            notes += [
                f"No {item.name}: {item.detail}"
                for item in self._runtime.describe_capabilities()
                if item.confines and not item.available
            ]
        return notes

    def _refresh(self, name: str, service: Service) -> None:
        folders = [use for use in service.spec.secrets if use.directory]
        with self._catalog.read() as tx:
            hosts = _hosts(tx, service)
            records = [tx.find(Key.of(SECRET, use.secret)) for use in folders]
            marks = (hosts or (), tuple((it.id, it.revision) if it else None for it in records))
            if self._given.get(name) == marks:
                return
            files = {use.directory: self._contents(tx, service, use) for use in folders}
        try:
            self._runtime.refresh(name, LiveInputs(egress=hosts, secret_files=files))
        except NunatakError as error:
            _log.warning("%s; it is tried again", error.message)
        else:
            self._given[name] = marks

    def _contents(self, tx: Transaction, service: Service, use: SecretUse) -> Mapping[str, str]:
        """The files of a secret; none when it cannot be opened any more."""
        try:
            return self._secrets.files(tx, (use,), owner=service.record.owner)[use.directory]
        except NunatakError as error:
            _log.warning("service %s: %s", service.record.key.title, error.message)
            return {}


def _hosts(tx: Transaction, service: Service) -> tuple[str, ...] | None:
    """None for a service without integrations, which has no network."""
    names = service.spec.integrations
    return reachable(tx, names)[0] if names else None
