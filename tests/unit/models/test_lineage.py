"""What a version was made from and what uses it, as session.lineage.trace asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import InvalidArgument
from nunatak.models.lineage import Lineage, NodeQuery
from nunatak.models.registry import Models
from support.model_versions import (
    PREDICT,
    Usage,
    description,
    manifest,
    name,
    sources,
    write_version,
)

M = name("M")


def asked(start: str) -> str:
    """A query with the selection that the client sends."""
    fields = (
        "domain, refinedDomain, userDomain, name, properties, schema, db, status, createdOn, id"
    )
    edges = f"E(edgeType:[DATA_LINEAGE, OBJECT_DEPENDENCY],direction:OUT){{S {{{fields}}}}}"
    return f"{{V({start}) {{downstream: {edges}}}}}"


def answer(models: Models, start: str) -> dict[str, list[dict[str, Any]]]:
    lineage = Lineage(models, lambda _: True)
    found: dict[str, list[dict[str, Any]]] = lineage.answer(NodeQuery.parse(asked(start)))["data"][
        "V"
    ]
    return found


@pytest.fixture
def lineage(models: Models, tmp_path: Path, usage: Usage) -> Models:
    """M/V1 is made from a dataset and two tables, and served; N/V1 is an adapter on it."""
    base = write_version(
        tmp_path / "base",
        manifest_document=manifest(
            [PREDICT],
            lineage_sources=[
                {"type": "DATASET", "entity": "DB.S.DS", "version": "D1"},
                {
                    "type": "QUERY",
                    "entity": 'WITH x AS (SELECT * FROM t) SELECT * FROM x JOIN OTHER."u v" AS y',
                },
                {"type": "QUERY", "entity": "this is ( no query"},
            ],
        ),
    )
    adapter = write_version(
        tmp_path / "adapter",
        model_document=description(
            models={"M": {"options": {"base_model_name": "DB.S.M", "base_model_version": "V1"}}}
        ),
    )
    version = models.maker.create(M, "V1", files=sources(base), owner="R").default
    models.maker.create(name("N"), "V1", files=sources(adapter), owner="R")
    usage.used[version.id] = ["DB.S.SVC"]
    return models


def test_upstream_and_downstream_of_a_version(lineage: Models) -> None:
    found = answer(lineage, 'domain: MODULE, name:"V1", parentName:"DB.S.M"')
    sources_found = {(edge["S"]["domain"], edge["S"]["id"]) for edge in found["upstream"]}
    assert sources_found == {
        ("DATASET", "DB.S.DS/D1"),
        ("TABLE", "DB.S.T"),
        ("TABLE", 'DB.OTHER."u v"'),
    }
    targets = {(edge["T"]["userDomain"], edge["T"]["name"]) for edge in found["downstream"]}
    assert targets == {("SERVICE", "SVC"), ("MODEL", "V1")}


def test_a_node_has_what_the_client_reads(lineage: Models) -> None:
    (edge,) = answer(lineage, 'domain: MODULE, name:"V1", parentName:"DB.S.N"')["upstream"]
    node = edge["S"]
    version = lineage.version(M)
    assert node.pop("createdOn") == str(int(version.record.created_on * 1000))
    assert node == {
        "domain": "MODULE",
        "refinedDomain": "MODEL",
        "userDomain": "MODEL",
        "id": str(version.record.id),
        "name": "V1",
        "db": "DB",
        "schema": "S",
        "status": "ACTIVE",
        "properties": {"parentName": "M"},
    }


def test_the_walk_goes_on_by_id(lineage: Models) -> None:
    (edge,) = answer(lineage, 'domain: MODULE, name:"V1", parentName:"DB.S.N"')["upstream"]
    by_id = answer(lineage, f'domain: MODULE, id:"{edge["S"]["id"]}"')
    assert by_id == answer(lineage, 'domain: MODULE, name:"V1", parentName:"DB.S.M"')


def test_downstream_of_a_table(lineage: Models) -> None:
    found = answer(lineage, 'domain: TABLE, name:"db.s.t"')
    assert [edge["T"]["properties"]["parentName"] for edge in found["downstream"]] == ["M"]
    assert found["upstream"] == []


def test_unknown_and_unseen_objects_have_no_edges(lineage: Models) -> None:
    empty: dict[str, list[Any]] = {"downstream": [], "upstream": []}
    assert answer(lineage, 'domain: MODULE, name:"V9", parentName:"DB.S.M"') == empty
    query = NodeQuery.parse(asked('domain: MODULE, name:"V1", parentName:"DB.S.M"'))
    unseen = Lineage(lineage, lambda _: False).answer(query)
    assert unseen == {"data": {"V": empty}}


@pytest.mark.parametrize("text", ["", "{V()}", "{V(domain: MODULE)}", '{V(name:"a")}', "select 1"])
def test_what_is_no_query(text: str) -> None:
    with pytest.raises(InvalidArgument):
        NodeQuery.parse(text)


def test_quotes_in_names() -> None:
    found = NodeQuery.parse(asked(r'domain: MODULE, name:"v 1", parentName:"\"d b\".S.\"m(\""'))
    assert (found.name, found.parent) == ("v 1", '"d b".S."m("')


@given(st.text(alphabet='{V(domain: MODULE, name:"x\\")}', max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        assert NodeQuery.parse(text).domain
    except InvalidArgument:
        return
