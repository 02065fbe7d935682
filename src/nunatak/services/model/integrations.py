"""Network rules and external access integrations: which hosts a build or a service may reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nunatak.catalog.kinds import IntegrationSpec, NetworkRuleSpec
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key, Record, Transaction
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
    listed = tuple(names)
    check_integrations(tx, listed)
    for name in listed:
        record = tx.get(Key(INTEGRATION, name))
        spec = IntegrationSpec.read(record.spec)
        if not spec.enabled:
            raise InvalidArgument(_disabled(record))
        for rule in spec.rules:
            tx.get(_rule_key(rule))
    return reachable(tx, listed)[0]


def check_integrations(tx: Transaction, names: Sequence[str]) -> None:
    """Raises ObjectNotFound for one that is not there, InvalidArgument when they are too many."""
    if len(names) > INTEGRATIONS_LIMIT:
        raise InvalidArgument(f"At most {INTEGRATIONS_LIMIT} integrations can be given.")
    for name in names:
        tx.get(Key(INTEGRATION, name))


def reachable(tx: Transaction, names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The hosts that integrations allow together now, and why some of them allow nothing."""
    hosts: list[str] = []
    notes: list[str] = []
    for name in names:
        record = tx.find(Key(INTEGRATION, name))
        if record is None:
            notes.append(f"Integration {name} does not exist any more: its hosts are closed.")
        elif not (spec := IntegrationSpec.read(record.spec)).enabled:
            notes.append(_disabled(record))
        else:
            for rule in spec.rules:
                found = tx.find(_rule_key(rule))
                if found is None:
                    title = _rule_key(rule).title
                    notes.append(f"Network rule {title} does not exist any more.")
                else:
                    hosts += NetworkRuleSpec.read(found.spec).values
    return tuple(dict.fromkeys(hosts)), tuple(notes)


def check_hosts_limit(
    tx: Transaction, rules: Iterable[Sequence[str]], *, more: Iterable[str] = ()
) -> None:
    """Raises InvalidArgument when the rules of one integration, and `more`, list too many hosts."""
    listed = set(more) | {
        host for rule in rules for host in NetworkRuleSpec.read(tx.get(_rule_key(rule)).spec).values
    }
    if len(listed) > HOSTS_LIMIT:
        raise InvalidArgument(
            f"An integration allows at most {HOSTS_LIMIT} hosts; its rules list {len(listed)}."
        )


def users_of_rule(tx: Transaction, rule: Key) -> list[Record]:
    """The integrations that name a rule."""
    wanted = (rule.database, rule.schema, rule.name)
    found = tx.list_kind(INTEGRATION)
    return [item for item in found if wanted in IntegrationSpec.read(item.spec).rules]


def _rule_key(rule: Sequence[str]) -> Key:
    return Key.of(RULE, QualifiedName(*rule))


def _disabled(record: Record) -> str:
    return (
        f"Integration {record.key.title} is disabled: ALTER EXTERNAL ACCESS INTEGRATION "
        f"{record.key.title} SET ENABLED = TRUE."
    )
