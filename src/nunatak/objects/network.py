"""Rules of network rules and external access integrations."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from nunatak.catalog.kinds import IntegrationSpec, NameParts, NetworkRuleSpec
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key, Transaction
from nunatak.errors import InvalidArgument, ObjectInUse, Unsupported
from nunatak.objects.ruled import RuledObjects, Values
from nunatak.services.model.integrations import (
    HOSTS_LIMIT,
    INTEGRATION,
    RULE,
    check_hosts_limit,
    checked_hosts,
    users_of_rule,
)
from nunatak.services.model.vault import KIND as SECRET

ALL = "ALL"


class NetworkRules:
    """Properties of network rules: MODE, TYPE and VALUE_LIST, hosts with their ports."""

    kind = RULE
    structure = NetworkRuleSpec

    def spec(self, _: Transaction, values: Values, old: NetworkRuleSpec | None) -> NetworkRuleSpec:
        """The mode, the type and the hosts."""
        mode = values.get("MODE", "INGRESS" if old is None else old.mode)
        kind = values.get("TYPE", None if old is None else old.type)
        if mode != "EGRESS" or kind != "HOST_PORT":
            raise Unsupported(
                "Only network rules with MODE = EGRESS and TYPE = HOST_PORT are supported by this "
                "server."
            )
        listed = values.get("VALUE_LIST", None if old is None else old.values)
        if listed is None:
            raise InvalidArgument("A network rule needs VALUE_LIST = ('host:port', …).")
        if len(listed) > HOSTS_LIMIT:
            raise InvalidArgument(f"A network rule has at most {HOSTS_LIMIT} values.")
        return NetworkRuleSpec(mode=mode, type=kind, values=tuple(checked_hosts(listed)))

    def check(self, tx: Transaction, key: Key, spec: NetworkRuleSpec | None) -> None:
        """A rule stays while integrations name it, and they keep to their number of hosts."""
        users = users_of_rule(tx, key)
        if spec is None and users:
            names = ", ".join(user.name for user in users)
            raise ObjectInUse(
                f"Network rule {key.title} is named by {names}: take it out with ALTER EXTERNAL "
                "ACCESS INTEGRATION … SET ALLOWED_NETWORK_RULES = (…), then drop it."
            )
        for user in users:
            rules = IntegrationSpec.read(user.spec).rules
            others = [rule for rule in rules if str(QualifiedName(*rule)) != key.title]
            check_hosts_limit(tx, others, more=() if spec is None else spec.values)


class Integrations:
    """Properties of external access integrations: ENABLED, ALLOWED_NETWORK_RULES as full names,
    and ALLOWED_AUTHENTICATION_SECRETS as full names or ALL."""

    kind = INTEGRATION
    structure = IntegrationSpec

    def spec(self, tx: Transaction, values: Values, old: IntegrationSpec | None) -> IntegrationSpec:
        """Specification of what is allowed; each rule and secret must be there."""
        spec = old or IntegrationSpec(enabled=False, rules=())
        if "ALLOWED_NETWORK_RULES" in values:
            named = values["ALLOWED_NETWORK_RULES"]
            spec = replace(spec, rules=tuple(_existing(tx, RULE, rule) for rule in named))
            check_hosts_limit(tx, spec.rules)
        if "ALLOWED_AUTHENTICATION_SECRETS" in values:
            given = values["ALLOWED_AUTHENTICATION_SECRETS"]
            is_all = given == ALL
            named = () if is_all else given
            found = tuple(_existing(tx, SECRET, secret) for secret in named)
            spec = replace(spec, secrets=(ALL,) if is_all else found)
        if "ENABLED" in values:
            spec = replace(spec, enabled=values["ENABLED"])
        if old is None and ("ENABLED" not in values or not spec.rules):
            raise InvalidArgument(
                "An external access integration needs ALLOWED_NETWORK_RULES = (…) and ENABLED = "
                "TRUE or FALSE."
            )
        return spec

    def check(self, _: Transaction, __: Key, ___: IntegrationSpec | None) -> None:
        """Nothing forbids it: services that name a dropped integration lose what it allowed."""


def _existing(tx: Transaction, kind: str, name: QualifiedName) -> NameParts:
    """The parts of its name; raises ObjectNotFound."""
    tx.get(Key.of(kind, name))
    return name.database, name.schema, name.name


class NetworkRuleObjects(RuledObjects):
    """The network rules of the account."""

    def __init__(self, catalog: Catalog, *, announce: Callable[[], None] = lambda: None) -> None:
        super().__init__(catalog, NetworkRules(), announce=announce)


class IntegrationObjects(RuledObjects):
    """The integrations of the account."""

    def __init__(self, catalog: Catalog, *, announce: Callable[[], None] = lambda: None) -> None:
        super().__init__(catalog, Integrations(), announce=announce)
