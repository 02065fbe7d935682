"""Rules of network rules and external access integrations."""

from __future__ import annotations

from typing import Any

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key, Transaction
from nunatak.errors import InvalidArgument, ObjectInUse, Unsupported
from nunatak.objects.ruled import Values
from nunatak.services.model.integrations import (
    HOSTS_LIMIT,
    RULE,
    check_hosts_limit,
    checked_hosts,
    users_of_rule,
)
from nunatak.services.model.vault import KIND as SECRET

ALL = "ALL"


class NetworkRules:
    """Properties of network rules: MODE, TYPE and VALUE_LIST, hosts with their ports."""

    def spec(self, _: Transaction, values: Values, old: Values) -> dict[str, Any]:
        """The mode, the type and the hosts."""
        mode = values.get("MODE", old.get("mode", "INGRESS"))
        kind = values.get("TYPE", old.get("type"))
        if mode != "EGRESS" or kind != "HOST_PORT":
            raise Unsupported(
                "Only network rules with MODE = EGRESS and TYPE = HOST_PORT are supported by this "
                "server."
            )
        if "VALUE_LIST" not in values and not old:
            raise InvalidArgument("A network rule needs VALUE_LIST = ('host:port', …).")
        listed = values.get("VALUE_LIST", old.get("values", []))
        if len(listed) > HOSTS_LIMIT:
            raise InvalidArgument(f"A network rule has at most {HOSTS_LIMIT} values.")
        return {"mode": mode, "type": kind, "values": list(checked_hosts(listed))}

    def check(self, tx: Transaction, key: Key, spec: Values | None) -> None:
        """A rule stays while integrations name it, and they keep to their number of hosts."""
        users = users_of_rule(tx, key)
        if spec is None and users:
            names = ", ".join(user.name for user in users)
            raise ObjectInUse(
                f"Network rule {key.title} is named by {names}: take it out with ALTER EXTERNAL "
                "ACCESS INTEGRATION … SET ALLOWED_NETWORK_RULES = (…), then drop it."
            )
        for user in users:
            others = [rule for rule in user.spec["rules"] if str(QualifiedName(*rule)) != key.title]
            check_hosts_limit(tx, others, more=() if spec is None else spec["values"])


class Integrations:
    """Properties of external access integrations: ENABLED, ALLOWED_NETWORK_RULES as full names,
    and ALLOWED_AUTHENTICATION_SECRETS as full names or ALL."""

    def spec(self, tx: Transaction, values: Values, old: Values) -> dict[str, Any]:
        """What is allowed; each rule and secret must be there."""
        spec = {"enabled": False, "rules": [], "secrets": [], **old}
        if "ALLOWED_NETWORK_RULES" in values:
            named = values["ALLOWED_NETWORK_RULES"]
            spec["rules"] = [_existing(tx, RULE, rule) for rule in named]
            check_hosts_limit(tx, spec["rules"])
        if "ALLOWED_AUTHENTICATION_SECRETS" in values:
            given = values["ALLOWED_AUTHENTICATION_SECRETS"]
            is_all = given == ALL
            named = () if is_all else given
            found = [_existing(tx, SECRET, secret) for secret in named]
            spec["secrets"] = [ALL] if is_all else found
        if "ENABLED" in values:
            spec["enabled"] = values["ENABLED"]
        if not old and ("ENABLED" not in values or not spec["rules"]):
            raise InvalidArgument(
                "An external access integration needs ALLOWED_NETWORK_RULES = (…) and ENABLED = "
                "TRUE or FALSE."
            )
        return spec

    def check(self, _: Transaction, __: Key, ___: Values | None) -> None:
        """Nothing forbids it: services that name a dropped integration lose what it allowed."""


def _existing(tx: Transaction, kind: str, name: QualifiedName) -> list[str]:
    """The parts of its name; raises ObjectNotFound."""
    tx.get(Key.of(kind, name))
    return [name.database, name.schema, name.name]
