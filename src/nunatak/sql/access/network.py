"""Network rules and external access integrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import OnTargets, Target
from nunatak.catalog.kinds import IntegrationSpec, NetworkRuleSpec
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import Objects
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
from nunatak.objects.network import ALL, IntegrationObjects, NetworkRuleObjects
from nunatak.services.model.integrations import INTEGRATION, RULE
from nunatak.services.model.vault import KIND as SECRET
from nunatak.sql.language.family.statements import AlterObject, CreateObject, register
from nunatak.sql.language.family.table import PropertyFamily
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import flag, moment
from nunatak.sql.language.statement import Context
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, names_in_parentheses, strings_in_parentheses
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.session import Session

_RULE_COMMON = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("database_name"),
    Field("schema_name"),
    Field("owner"),
    Field("comment"),
    Field("type"),
    Field("mode"),
)
_INTEGRATION_FIELDS = (
    Field("name"),
    Field("type"),
    Field("category"),
    Field("enabled"),
    Field("comment"),
    Field("created_on", TIMESTAMP_LTZ),
)
_ALLOWED_RULES, _ALLOWED_SECRETS = "ALLOWED_NETWORK_RULES", "ALLOWED_AUTHENTICATION_SECRETS"
_PROPERTY_FIELDS = (
    Field("property"),
    Field("property_type"),
    Field("property_value"),
    Field("property_default"),
)


def _word(cursor: TokenCursor) -> str:
    return cursor.string().upper() if cursor.at_string() else cursor.identifier()


def _values(record: Record) -> Sequence[str]:
    return NetworkRuleSpec.read(record.spec).values


def _rule_row(record: Record, last: Sequence[Any]) -> Sequence[Any]:
    spec = NetworkRuleSpec.read(record.spec)
    return [
        moment(record.created_on),
        record.name,
        record.key.database,
        record.key.schema,
        record.owner,
        record.comment,
        spec.type,
        spec.mode,
        *last,
    ]


RULES = PropertyFamily(
    kind=RULE,
    words="NETWORK RULE",
    plural=("NETWORK RULES",),
    title="Network rule",
    readers={
        "TYPE": _word,
        "MODE": _word,
        "VALUE_LIST": strings_in_parentheses,
    },
    service=NetworkRuleObjects,
    unset={"VALUE_LIST": []},
    show_fields=(*_RULE_COMMON, Field("entries_in_valuelist", NUMBER), Field("owner_role_type")),
    show_row=lambda record, _: _rule_row(
        record, [len(NetworkRuleSpec.read(record.spec).values), "ROLE"]
    ),
    describe_fields=(*_RULE_COMMON, Field("value_list")),
    describe_rows=lambda record, _: [_rule_row(record, [",".join(_values(record))])],
)
register(RULES)


def _names(cursor: TokenCursor) -> list[tuple[str, ...]]:
    if word := cursor.accept_any("ALL", "NONE"):
        return [(word,)] if word == "ALL" else []
    return names_in_parentheses(cursor)


def _meant(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    """The full names of rules and secrets; ALL is no name."""
    found = dict(values)
    for name in (_ALLOWED_RULES, _ALLOWED_SECRETS):
        if name == _ALLOWED_SECRETS and _is_all(values):
            found[name] = ALL
        elif name in values:
            found[name] = [session.qualify(parts) for parts in values[name]]
    return found


def _is_all(values: Mapping[str, Any]) -> bool:
    """Whether every secret is allowed."""
    given: bool = values.get(_ALLOWED_SECRETS) == [(ALL,)]
    return given


def _named(values: Mapping[str, Any], session: Session) -> list[Key]:
    """The rules and secrets that properties name."""
    secrets = () if _is_all(values) else values.get(_ALLOWED_SECRETS, ())
    named = [(RULE, parts) for parts in values.get(_ALLOWED_RULES, ())]
    named += [(SECRET, parts) for parts in secrets]
    return [key_of(kind, parts, session) for kind, parts in named]


def _used(
    statement: CreateObject | AlterObject, context: Context, objects: Objects
) -> list[Target]:
    """The same, as objects; raises ObjectNotFound for one that is not there."""
    keys = _named(statement.values, context.session)
    return [Target(key.kind, objects.get(key).key.title) for key in keys]


def _listed(names: Sequence[Any]) -> str:
    texts = (name if isinstance(name, str) else str(QualifiedName(*name)) for name in names)
    return f"[{', '.join(texts)}]"


def _property_rows(record: Record, _: Session) -> Sequence[Sequence[Any]]:
    spec = IntegrationSpec.read(record.spec)
    return [
        ["ENABLED", "Boolean", flag(spec.enabled), "false"],
        ["ALLOWED_NETWORK_RULES", "List", _listed(spec.rules), "[]"],
        ["ALLOWED_API_AUTHENTICATION_INTEGRATIONS", "List", "[]", "[]"],
        ["ALLOWED_AUTHENTICATION_SECRETS", "List", _listed(spec.secrets), "[]"],
        ["COMMENT", "String", record.comment, ""],
    ]


INTEGRATIONS = PropertyFamily(
    kind=INTEGRATION,
    words="EXTERNAL ACCESS INTEGRATION",
    plural=("EXTERNAL ACCESS INTEGRATIONS", "INTEGRATIONS"),
    title="Integration",
    readers={
        _ALLOWED_RULES: names_in_parentheses,
        _ALLOWED_SECRETS: _names,
        "ALLOWED_API_AUTHENTICATION_INTEGRATIONS": _names,
        "ENABLED": boolean,
    },
    service=IntegrationObjects,
    meant=_meant,
    unset={_ALLOWED_SECRETS: [], _ALLOWED_RULES: []},
    show_fields=_INTEGRATION_FIELDS,
    show_row=lambda record, _: [
        record.name,
        "EXTERNAL_ACCESS",
        "EXTERNAL_ACCESS",
        flag(IntegrationSpec.read(record.spec).enabled),
        record.comment,
        moment(record.created_on),
    ],
    describe_fields=_PROPERTY_FIELDS,
    describe_rows=_property_rows,
    aliases=("INTEGRATION",),
    uses=(OnTargets(ANY, _used, "each network rule and secret that is named"),),
)
register(INTEGRATIONS)
