"""Stages and file formats, as callers that speak no SQL have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import Existing
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound, StageUnreadable
from nunatak.stages.folders import STAGE
from nunatak.stages.service import FILE_FORMAT, Stages
from nunatak.warehouse.core.session import Session

ST, FF = Key(STAGE, "ST", "DB", "S"), Key(FILE_FORMAT, "FF", "DB", "S")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def stages(settings: Settings) -> Iterator[Stages]:
    catalog = Catalog(Database.open(settings.catalog_file))
    with catalog.write() as tx:
        tx.create(Key("SCHEMA", "S", "DB"), "R")
    yield Stages(catalog, Access(catalog.database, settings), settings)
    catalog.close()


@pytest.fixture
def session() -> Session:
    return Session(id=1, user="U", role="R", database="DB", schema="S")


def put(stages: Stages, session: Session, at: str, text: str = "x") -> Path:
    """Store a file as an upload does."""
    location = stages.locate(session, at)
    file = location.folder() / location.path
    file.write_text(text)
    return file


@pytest.mark.parametrize("is_temporary", [False, True])
def test_a_replaced_stage_is_empty(stages: Stages, session: Session, *, is_temporary: bool) -> None:
    def create(existing: Existing) -> bool:
        if is_temporary:
            return stages.create_temporary(session, ST, spec={}, existing=existing).is_kept
        return stages.create(ST, "R", spec={}, existing=existing).is_kept

    create(Existing.REFUSE)
    file = put(stages, session, "@st/a")
    with pytest.raises(ObjectExists, match=r"Stage 'DB\.S\.ST' already exists"):
        create(Existing.REFUSE)
    was_kept = create(Existing.KEEP), file.exists()
    create(Existing.REPLACE)

    assert was_kept == (True, True)
    assert not file.exists()
    assert list(stages.locate(session, "@st").files()) == []


def test_temporary_stages_come_first_and_end_with_their_session(
    stages: Stages, session: Session
) -> None:
    stages.create(ST, "R", spec={})
    kept = put(stages, session, "@st/kept")
    stages.create_temporary(session, ST, spec={})
    gone = put(stages, session, "@st/gone")

    assert [file.name for file in stages.locate(session, "@st").files()] == ["gone"]
    stages.end_session(session)
    assert (kept.exists(), gone.exists()) == (True, False)
    assert [file.name for file in stages.locate(session, "@st").files()] == ["kept"]


def test_options_of_a_format_are_changed_one_by_one(stages: Stages, session: Session) -> None:
    stages.create(FF, "R", spec={"options": {"TYPE": "CSV", "SKIP_HEADER": 1}})
    stages.alter(FF, {"SKIP_HEADER": 2}, comment="c")
    stages.rename(FF, Key(FILE_FORMAT, "G", "DB", "S"))

    name = QualifiedName("DB", "S", "G")
    assert stages.format(session, name).options == {"TYPE": "CSV", "SKIP_HEADER": 2}


def test_dropping_removes_the_files(stages: Stages, session: Session) -> None:
    stages.create(ST, "R", spec={})
    file = put(stages, session, "@st/a")

    assert stages.drop(ST)
    assert not file.exists()
    assert not stages.drop(ST, if_exists=True)
    with pytest.raises(ObjectNotFound):
        stages.drop(ST)


def test_files_are_chosen_by_pattern_and_removed(stages: Stages, session: Session) -> None:
    for name in ("a.csv", "b.csv", "c.txt"):
        put(stages, session, f"@~/{name}")
    location = stages.locate(session, "@~")

    assert [file.name for file in location.files_like(r".*\.csv")] == ["a.csv", "b.csv"]
    assert [file.name for file in location.remove_files("a.*")] == ["a.csv"]
    assert [file.name for file in location.files()] == ["b.csv", "c.txt"]


def test_text_is_read_as_it_is_or_not_at_all(stages: Stages, session: Session) -> None:
    put(stages, session, "@~/good", "ü")
    put(stages, session, "@~/bad").write_bytes(b"\xff")

    assert stages.locate(session, "@~/good").read_text("@~/good") == "ü"
    for name in ("bad", "none"):
        with pytest.raises(StageUnreadable):
            stages.locate(session, f"@~/{name}").read_text(name)
    with pytest.raises(InvalidArgument):
        stages.locate(session, "@~/../up")
