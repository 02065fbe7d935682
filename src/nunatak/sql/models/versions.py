"""SHOW VERSIONS IN MODEL, SHOW FUNCTIONS IN MODEL, DESCRIBE MODEL: versions of one model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import Needs
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.errors import NunatakError, Unsupported
from nunatak.models.contents.content import VersionContent
from nunatak.models.contents.functions import Method
from nunatak.models.registry import Models
from nunatak.models.versions import MODEL, Model, ModelVersion
from nunatak.sql.language.show import (
    ShowClauses,
    flag,
    moment,
    show_clauses,
    show_result,
)
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.models.source import version_name
from nunatak.warehouse.core.results import Field, Result

DETAILS_PARAMETER = "SHOW_MODEL_DETAILS_IN_SHOW_VERSIONS_IN_MODEL"
"""Statement parameter that adds the column `model_spec`, the text of model/model.yaml."""

_LIVE_REASON = "live version: COMMIT VERSION makes it runnable"
_VERSION_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("aliases"),
    Field("comment"),
    Field("database_name"),
    Field("schema_name"),
    Field("model_name"),
    Field("is_default_version"),
    Field("functions"),
    Field("metadata"),
    Field("user_data"),
    Field("model_attributes"),
    Field("size", NUMBER),
    Field("environment"),
    Field("runnable_in"),
    Field("inference_services"),
    Field("runnable_in_reason"),
)
_FUNCTION_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("version_name"),
    Field("min_num_arguments", NUMBER),
    Field("max_num_arguments", NUMBER),
    Field("arguments"),
    Field("return_type"),
    Field("description"),
    Field("language"),
)
_DESCRIBE_FIELDS = (Field("property"), Field("value"))

_SEES = (Needs(ANY, MODEL, of="model"),)
"""USAGE, READ and OWNERSHIP of a model all let it be looked at."""


@dataclass(frozen=True, kw_only=True)
class ShowVersions:
    """SHOW VERSIONS [LIKE …] IN MODEL."""

    model: tuple[str, ...]
    clauses: ShowClauses
    fields: tuple[Field, ...] = _VERSION_FIELDS

    def run(self, context: Context, models: Models) -> Result:
        """One row for each version, oldest first."""
        model = models.get(context.session.qualify(self.model))
        chosen = self.clauses.select(model.versions, lambda version: version.name)
        services = models.services_of(chosen)
        detailed = str(context.request.parameters.get(DETAILS_PARAMETER, "")).lower() in (
            "true",
            "1",
        )
        rows = []
        for version in chosen:
            content = _content(version, models)
            row = _version_row(model, version, content, services[version.id])
            rows.append([*row, content.description.text if content else ""] if detailed else row)
        fields = (*_VERSION_FIELDS, Field("model_spec")) if detailed else _VERSION_FIELDS
        return show_result(fields, rows)


def _content(version: ModelVersion, models: Models) -> VersionContent | None:
    """Contents that the files tell of; None for a live version whose files do not say it yet."""
    if not version.is_live:
        return models.content(version)
    try:
        return models.content(version)
    except NunatakError:
        return None


def _version_row(
    model: Model, version: ModelVersion, content: VersionContent | None, services: Sequence[str]
) -> list[Any]:
    record = version.record
    description = content.description if content else None
    return [
        moment(record.created_on),
        version.name,
        json.dumps(model.aliases_of(version)),
        record.comment,
        model.key.database,
        model.key.schema,
        model.name,
        flag(version.record.id == model.default.record.id),
        json.dumps([method.name for method in content.methods] if content else []),
        json.dumps(version.metadata),
        json.dumps(version.spec.user_data),
        json.dumps(description.attributes if description else {}),
        version.size_bytes,
        json.dumps(description.environment if description else {}),
        json.dumps(version.runnable_in),
        json.dumps(sorted(services)),
        _reason(version),
    ]


def _reason(version: ModelVersion) -> str:
    return _LIVE_REASON if version.is_live else "; ".join(version.runnable_reasons)


@grammar("SHOW VERSIONS", needs=_SEES)
def show_versions(cursor: TokenCursor, _: Modifiers) -> ShowVersions:
    """Parse SHOW VERSIONS."""
    clauses = show_clauses(cursor, scopes=("MODEL",), needs_scope=True)
    assert clauses.within is not None, "the scope is needed"
    return ShowVersions(model=clauses.within[1], clauses=clauses)


@dataclass(frozen=True, kw_only=True)
class ShowModelFunctions:
    """SHOW FUNCTIONS [LIKE …] IN MODEL … [VERSION …]."""

    model: tuple[str, ...]
    version: str | None
    clauses: ShowClauses
    fields: tuple[Field, ...] = _FUNCTION_FIELDS

    def run(self, context: Context, models: Models) -> Result:
        """One row for each method of the version, of the default one when none is named."""
        version = models.version(context.session.qualify(self.model), self.version)
        content = models.content(version)
        chosen = self.clauses.select(content.methods, lambda method: method.name)
        return show_result(_FUNCTION_FIELDS, [_function_row(version, method) for method in chosen])


def _function_row(version: ModelVersion, method: Method) -> list[Any]:
    arguments = [
        {"name": item.name, "type": item.type}
        | ({} if item.default is None else {"default": item.default})
        for item in method.arguments
    ]
    return [
        moment(version.record.created_on),
        method.name,
        version.name,
        method.required_arguments,
        len(method.arguments),
        json.dumps(arguments),
        method.return_type,
        f"{method.name}{method.usage}",
        "PYTHON",
    ]


@grammar("SHOW FUNCTIONS IN MODEL", needs=_SEES)
def show_functions_in_model(cursor: TokenCursor, _: Modifiers) -> ShowModelFunctions:
    """Parse SHOW FUNCTIONS IN MODEL."""
    return _show_functions(cursor, like=None)


@grammar("SHOW FUNCTIONS LIKE", needs=_SEES)
def show_functions_like(cursor: TokenCursor, _: Modifiers) -> ShowModelFunctions:
    """Parse SHOW FUNCTIONS LIKE … IN MODEL."""
    like = cursor.string()
    if not cursor.accept("IN", "MODEL"):
        raise Unsupported("Unsupported feature 'SHOW FUNCTIONS LIKE' outside of IN MODEL.")
    return _show_functions(cursor, like=like)


def _show_functions(cursor: TokenCursor, *, like: str | None) -> ShowModelFunctions:
    model = cursor.name()
    version = version_name(cursor) if cursor.accept("VERSION") else None
    return ShowModelFunctions(model=model, version=version, clauses=ShowClauses(like=like))


@dataclass(frozen=True, kw_only=True)
class DescribeModel:
    """DESCRIBE MODEL m [VERSION v]: everything about one version, as property and value."""

    model: tuple[str, ...]
    version: str | None
    fields: tuple[Field, ...] = _DESCRIBE_FIELDS

    def run(self, context: Context, models: Models) -> Result:
        """The columns of SHOW VERSIONS as rows, with the functions' signatures and the digest."""
        model = models.get(context.session.qualify(self.model))
        version = model.get(self.version)
        content = _content(version, models)
        values = _version_row(model, version, content, models.services_of([version])[version.id])
        names = [field.name for field in _VERSION_FIELDS]
        rows = [[name, str(value)] for name, value in zip(names, values, strict=True)]
        rows += [["owner", model.record.owner], ["is_live", flag(version.is_live)]]
        rows += [["digest", version.digest]]
        for method in content.methods if content else ():
            rows.append([f"function {method.name}", method.usage])
        return show_result(_DESCRIBE_FIELDS, rows)


@grammar("DESCRIBE MODEL", needs=_SEES)
def describe_model(cursor: TokenCursor, _: Modifiers) -> DescribeModel:
    """Parse DESCRIBE MODEL."""
    model = cursor.name()
    version = version_name(cursor) if cursor.accept("VERSION") else None
    return DescribeModel(model=model, version=version)
