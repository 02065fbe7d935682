"""Network rules and external access integrations: which hosts a build or a service may reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key, Transaction
from nunatak.egress.policy import ANYWHERE, ANYWHERE_PORTS, BadDestination, HostPort
from nunatak.errors import InvalidArgument

RULE = "NETWORK_RULE"
INTEGRATION = "INTEGRATION"
INTEGRATIONS_LIMIT = 10
HOSTS_LIMIT = 100
_LOW_PORTS = (22, 80, 443)
_FIRST_HIGH_PORT = 1024


def checked_hosts(values: Sequence[str]) -> tuple[str, ...]:
    """The hosts of a rule as host:port; raises InvalidArgument for one that is not allowed."""
    found = []
    for value in values:
        try:
            pair = HostPort.parse(value)
        except BadDestination as error:
            raise InvalidArgument(str(error)) from error
        if pair.host == ANYWHERE and pair.port not in ANYWHERE_PORTS:
            raise InvalidArgument(f"'{value}': {ANYWHERE} goes only with the ports 80 and 443.")
        if pair.port not in _LOW_PORTS and pair.port < _FIRST_HIGH_PORT:
            raise InvalidArgument(
                f"'{value}': the port must be 22, 80, 443, or {_FIRST_HIGH_PORT} and above."
            )
        found.append(str(pair))
    return tuple(dict.fromkeys(found))


def allowed_hosts(tx: Transaction, names: Iterable[str]) -> tuple[str, ...]:
    """The hosts that integrations allow together, read now.

    Raises ObjectNotFound for one that is not there, InvalidArgument for a disabled one.
    """
    hosts: list[str] = []
    listed = tuple(names)
    if len(listed) > INTEGRATIONS_LIMIT:
        raise InvalidArgument(f"At most {INTEGRATIONS_LIMIT} integrations can be given.")
    for name in listed:
        record = tx.get(Key(INTEGRATION, name))
        if not record.spec.get("enabled"):
            raise InvalidArgument(
                f"Integration {record.key.title} is disabled: ALTER EXTERNAL ACCESS INTEGRATION "
                f"{record.key.title} SET ENABLED = TRUE."
            )
        for rule in record.spec.get("rules", ()):
            found = tx.get(Key.of(RULE, QualifiedName(*rule)))
            hosts += found.spec.get("values", ())
    return tuple(dict.fromkeys(hosts))
