"""Documents survive the catalog; what is unknown, missing or of another type is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.catalog.documents import Document, DocumentUnreadable, check, declare, declared
from nunatak.catalog.engine import Database
from nunatak.catalog.migrations import STEPS
from nunatak.catalog.migrations.step import Stored
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import NunatakError
from support.homes import documents, kept_homes
from support.records import required, stored, structures

STRUCTURES = structures()
LATER = {"2026-11-30": {"FUNCTION", "WAREHOUSE_MODEL", "WAREHOUSE_POOL"}}
"""Kinds that the documents of a kept home have none of."""


def named(structure: type[Document]) -> str:
    return structure.__name__


@pytest.mark.parametrize("structure", STRUCTURES, ids=named)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_document_survives_being_kept(structure: type[Document], data: st.DataObject) -> None:
    first = structure.read(data.draw(stored(structure)))
    kept = json.loads(json.dumps(first.document()))
    again = structure.read({**kept, **_written_by_the_machine(kept, first)})
    assert again == first


def _written_by_the_machine(kept: dict[str, Any], document: Document) -> dict[str, Any]:
    """State and message, which the state machine writes beside some documents."""
    beside = {name: getattr(document, name, None) for name in ("state", "message")}
    return {name: value for name, value in beside.items() if value is not None and name not in kept}


@pytest.mark.parametrize("structure", STRUCTURES, ids=named)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_an_unknown_part_is_refused_by_name(structure: type[Document], data: st.DataObject) -> None:
    document = data.draw(stored(structure))
    with pytest.raises(DocumentUnreadable, match="`from_a_later_version`"):
        structure.read({**document, "from_a_later_version": 1})


@pytest.mark.parametrize(
    ("structure", "name"),
    [(structure, name) for structure in STRUCTURES for name in required(structure)],
    ids=str,
)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_a_missing_part_and_one_of_another_type_are_refused_by_name(
    structure: type[Document], name: str, data: st.DataObject
) -> None:
    document = data.draw(stored(structure))
    without = {key: value for key, value in document.items() if key != name}
    with pytest.raises(DocumentUnreadable, match=f"missing required field `{name}`"):
        structure.read(without)
    with pytest.raises(DocumentUnreadable, match=rf"Expected .* at `\$\.{name}`"):
        structure.read({**document, name: object()})


def test_the_store_refuses_what_a_kind_does_not_have(tmp_path: Path) -> None:
    catalog = Catalog(Database.open(tmp_path / "catalog.sqlite"))
    key = Key("NETWORK_RULE", "R", "D", "S")
    rule = {"mode": "EGRESS", "type": "HOST_PORT", "values": ["h:1"]}
    with catalog.write() as tx:
        record = tx.create(key, "O", spec=rule)
    for change, message in (
        ({"values": [1]}, r"spec of network rule D\.S\.R .* at `spec\.values\[0\]`"),
        ({"extra": 1}, "unknown field `extra`"),
    ):
        with pytest.raises(DocumentUnreadable, match=message), catalog.write() as tx:
            tx.update(record, spec={**rule, **change})
    with catalog.database.write() as connection:
        connection.exec_driver_sql("UPDATE objects SET status = '{\"later\": 1}'")
    with pytest.raises(DocumentUnreadable, match="status of network rule"), catalog.read() as tx:
        tx.get(key)
    catalog.close()


def test_a_kind_without_declared_documents_is_refused() -> None:
    with pytest.raises(NunatakError, match="kind NO_SUCH of X has no declared documents"):
        check("NO_SUCH", "X", {}, {})
    with pytest.raises(ValueError, match="TABLE are declared twice"):
        declare("TABLE")


@pytest.mark.parametrize("kept", kept_homes(), ids=lambda kept: kept.name)
def test_documents_of_kept_homes_become_todays(kept: Path) -> None:
    """All steps are pure functions, so the documents of any earlier schema go through them."""
    seen = set()
    for item in documents(kept):
        found = Stored(item["spec"], item["status"])
        for step in STEPS:
            change = step.documents.get(item["kind"])
            found = found if change is None else change(found)
        check(item["kind"], item["name"], found.spec, found.status)
        seen.add(item["kind"])
    assert seen == set(declared()) - LATER.get(kept.name, set())
