"""Lineage of model versions: what they were made from, and what uses them.

Edges come from three places: the lineage sources of manifests (datasets, experiments, the tables
of a training query), the base model that an adapter names, and the services that run a version.
The clients ask for the edges of one node at a time and walk the graph themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from nunatak.catalog.names import QualifiedName
from nunatak.errors import InvalidArgument, NunatakError
from nunatak.models.contents.manifest import LineageSource
from nunatak.models.reader import ModelReader
from nunatak.models.versions import Model, ModelVersion

MODULE = "MODULE"
SERVICE = "SNOWSERVICE_INSTANCE"
_USER_DOMAINS = {MODULE: "MODEL", SERVICE: "SERVICE"}
_QUERY_LIMIT_CHARS = 10_000
_NODE = re.compile(r"\A\s*\{\s*V\s*\((?P<arguments>(?:[^()\"]|\"(?:[^\"\\]|\\.)*+\")*)\)")
_ARGUMENT = re.compile(r"(\w+)\s*:\s*(?:\"((?:[^\"\\]|\\.)*)\"|(\w+))")

IsSeen = Callable[[QualifiedName], bool]


@dataclass(frozen=True, slots=True)
class LineageNode:
    """An object of the graph. A versioned object has its version as name, and a parent."""

    domain: str
    id: str
    name: str
    database: str
    schema: str
    parent: str | None = None
    created_on: float = 0.0

    def document(self) -> dict[str, Any]:
        """The node as clients read it; times in milliseconds as text."""
        user_domain = _USER_DOMAINS.get(self.domain, self.domain)
        return {
            "domain": self.domain,
            "refinedDomain": user_domain,
            "userDomain": user_domain,
            "id": self.id,
            "name": self.name,
            "db": self.database,
            "schema": self.schema,
            "status": "ACTIVE",
            "createdOn": str(int(self.created_on * 1000)),
            "properties": {} if self.parent is None else {"parentName": self.parent},
        }


@dataclass(frozen=True, slots=True)
class Edge:
    """Data or dependency flows from `source` to `target`."""

    source: LineageNode
    target: LineageNode

    def document(self) -> dict[str, Any]:
        """The edge as clients read it."""
        return {"S": self.source.document(), "T": self.target.document(), "properties": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeQuery:
    """The node that is asked about, by id or by name (of the version, with the model as parent)."""

    domain: str
    id: str | None = None
    name: str | None = None
    parent: str | None = None

    @classmethod
    def parse(cls, text: str) -> NodeQuery:
        """Read `{V(domain: MODULE, name:"V1", parentName:"DB.S.M") {…}}`; raises InvalidArgument.

        Which directions and properties are asked for is not looked at: all are answered.
        """
        found = _NODE.match(text) if len(text) <= _QUERY_LIMIT_CHARS else None
        if found is None:
            raise InvalidArgument(
                'A lineage query looks like {V(domain: MODULE, name:"V1", parentName:"DB.S.M") '
                "{downstream: E(…)}}."
            )
        arguments = {
            key: re.sub(r"\\(.)", r"\1", quoted) if quoted else word
            for key, quoted, word in _ARGUMENT.findall(found["arguments"])
        }
        if "domain" not in arguments or not ("id" in arguments or "name" in arguments):
            raise InvalidArgument("A lineage query names a domain, and an id or a name.")
        return cls(
            domain=arguments["domain"].upper(),
            id=arguments.get("id"),
            name=arguments.get("name"),
            parent=arguments.get("parentName"),
        )


class Lineage:
    """The graph around models. `is_seen` says which models the asking role may see."""

    def __init__(self, models: ModelReader, is_seen: IsSeen) -> None:
        self.models = models
        self.is_seen = is_seen

    def answer(self, query: NodeQuery) -> dict[str, Any]:
        """All edges that touch a node; an unknown node has none."""
        wanted = self._matches(query)
        edges = list(self._edges())
        return {
            "data": {
                "V": {
                    "downstream": [edge.document() for edge in edges if wanted(edge.source)],
                    "upstream": [edge.document() for edge in edges if wanted(edge.target)],
                }
            }
        }

    def _matches(self, query: NodeQuery) -> Callable[[LineageNode], bool]:
        if query.id is not None:
            return lambda node: (node.domain, node.id) == (query.domain, query.id)
        if query.parent is None:
            name = _qualified(query.name or "")
            return lambda node: node.domain == query.domain and node.id == str(name)
        parent = _qualified(query.parent)
        version = _stored(query.name or "")
        return lambda node: (
            node.domain == query.domain
            and node.name in (query.name, version)
            and parent == QualifiedName(node.database, node.schema, node.parent or "")
        )

    def _edges(self) -> Iterator[Edge]:
        for model in self.models.within():
            if not self.is_seen(model.qualified):
                continue
            services = self.models.services_of(model.versions)
            for version in model.versions:
                node = _version_node(model, version)
                for service in services[version.id]:
                    yield Edge(node, _object_node(SERVICE, QualifiedName.parse(service)))
                for source in self._sources(model, version):
                    yield Edge(source, node)

    def _sources(self, model: Model, version: ModelVersion) -> Iterator[LineageNode]:
        if version.is_live:
            return
        content = self.models.content(version)
        for source in content.manifest.lineage_sources:
            yield from _source_nodes(source, model.qualified)
        for base_name, base_version in content.description.base_models:
            node = self._base_node(base_name, base_version)
            if node is not None:
                yield node

    def _base_node(self, base_name: str, base_version: str) -> LineageNode | None:
        name = _qualified(base_name)
        model = self.models.find(name) if name is not None and self.is_seen(name) else None
        version = model.find(_stored(base_version)) if model is not None else None
        return None if model is None or version is None else _version_node(model, version)


def _version_node(model: Model, version: ModelVersion) -> LineageNode:
    name = model.qualified
    return LineageNode(
        domain=MODULE,
        id=str(version.record.id),
        name=version.name,
        database=name.database,
        schema=name.schema,
        parent=name.name,
        created_on=version.record.created_on,
    )


def _object_node(domain: str, name: QualifiedName) -> LineageNode:
    return LineageNode(domain, str(name), name.name, name.database, name.schema)


def _source_nodes(source: LineageSource, near: QualifiedName) -> Iterator[LineageNode]:
    """The nodes that a manifest names; names are completed with the model's own schema."""
    if source.type == "QUERY":
        for table in _tables(source.entity, near):
            yield _object_node("TABLE", table)
        return
    name = _qualified(source.entity, near)
    if name is None:
        return
    if source.version is None:
        yield _object_node(source.type, name)
        return
    identity = f"{name}/{source.version}"
    yield LineageNode(source.type, identity, source.version, name.database, name.schema, name.name)


def _tables(query: str, near: QualifiedName) -> list[QualifiedName]:
    try:
        tree = sqlglot.parse_one(query, dialect="snowflake")
    except SqlglotError:
        return []
    own = {common.alias_or_name for common in tree.find_all(exp.CTE)}
    found = (
        _qualified(".".join(part.sql(dialect="snowflake") for part in table.parts), near)
        for table in tree.find_all(exp.Table)
        if table.name not in own
    )
    return sorted({name for name in found if name is not None})


def _qualified(text: str, near: QualifiedName | None = None) -> QualifiedName | None:
    try:
        return QualifiedName.parse(
            text, database=near.database if near else None, schema=near.schema if near else None
        )
    except NunatakError:
        return None


def _stored(text: str) -> str:
    """A version's stored name from how SQL writes it."""
    return text[1:-1].replace('""', '"') if text.startswith('"') else text.upper()
