"""Files behind snow:// addresses: as the client lists, fetches and puts them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.catalog.names import QualifiedName
from nunatak.errors import InvalidArgument, NunatakError, ObjectNotFound
from nunatak.models.contents.files import SourceFile
from nunatak.models.registry import Models
from nunatak.models.snowfiles import ModelFiles, SnowAddress, parse_address
from support.model_versions import name

M = name("M")


def qualify(parts: tuple[str, ...]) -> QualifiedName:
    return QualifiedName.of(parts, database="DB", schema="S")


def at(text: str) -> SnowAddress:
    return parse_address(text, qualify)


@pytest.fixture
def service(models: Models, files: list[SourceFile]) -> ModelFiles:
    models.maker.create(M, "V1", files=files, owner="R")
    return ModelFiles(models)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("snow://model/DB.S.M/versions/V1/MANIFEST.yml", SnowAddress(M, "V1", "MANIFEST.yml")),
        ("snow://model/M/versions/V1/model/env/", SnowAddress(M, "V1", "model/env")),
        ("snow://model/M/versions/V1/", SnowAddress(M, "V1", "")),
        ("snow://model/M/versions/V1", SnowAddress(M, "V1", "")),
        ("snow://model/m", SnowAddress(M, "", "")),
        ("snow://model/m/versions/", SnowAddress(M, "", "")),
        (
            'snow://model/"a/b".S."M"/versions/v 1/x',
            SnowAddress(QualifiedName("a/b", "S", "M"), "v 1", "x"),
        ),
    ],
)
def test_addresses(text: str, address: SnowAddress) -> None:
    assert at(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "snow://model/",
        "snow://stage/M/versions/V1",
        "snow://model/M/other/V1",
        "snow://model/M/versions/V1/../../x",
        "@stage/x",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidArgument):
        at(text)


@given(st.text(alphabet='snow:/model"V1._M versions', max_size=40))
def test_no_text_breaks_the_reader(tail: str) -> None:
    try:
        found = at(f"snow://model/{tail}")
    except NunatakError:
        return
    assert ".." not in found.path.split("/")


def test_what_export_lists(service: ModelFiles) -> None:
    rows = service.listing(at("snow://model/DB.S.M/versions/V1/model/"))
    assert [row.name for row in rows] == [
        "versions/V1/model/model.yaml",
        "versions/V1/model/models/M/model.pkl",
        "versions/V1/model/sample_input_data.json",
    ]
    (row,) = service.listing(at("snow://model/DB.S.M/versions/V1/model/model.yaml"))
    content = service.open_path(row.key).read_bytes()
    assert (row.size_bytes, row.md5) == (
        len(content),
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
    )


def test_a_path_is_no_prefix_of_names(service: ModelFiles) -> None:
    assert service.listing(at("snow://model/M/versions/V1/mod")) == []


def test_versions_by_alias_and_all_of_them(service: ModelFiles, files: list[SourceFile]) -> None:
    service.models.maker.add_version(M, "v 2", files=files)
    shown = {row.name.split("/")[1] for row in service.listing(at("snow://model/M"))}
    assert shown == {"V1", "v 2"}
    for version in ("last", "v 2", '"v 2"'):
        rows = service.listing(at(f"snow://model/M/versions/{version}/"))
        assert len(rows) == len(files)
        assert rows[0].name == f"versions/{version}/MANIFEST.yml"
    with pytest.raises(ObjectNotFound):
        service.listing(at("snow://model/M/versions/V3/"))


def test_a_key_outlives_a_rename(service: ModelFiles) -> None:
    key = service.listing(at("snow://model/M/versions/V1/MANIFEST.yml"))[0].key
    service.models.editor.rename(M, name("N"))
    assert service.open_path(key).is_file()
    service.models.dropper.drop(name("N"))
    with pytest.raises(ObjectNotFound):
        service.open_path(key)


@pytest.mark.parametrize("key", ["", "x/y", "../../etc/passwd", f"{'0' * 32}/../x", f"{'0' * 32}/"])
def test_keys_that_lead_nowhere(service: ModelFiles, key: str) -> None:
    for use in (service.open_path, service.place):
        with pytest.raises(ObjectNotFound):
            use(key)


def test_an_upload_into_a_live_version(service: ModelFiles) -> None:
    service.models.maker.add_live_version(M, "V2")
    prefix = service.upload_prefix(at("snow://model/DB.S.M/versions/V2/model"))
    for text in ("one", "another"):
        service.place(f"{prefix}a.txt").write_text(text)
        service.stored(f"{prefix}a.txt", size_bytes=len(text), md5="")
    (row,) = service.listing(at("snow://model/M/versions/V2/"))
    assert row.name == "versions/V2/model/a.txt"
    assert service.open_path(row.key).read_text() == "another"


def test_a_half_upload_is_no_file(service: ModelFiles) -> None:
    service.models.maker.add_live_version(M, "V2")
    prefix = service.upload_prefix(at("snow://model/M/versions/V2/"))
    service.place(f"{prefix}a.txt").write_text("ha")
    assert service.listing(at("snow://model/M/versions/V2/")) == []
    service.models.dropper.collect_garbage()
    assert service.models.folder(service.models.version(M, "V2")).is_dir()


def test_a_committed_version_takes_nothing(service: ModelFiles) -> None:
    with pytest.raises(InvalidArgument, match="committed"):
        service.upload_prefix(at("snow://model/M/versions/V1/"))
    with pytest.raises(InvalidArgument, match="name the version"):
        service.upload_prefix(at("snow://model/M"))
    key = service.listing(at("snow://model/M/versions/V1/MANIFEST.yml"))[0].key
    with pytest.raises(InvalidArgument, match="not live"):
        service.place(key)


def test_an_upload_that_ends_after_the_commit_is_refused(
    service: ModelFiles, files: list[SourceFile]
) -> None:
    live = service.models.maker.add_live_version(M, "V2")
    for item in files:
        Path(service.place(f"{live.id}/{item.path}")).write_bytes(item.file.read_bytes())
        service.stored(f"{live.id}/{item.path}", size_bytes=0, md5="")
    late = service.place(f"{live.id}/late.txt")
    service.models.live.commit(M, "V2")
    assert not late.parent.exists()
    with pytest.raises(InvalidArgument, match="not live"):
        service.stored(f"{live.id}/late.txt", size_bytes=0, md5="")
    assert len(service.models.files(service.models.version(M, "V2"))) == len(files)
